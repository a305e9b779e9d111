"""What holds for every file of the repository."""

import re
from collections.abc import Iterator
from pathlib import Path

from worker.settings import Settings
from worker.settings.allowed import PREFIX, variable

ROOT = Path(__file__).parents[2]
LIMIT = 300
GENERATED: frozenset[str] = frozenset()
"""Python files written by a program: as long as they need to be."""

# Written in pieces, so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(r"(?<![\w.~-])/" + r"(?:work/(?:main|shared|scratch)|home/\w|root/|Users/\w)")
REGISTRIES = re.compile(
    r"pypi\." + r"org|python" + r"hosted|repo1?\.maven|maven-" + r"central\.|proxy\.golang|registry\.npm|"
    r"--(?:extra-)?" + r"index-url|--find-" + r"links|https?://(?:10|172|192\.168)\.\d"
)
BINARY = {".onnx", ".png", ".gif", ".svg", ".gz", ".zst", ".npy", ".npz", ".safetensors"}
VOCABULARY = {"tokenizer.json", "vocab.txt"}


def files() -> Iterator[Path]:
    """Every file of the project: what lies in no hidden folder, cache or build output."""
    skipped = {"__pycache__", "build", "dist", "node_modules"}
    for path in sorted(ROOT.iterdir()):
        if (path.name.startswith(".") and path.name != ".ci") or path.name in skipped:
            continue
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            parts = file.relative_to(ROOT).parts
            hidden = any(part.startswith(".") for part in parts[1:-1]) or parts[0].endswith(".egg-info")
            if file.is_file() and not hidden and not skipped & set(parts):
                yield file


def texts() -> Iterator[tuple[str, str]]:
    for file in files():
        if file.suffix not in BINARY and file.name not in VOCABULARY:
            yield str(file.relative_to(ROOT)), file.read_text(encoding="utf-8", errors="replace")


def test_walk_finds_the_project() -> None:
    found = {name for name, _ in texts()}
    assert {"pyproject.toml", "worker/cli.py", "tests/architecture/test_files.py"} <= found


def test_python_files_stay_short_enough_to_have_one_reason_to_change() -> None:
    lengths = {name: text.count("\n") for name, text in texts() if name.endswith(".py")}
    assert {name: length for name, length in lengths.items() if length >= LIMIT and name not in GENERATED} == {}


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert found(MACHINE_PATHS) == []


def test_no_file_names_a_package_registry() -> None:
    """Where packages come from is the machine's configuration: a mirror must work without an edit."""
    assert found(REGISTRIES) == []


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number}: {match[0]}"
        for name, text in texts()
        for number, line in enumerate(text.splitlines(), start=1)
        if (match := pattern.search(line))
    ]


def test_settings_named_in_messages_exist() -> None:
    known = {variable(field) for field in [*Settings.model_fields, "secrets_dir"]}
    named = {
        (name, match[0])
        for name, text in texts()
        if name.startswith(("worker/", "deploy/", "README", "DESIGN", "docs/"))
        for match in re.finditer(PREFIX + r"[A-Z_]*[A-Z]\b(?!_)", text)
    }
    assert {(name, setting) for name, setting in named if setting not in known} == set()
