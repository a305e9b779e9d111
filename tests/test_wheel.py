"""The wheel as somebody installs it: it holds all that it needs, and works without the checkout."""

import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from worker import __version__

ROOT = Path(__file__).parents[1]
BUILD_SECONDS = 110
BUNDLE = ROOT / "worker" / "bundles" / "default"

# -I and -S keep out the environment's paths, the working directory, and the link of an editable install to the
# checkout: there is the installed wheel, then the standard library, then the dependencies.
CLASSIFY = """
import sys
target, dependencies = sys.argv[1:]
sys.path.insert(0, target)
sys.path.append(dependencies)
import worker
print(worker.__file__, file=sys.stderr)
from worker.cli import main
sys.exit(main(["classify"]))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel installed, and nothing else."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(target), str(wheel)], check=True, timeout=BUILD_SECONDS, stdin=subprocess.DEVNULL)
    return target


def test_wheel_holds_every_schema_and_the_bundled_model_unchanged(wheel: Path) -> None:
    schemas = {file.name: file.read_bytes() for file in (ROOT / "schemas").glob("*.json")}
    bundle = {file.name: file.read_bytes() for file in BUNDLE.iterdir()}
    assert {"post.v1.json", "verdict.v1.json"} <= schemas.keys()
    assert {"manifest.json", *json.loads(bundle["manifest.json"])["files"]} <= bundle.keys()

    with zipfile.ZipFile(wheel) as archive:
        assert {name: archive.read(f"worker/schemas/{name}") for name in schemas} == schemas
        assert {name: archive.read(f"worker/bundles/default/{name}") for name in bundle} == bundle


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


def test_installed_wheel_classifies_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", CLASSIFY, str(installed), sysconfig.get_path("purelib")],
        input=b'{"id": "1", "text": "Hello out there!"}\n',
        capture_output=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr.decode()
    imported = Path(done.stderr.decode().splitlines()[0])
    assert imported == installed / "worker" / "__init__.py"
    verdict = json.loads(done.stdout)
    assert (verdict["post_id"], verdict["schema"]) == ("1", "verdict.v1")
    assert verdict["scores"]
