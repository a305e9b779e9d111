"""docs/explain.md shows what the bundled model says."""

import json
import re
from pathlib import Path

import pytest

from worker.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "explain.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("no_settings")
def test_first_example_is_what_the_command_gives(tmp_path: Path) -> None:
    example = re.search(r"\$ echo '(.+)' \| moderation-worker classify --explain (\w+)\n", PAGE)
    assert example
    (tmp_path / "posts.jsonl").write_text(example[1] + "\n")
    output = tmp_path / "verdicts.jsonl"
    assert main(["classify", str(tmp_path / "posts.jsonl"), "--output", str(output), "--explain", example[2]]) == 0
    (found,) = json.loads(output.read_text())["explanations"]
    weights = {(word["start"], word["end"]): word["weight"] for word in found["words"]}

    shown = re.findall(r'\{"start": (\d+), "end": (\d+), "weight": (-?[\d.]+)\}', PAGE)
    assert len(shown) > 1
    assert f'"label": "{example[2]}", "score": {found["score"]:.2f}, "field": "{found["field"]}"' in PAGE
    for start, end, weight in shown:
        assert weights[int(start), int(end)] == pytest.approx(float(weight), abs=0.05)
