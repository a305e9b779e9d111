"""docs/operations.md names what is there, and its commands are those of the programs; links of all pages lead somewhere."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from load_tests import sizing
from load_tests.dashboard.known import series
from load_tests.dashboard.promql import selectors
from worker.cli import _parser

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
PAGE = OPERATIONS.read_text(encoding="utf-8")
COMMANDS = [
    shlex.split(line, comments=True)
    for line in PAGE.replace("\\\n", " ").splitlines()
    if re.match(r" {4,}(make|moderation-worker|kubectl|kafka-\S+) ", line)
]
PAGES = [
    ROOT / "README.md",
    ROOT / "DESIGN.md",
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "deploy").rglob("*.md"),
    *(ROOT / "load_tests").glob("*.md"),
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        if "://" not in link:
            target = (page.parent / path) if path else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


def test_commands_of_the_worker_are_its_own() -> None:
    own = [command[1:] for command in COMMANDS if command[0] == "moderation-worker"]
    assert len(own) == 2
    for arguments in own:
        assert _parser().parse_args(arguments).command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_targets_of_make_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:`| {4})make ([a-z][a-z-]*)", page.read_text(encoding="utf-8")))
    assert {"manifests", "cost", "soak", "chaos"} <= named or page != OPERATIONS
    assert named - set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)) == set()


def test_what_kubectl_is_told_of_is_in_the_manifests() -> None:
    manifests = (ROOT / "deploy" / "kubernetes" / "base" / "deployment.yaml").read_text(encoding="utf-8")
    told = {word for command in COMMANDS if command[0] == "kubectl" for word in command if "/moderation" in word}
    assert told == {"deployment/moderation-worker"}
    assert "kind: Deployment\nmetadata:\n  name: moderation-worker\n" in manifests


def test_tour_goes_through_the_rows_of_the_dashboard() -> None:
    board = json.loads((ROOT / "deploy" / "grafana" / "moderation-worker.json").read_text(encoding="utf-8"))
    tour = PAGE.split("## The dashboard")[1].split("\n## ")[0]
    rows = [row.split(":")[0] for row in (panel["title"] for panel in board["panels"] if panel["type"] == "row")]
    assert re.findall(r"^\| ([A-Z][^|]+) \|", tour, re.MULTILINE) == rows
    titles = [panel["title"] for panel in board["panels"]]
    for named in re.findall(r"\*([^*]+)\*", PAGE.replace("**", "")):
        assert any(title.startswith(named) for title in titles), named


def test_query_selects_series_that_there_are() -> None:
    [query] = blocks("promql")
    assert {name for name, _ in selectors(query)} <= series()


def test_throughput_is_measured_as_written(tmp_path: Path) -> None:
    [script] = blocks("sh")
    posts = "".join(json.dumps({"id": f"p{number}", "text": "Hello out there!"}) + "\n" for number in range(20))
    (tmp_path / "posts.jsonl").write_text(posts)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MODERATION_")}
    env = kept | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-ec", script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"[\d,]+ posts/s", done.stderr.splitlines()[-1])
    assert len((tmp_path / "verdicts.jsonl").read_text().splitlines()) == 20


def test_sizes_are_what_the_model_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert sizing.main([]) == 0
    assert capsys.readouterr().out in PAGE
