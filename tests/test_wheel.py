"""The wheel as somebody installs it: it holds all that it needs, and works without the checkout."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from worker import __version__

pytestmark = pytest.mark.timeout(600)

ROOT = Path(__file__).parents[1]
BUILD_SECONDS = 110
INSTALL_SECONDS = 400
"""Downloads included, where nothing is cached."""
BUNDLES = ROOT / "worker" / "bundles"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("*.whl")
    return built


class Environment:
    """A new virtual environment: the locked dependencies and the wheel, and nothing of the developer's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder, with_pip=True)

    def run(self, *command: str, stdin: str = "", seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a program of this environment elsewhere than in the checkout, without variables of Python or ours."""
        program, *arguments = command
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MODERATION_"))}
        return subprocess.run(
            [str(self.folder / "bin" / program), *arguments],
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            timeout=seconds,
            check=False,
            cwd=self.folder,
            env=kept | {"PYTHONUTF8": "1", "PYTHONNOUSERSITE": "1"},
        )

    def pip(self, *arguments: str) -> None:
        done = self.run("python", "-m", "pip", *arguments, seconds=INSTALL_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The wheel with the extra `demo`, as the lock file has it."""
    environment = Environment(tmp_path_factory.mktemp("installed"))
    environment.pip("install", "--quiet", "--require-hashes", "-r", str(ROOT / "requirements" / "demo.txt"))
    environment.pip("install", "--quiet", "--no-deps", "--no-index", str(wheel))
    return environment


@pytest.mark.parametrize("name", ["default", "ko"])
def test_wheel_holds_every_schema_and_the_bundled_models_unchanged(name: str, wheel: Path) -> None:
    schemas = {file.name: file.read_bytes() for file in (ROOT / "schemas").iterdir() if file.is_file()}
    bundle = {file.name: file.read_bytes() for file in (BUNDLES / name).iterdir()}
    assert {"post.v1.json", "verdict.v1.json", "asyncapi.yaml"} <= schemas.keys()
    assert {"manifest.json", *json.loads(bundle["manifest.json"])["files"]} <= bundle.keys()

    with zipfile.ZipFile(wheel) as archive:
        found = {name: archive.read(name) for name in archive.namelist() if name.startswith("worker/schemas/")}
        assert found == {f"worker/schemas/{name}": content for name, content in schemas.items()}  # and no examples
        assert {file: archive.read(f"worker/bundles/{name}/{file}") for file in bundle} == bundle


def test_wheel_holds_the_package_its_licence_and_commands_alone(wheel: Path) -> None:
    info = f"moderation_worker-{__version__}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        commands = archive.read(f"{info}/entry_points.txt").decode()

    assert {name.split("/")[0] for name in names} == {"worker", info}
    assert f"{info}/licenses/LICENSE" in names
    assert "worker/py.typed" in names
    assert "moderation-worker = worker.cli:main" in commands
    assert not [name for name in names if "__pycache__" in name]


def test_installed_wheel_lies_in_its_own_environment_and_its_dependencies_agree(installed: Environment) -> None:
    found = installed.run("python", "-c", "import worker; print(worker.__file__)").stdout.strip()

    assert Path(found).is_relative_to(installed.folder)
    installed.pip("check")


def test_installed_wheel_classifies_without_the_checkout(installed: Environment) -> None:
    posts = "".join(json.dumps({"id": f"p{number}", "text": "Hello out there!"}) + "\n" for number in range(3))

    done = installed.run("moderation-worker", "classify", stdin=posts)

    assert done.returncode == 0, done.stderr
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(verdict["post_id"], verdict["schema"]) for verdict in verdicts] == [
        (f"p{number}", "verdict.v1") for number in range(3)
    ]
    assert all(verdict["scores"] for verdict in verdicts)


def test_installed_wheel_shows_its_demo_without_the_checkout(installed: Environment) -> None:
    done = installed.run("moderation-worker", "demo", "--posts", "3", "--rate", "20")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("3 posts: ")


def test_every_package_imported_is_declared() -> None:
    """What only another dependency brings may be gone with that one's next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    serving = _names(project["dependencies"])
    extras = {extra: serving | _names(needed) for extra, needed in project["optional-dependencies"].items()}
    distributions = packages_distributions()
    undeclared = []
    for file in (ROOT / "worker").rglob("*.py"):
        declared = extras.get(file.relative_to(ROOT / "worker").parts[0], serving)
        imported = {_normalised(distributions.get(module, [module])[0]) for module in _imported(file)}
        undeclared += [f"{file.relative_to(ROOT)}: {name}" for name in sorted(imported - declared)]
    assert undeclared == []


def _names(requirements: list[str]) -> set[str]:
    return {_normalised(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(file: Path) -> set[str]:
    """Modules of others that the file imports."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.split(".")[0])
    return modules - sys.stdlib_module_names - {"worker", "_typeshed"}
