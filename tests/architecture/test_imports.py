"""Imports point down, and serving needs nothing that modeling needs."""

import json
import subprocess
import sys
from pathlib import Path

import worker

ROOT = Path(__file__).parents[2]
PACKAGE = Path(worker.__file__).parent
NOT_SERVING = ("worker.modeling", "worker.demo")
FORBIDDEN = ("torch", "transformers", "onnx", "sklearn", "worker.modeling")


def serving_modules() -> list[str]:
    """Every module under worker/ that a serving process may import."""
    names = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        # A package's __main__ does its work on import: it is run, never imported.
        if parts[-1] != "__main__" and not any(name == other or name.startswith(f"{other}.") for other in NOT_SERVING):
            names.append(name)
    return names


def test_import_contracts_hold() -> None:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_walk_finds_the_rooms() -> None:
    found = serving_modules()
    assert {"worker", "worker.cli", "worker.app", "worker.pipeline", "worker.settings", "worker.core.types"} <= set(
        found
    )
    assert not any(name.startswith(NOT_SERVING) for name in found)


def test_whole_of_serving_imported_neither_torch_nor_modeling_is_loaded() -> None:
    program = (
        "import importlib, json, sys\n"
        "for name in json.loads(sys.argv[1]): importlib.import_module(name)\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(serving_modules())],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    assert "worker.app" in loaded
    assert [name for name in loaded if any(name == bad or name.startswith(f"{bad}.") for bad in FORBIDDEN)] == []
