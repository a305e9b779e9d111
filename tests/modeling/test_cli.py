import json
from pathlib import Path

import pytest

from worker.model.bundle import load_bundle
from worker.modeling.cli import main


@pytest.fixture(scope="module")
def bundle(classifier: Path, posts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "bundle"
    status = main(
        f"export --classifier {classifier} --out {out} --calibration {posts} --dev {posts} --block hate "
        "--quantization int8-7bit --name tiny --version 1.2.3 --overlap 8".split()
    )
    assert status == 0
    return out


def test_export_makes_the_bundle_that_was_asked_for(bundle: Path) -> None:
    found = load_bundle(bundle)
    assert (found.name, found.version) == ("tiny", "1.2.3")
    assert found.manifest.quantization == "int8-static-7bit"


def test_bundle_and_floor_are_measured_and_carded(
    bundle: Path, classifier: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, floor = tmp_path / "ours.json", tmp_path / "floor.json"
    assert main(f"evaluate --bundle {bundle} --data {posts} --json {ours}".split()) == 0
    assert "| posts.jsonl | hate |" in capsys.readouterr().out
    assert main(f"evaluate --bundle {bundle} --data {posts} --reference {bundle}".split()) == 0
    assert "0.0000 on average and 0.000 at most, 0.00% of actions differ" in capsys.readouterr().out
    assert main(f"evaluate --baseline --train {posts} --train-posts 80 --data {posts} --json {floor}".split()) == 0
    assert "even sample of 80" in capsys.readouterr().out
    rows = json.loads(floor.read_text())["rows"]
    assert {row["label"] for row in rows} == {"hate", "offensive"}
    assert all(row["auroc"] > 0.9 for row in rows)  # it was trained on these very posts

    arguments = ["card", "--bundle", str(bundle), "--classifier", str(classifier), "--encoder", "a random one (CC0)"]
    assert main([*arguments, "--metrics", f"Ours={ours}", f"Floor={floor}"]) == 0
    card = (bundle / "MODEL_CARD.md").read_text()
    assert card.startswith("# tiny 1.2.3\n")
    assert "HateXplain (Mathew et al., AAAI 2021), MIT" in card
    for heading in ("## Ours", "## Floor", "## Limits", "## Make it again"):
        assert heading in card
    assert "The encoder is a random one (CC0)" in card
    assert str(posts.parent) not in card
    load_bundle(bundle)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("evaluate --bundle {missing} --data {posts}", "MODERATION_BUNDLE"),
        ("evaluate --baseline --train {empty} --data {posts}", "--train"),
        ("evaluate --bundle {bundle} --data {empty}", "--data"),
        ("card --bundle {bundle} --classifier {missing} --encoder any --metrics A={empty}", "cannot be read"),
        ("card --bundle {bundle} --classifier {missing} --encoder any --metrics nonsense", "HEADING=FILE"),
        ("export --classifier {missing} --out {missing} --name a --version 1", "not a trained classifier"),
    ],
)
def test_failure_is_one_line_that_says_what_to_change(
    bundle: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    filled = arguments.format(bundle=bundle, posts=posts, empty=empty, missing=tmp_path / "missing")
    assert main(filled.split()) == 1
    assert message in capsys.readouterr().err


def test_interrupt_ends_with_the_shells_status(monkeypatch: pytest.MonkeyPatch, posts: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("worker.model.classifier.Classifier.load", interrupt)
    assert main(f"evaluate --bundle anything --data {posts}".split()) == 130
