"""Heads of single sources side by side: here two sources mean the opposite of each other."""

import dataclasses
import json
import random
from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.comparison.heads import markdown, measure
from worker.modeling.training.recipe import Recipe
from worker.modeling.training.train import train

SOURCES = ("earth", "mars")


def write(path: Path, count: int, hateful: str) -> Path:
    draw = random.Random(path.name)
    with path.open("w") as file:
        for number in range(count):
            word = draw.choice(["bad", "the"])
            row = {"id": str(number), "text": f"{word} thing", "labels": {"hate": int(word == hateful)}}
            file.write(json.dumps(row) + "\n")
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("dev")
    return [write(folder / f"{s}.dev.jsonl", 60, word) for s, word in zip(SOURCES, ("bad", "the"), strict=True)]


@pytest.fixture(scope="module")
def classifiers(encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("heads")
    files = [write(folder / f"{s}.train.jsonl", 200, word) for s, word in zip(SOURCES, ("bad", "the"), strict=True)]
    base = Recipe(str(encoder), tuple(map(str, files)), ("hate",), epochs=3, batch_size=8, learning_rate=1e-3)
    found = {}
    for name, heads in (("with", 1.0), ("without", 0.0)):
        found[name] = folder / name
        train(dataclasses.replace(base, source_heads=heads, max_length=32), [], found[name])
    return found


def test_head_of_a_source_ranks_as_that_source_does_and_no_mixture_reconciles_opposites(
    classifiers: dict[str, Path], data: list[Path]
) -> None:
    floors = {path.name: 0.8 for path in data}
    common, earth, mars, best, nearest = measure([classifiers["with"]] * 2, data, "hate", floors)
    here, there = (path.name for path in data)
    assert earth.auroc[here] > 0.95
    assert earth.auroc[there] < 0.05
    assert mars.auroc[there] > 0.95
    assert best.mean == pytest.approx(0.5, abs=0.01)
    assert nearest.margin(floors) < 0
    lines = markdown([common, earth, mars, best, nearest], floors).splitlines()
    assert lines[2].startswith("| common head |")
    assert "mixture of best margin over all floors: " in lines[6]
    assert lines[7].startswith("| floor | 0.800 | 0.800 |")
    assert len(measure([classifiers["with"]], data, "hate", {})) == 4


def test_what_cannot_be_compared_is_refused(
    classifiers: dict[str, Path], data: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Fatal, match=r"has no head of earth: .*--source-heads"):
        measure([classifiers["without"]], data, "hate", {})
    with pytest.raises(Fatal, match="no label 'spam', but hate"):
        measure([classifiers["with"]], data, "spam", {})
    with pytest.raises(Fatal, match=r"--floors: of venus\.dev\.jsonl, none of which is in --data"):
        measure([classifiers["with"]], data, "hate", {"venus.dev.jsonl": 0.5})
    one_sided = tmp_path / "earth.dev.jsonl"
    one_sided.write_text('{"id": "0", "text": "a", "labels": {"hate": 1}}\n')
    command = ["heads", "--classifier", str(classifiers["with"]), "--data"]
    assert main([*command, str(one_sided)]) == 1
    assert f"{one_sided}: " in capsys.readouterr().err
    floors = tmp_path / "evaluation.json"
    for content, message in (("{", "not written by"), ('{"beside": []}', "has no floor of 'hate'")):
        floors.write_text(content)
        assert main([*command, *map(str, data), "--floors", str(floors)]) == 1
        assert message in capsys.readouterr().err
    row = {"file": data[0].name, "label": "hate", "floors": {"mixed": 0.6, "earth": 0.7}}
    floors.write_text(json.dumps({"beside": [row]}))
    assert main([*command, *map(str, data), "--floors", str(floors)]) == 0
    assert "| floor | 0.700 | - |" in capsys.readouterr().out
