"""The command line's frame: what it teaches, what it calls, how it ends."""

import argparse
import signal
import subprocess
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

import worker
from worker import cli
from worker.core.errors import Fatal
from worker.settings import Settings
from worker.settings.describe import describe

COMMANDS = ("run", "demo", "classify", "check", "redrive")


@pytest.fixture
def replace(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put a module with this function in the place of worker.<name>, before the command imports it."""

    def put(name: str, **functions: object) -> None:
        module = ModuleType(f"worker.{name}")
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(worker, name, module, raising=False)

    return put


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        cli.main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    for command in COMMANDS:
        assert f"\n    {command} " in text
        assert f"moderation-worker {command}" in text
    assert "exit codes: 0 done, 1 failed" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_shows_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    text = help_of(capsys, command)
    assert "example" in text
    assert f"moderation-worker {command}" in text.split("example", 1)[1]


def test_help_of_run_lists_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys, "run")
    for item in describe():
        assert item.variable in text
    assert "MODERATION_BATCH_TOKENS (default 256)" in text


def test_help_of_classify_says_what_is_shown_of_a_bad_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = " ".join(help_of(capsys, "classify").split())
    assert "bad lines go, whole (default: nowhere; stderr names the line number and reason of each)" in text
    assert "leave the exit code 0" in text


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"moderation-worker {worker.__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["serve"],
        ["run", "now"],
        ["demo", "--posts", "0"],
        ["demo", "--posts", "many"],
        ["demo", "--rate", "0"],
        ["demo", "--rate", "nan"],
        ["demo", "--http-port", "65536"],
        ["classify", "a", "b"],
        ["redrive", "--reason", "bad_luck"],
        ["redrive", "--since", "yesterday"],
        ["redrive", "--until", "2026-01-31T08:00:00"],
        ["redrive", "--rate", "0"],
        ["redrive", "--limit", "0"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert "usage: moderation-worker" in capsys.readouterr().err


def test_run_loads_the_settings_and_returns_the_workers_code(
    replace: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODERATION_BOOTSTRAP_SERVERS", "kafka:9092")
    seen: list[Settings] = []

    def run(settings: Settings) -> int:
        seen.append(settings)
        return 7

    replace("app", run=run)
    assert cli.main(["run"]) == 7
    assert [settings.bootstrap_servers for settings in seen] == ["kafka:9092"]


def test_run_with_wrong_settings_starts_nothing(
    replace: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODERATION_HTTP_PORT", "none")
    replace("app", run=lambda _: pytest.fail("must not run"))
    assert cli.main(["run"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("moderation-worker: The settings are wrong:\n")
    assert "MODERATION_HTTP_PORT=none" in error


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("demo", {"posts": None, "rate": 3.0, "bootstrap_servers": None, "http_port": 0}),
        ("demo --posts 20 --rate 0.5 --http-port 9", {"posts": 20, "rate": 0.5, "http_port": 9}),
        ("demo --bootstrap-servers a:1,b:2", {"bootstrap_servers": "a:1,b:2"}),
        ("classify", {"file": "-", "bundle": None, "output": "-", "dead_letters": None, "no_progress": False}),
        ("classify - --no-progress", {"file": "-", "no_progress": True}),
        (
            "classify in --bundle b --output o --dead-letters d",
            {"file": "in", "bundle": "b", "output": "o", "dead_letters": "d"},
        ),
    ],
)
def test_command_gets_its_arguments_and_its_code_is_returned(
    line: str, expected: dict[str, object], replace: Callable[..., None]
) -> None:
    seen: list[argparse.Namespace] = []

    def command(arguments: argparse.Namespace) -> int:
        seen.append(arguments)
        return 5

    name, *_ = line.split()
    replace(name, main=command)
    assert cli.main(line.split()) == 5
    assert expected.items() <= vars(seen[0]).items()


def test_check_is_called_without_arguments(replace: Callable[..., None]) -> None:
    replace("check", main=lambda: 1)
    assert cli.main(["check"]) == 1


def failing(error: BaseException) -> Callable[..., int]:
    def command(*_: object) -> int:
        raise error

    return command


def test_fatal_error_exits_with_1_and_its_message_alone(
    replace: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    replace("check", main=failing(Fatal("topic posts does not exist: create it")))
    assert cli.main(["check"]) == 1
    assert capsys.readouterr() == ("", "moderation-worker: topic posts does not exist: create it\n")


def test_interrupted_exits_with_130_silently(replace: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    replace("demo", main=failing(KeyboardInterrupt()))
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr() == ("", "")


def test_bug_is_not_hidden(replace: Callable[..., None]) -> None:
    replace("check", main=failing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["check"])


def test_reader_of_the_output_leaves_early_no_traceback() -> None:
    program = """
import sys, types, worker
fake = types.ModuleType("worker.classify")
def main(arguments):
    while True:
        print("verdict" * 1000)
fake.main = main
sys.modules["worker.classify"] = worker.classify = fake
from worker.cli import main
sys.exit(main(["classify"]))
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 1


def test_help_imports_nothing_heavy() -> None:
    program = "import sys; from worker.cli import main\ntry: main(['--help'])\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "worker.cli" in loaded
    heavy = {"pydantic", "numpy", "onnxruntime", "aiokafka", "tokenizers", "prometheus_client", "structlog", "asyncio"}
    assert not heavy & loaded


def test_module_run_with_python_is_the_same_program() -> None:
    done = subprocess.run([sys.executable, "-m", "worker", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"moderation-worker {worker.__version__}\n"


def test_first_process_of_a_container_ends_on_sigterm_before_the_worker_listens_to_it() -> None:
    """The kernel drops the signal where such a process has no handler; a native module being imported loses SystemExit."""
    program = """
import os, signal, sys
os.getpid = lambda: int(sys.argv[1])
from worker import cli
try:
    cli.main(["--version"])
except SystemExit:
    pass
try:
    signal.raise_signal(signal.SIGTERM)
except BaseException:
    pass
"""
    for pid, status in ((1, 128 + signal.SIGTERM), (2, -signal.SIGTERM)):
        done = subprocess.run([sys.executable, "-c", program, str(pid)], capture_output=True, timeout=60, check=False)
        assert done.returncode == status, done.stderr
