"""The model card says what is so, and no more than is known."""

import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

import worker
from tests.modeling.test_card_origin import LOSSY, RECIPE
from worker.core.errors import Fatal
from worker.modeling.bundles import load_named
from worker.modeling.evaluation.report import summary
from worker.modeling.model_card.card import write_card

PACKAGE = Path(worker.__file__).parent
RECIPES = sorted((PACKAGE / "modeling" / "recipes").glob("*.toml"))


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ours = tmp_path_factory.mktemp("card") / "bundle"
    measured = shutil.ignore_patterns("evaluation*", "suite.json", "export.json", "reference.json")
    shutil.copytree(PACKAGE / "bundles" / "default", ours, ignore=measured)
    manifest = json.loads((ours / "manifest.json").read_text())
    del manifest["files"]["reference.json"]
    (ours / "manifest.json").write_text(json.dumps(manifest))
    return ours


def card(bundle: Path, folder: Path, half: str = "report", **recipe: Any) -> str:
    (folder / "metrics.json").write_text(json.dumps({"recipe": RECIPE | {"encoder": str(folder)} | recipe}))
    (folder / "about.toml").write_text('encoder = "a small one (MIT)"\nvocabulary = "letters (CC0)"\n')
    (folder / "found.json").write_text(json.dumps({"note": "All of it.", "half": half, "rows": []}))
    path = write_card(bundle, folder, folder / "about.toml", {"Posts": folder / "found.json"})
    return path.read_text()


def test_card_reads_what_warm_start_reported(shipped: Path, tmp_path: Path) -> None:
    (tmp_path / "warm_start.json").write_text(json.dumps(LOSSY))
    assert "factorised to 128 dimensions" in card(shipped, tmp_path, encoder=str(tmp_path))


def test_card_names_the_posts_of_every_training_that_the_classifier_went_through(shipped: Path, tmp_path: Path) -> None:
    student, small, encoder, again = (tmp_path / name for name in ("student", "small", "encoder", "again"))
    for folder in (student, small, encoder, again):
        folder.mkdir()
    taught = {
        "teacher_scores": "/o/s.npz",
        "teacher_weight": 1,
        "train": ["/data/mhs.train.jsonl"],
        "unlabelled": ["/o/own.jsonl"],
    }
    (student / "metrics.json").write_text(json.dumps({"recipe": RECIPE | {"encoder": str(student)}}))
    (encoder / "warm_start.json").write_text(json.dumps(LOSSY | {"beside": "../student"}))
    (small / "metrics.json").write_text(json.dumps({"recipe": RECIPE | taught | {"encoder": str(encoder)}}))

    text = card(shipped, again, encoder=str(small), seed=7)
    first, second, third = re.split(r"### Training \d of 3\n", text)[1:]
    assert "- `davidson.train.jsonl`" in first
    assert "factorised" not in first
    assert "Its embeddings were factorised to 128 dimensions" in second
    assert "training parts of" not in second
    scored = second.partition("only the teachers' scores were learnt")[2]
    assert scored.index("- `own.jsonl`") < scored.index("- `mhs.train.jsonl`: [Measuring")
    assert "seed 7" in third.partition("## ")[0]
    assert "factorised" not in third.partition("## ")[0]


def test_what_would_tell_of_an_earlier_training_and_is_gone_is_named(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"was made of nowhere, which is not there and would tell what else it learnt from"):
        card(shipped, tmp_path, encoder="nowhere")
    (tmp_path / "warm_start.json").write_text(json.dumps(LOSSY | {"beside": "../gone"}))
    with pytest.raises(Fatal, match=r"was made of .*/gone, which is not there"):
        card(shipped, tmp_path)


def test_bundle_that_a_training_went_on_from_is_named(shipped: Path, tmp_path: Path) -> None:
    restored, smaller, pretrained = (tmp_path / name for name in ("restored", "smaller", "pretrained"))
    for folder in (restored, smaller, pretrained):
        folder.mkdir()
    (restored / "restored.json").write_text(json.dumps({"name": "english", "version": "7.0"}))
    (smaller / "warm_start.json").write_text(json.dumps(LOSSY | {"beside": "../restored"}))
    (pretrained / "pretrain.json").write_text(json.dumps({"recipe": {"encoder": str(smaller)}}))
    for encoder in (restored, smaller, pretrained):
        text = card(shipped, tmp_path, encoder=str(encoder))
        assert "Training went on from the bundle english 7.0, whose model card" in text
        assert ("factorised to 128" in text) == (encoder != restored)
    assert "went on from" not in card(shipped, tmp_path)


def test_licence_of_the_bundle_is_told_where_it_is_known(shipped: Path, tmp_path: Path) -> None:
    assert "Licence" not in card(shipped, tmp_path).partition("Policy")[0]
    about = tmp_path / "about.toml"
    about.write_text(about.read_text() + 'licence = "CC0"\n')
    text = write_card(shipped, tmp_path, about, {"Posts": tmp_path / "found.json"}).read_text()
    assert "Licence of this bundle: CC0." in text.partition("Policy")[0]


@pytest.mark.parametrize(
    ("half", "said"),
    [
        ("report", "one half (by a hash of the id) of the development posts below; figures are of the other half:"),
        ("all", "of the development posts below, so that figures are slightly rosy:"),
        ("selection", "the very posts below, so that figures are rosy:"),
    ],
)
def test_card_says_which_posts_chose_the_thresholds(shipped: Path, tmp_path: Path, half: str, said: str) -> None:
    assert said in card(shipped, tmp_path, half)


def test_reference_scores_are_pointed_at_where_the_bundle_has_them(shipped: Path, tmp_path: Path) -> None:
    assert "reference.json" not in card(shipped, tmp_path)
    (shipped / "reference.json").write_text("{}")
    assert "`reference.json` holds the distribution of this bundle's scores" in card(shipped, tmp_path)
    (shipped / "reference.json").unlink()


@pytest.mark.parametrize("content", ["[]", '{"rows": []}'])
def test_directory_of_no_training_is_refused(shipped: Path, tmp_path: Path, content: str) -> None:
    card(shipped, tmp_path)
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(Fatal, match=r"card: .*metrics\.json: (of no training|no JSON object)"):
        write_card(shipped, tmp_path, tmp_path / "about.toml", {"Posts": tmp_path / "found.json"})


def test_figures_of_another_bundle_are_refused(shipped: Path, tmp_path: Path) -> None:
    card(shipped, tmp_path)
    found, about = tmp_path / "found.json", tmp_path / "about.toml"
    note = "ours 1, int8, policy p, sha256 {}, through the serving path."
    own = load_named(shipped).bundle.sha256[:12]
    found.write_text(json.dumps({"note": note.format(own), "half": "all", "rows": []}))
    write_card(shipped, tmp_path, about, {"Posts": found})
    found.write_text(json.dumps({"note": note.format("0123456789ab"), "half": "all", "rows": []}))
    with pytest.raises(Fatal, match=r"found\.json: was measured of another bundle"):
        write_card(shipped, tmp_path, about, {"Posts": found})


@pytest.mark.parametrize(
    "content",
    [
        {"rows": []},
        {"note": "All.", "rows": [{"file": "a", "label": "hate", "posts": 4}]},
        {"note": "All.", "rows": [], "pooled": [{"label": "hate"}]},
    ],
)
def test_figures_of_another_version_are_refused(shipped: Path, tmp_path: Path, content: dict[str, Any]) -> None:
    card(shipped, tmp_path)
    (tmp_path / "found.json").write_text(json.dumps(content))
    with pytest.raises(Fatal, match=r"found\.json: written by another version .*: make it again"):
        write_card(shipped, tmp_path, tmp_path / "about.toml", {"Posts": tmp_path / "found.json"})


def test_card_that_cannot_be_written_leaves_the_one_before(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, files = card(shipped, tmp_path), sorted(shipped.iterdir())

    def full(*_: object) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(Fatal, match=r"MODEL_CARD\.md: cannot be written: No space left"):
            card(shipped, tmp_path, "all")
    assert (shipped / "MODEL_CARD.md").read_text() == before
    assert sorted(shipped.iterdir()) == files


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_limits_hold_no_measured_figure_typed_by_hand(path: Path) -> None:
    limits = tomllib.loads(path.read_text())["limits"]
    assert not re.findall(r"(?<!95) %|\d+,\d{3}|\d?\.\d+|one .* in \d+", limits)


def test_measurements_beside_the_bundle_are_shown(shipped: Path, tmp_path: Path) -> None:
    suite = json.loads((PACKAGE / "bundles" / "default" / "suite.json").read_text())
    row = {"file": "a", "label": "hate", "posts": 300, "auroc_fp32": 0.9, "auroc_int8": 0.875, "auroc_cost": 0.025}
    row |= {"flips": 0.01, "clear_flips": 0.0, "review_flips": 0.02, "mean": 0.003, "largest": 0.1}
    assert "Made-up" not in card(shipped, tmp_path)
    try:
        (shipped / "suite.json").write_text(json.dumps(suite))
        (shipped / "export.json").write_text(json.dumps({"parity": [row]}))
        text = card(shipped, tmp_path)
        assert "| a | hate | 300 | 0.9000 | 0.8750 | 0.0250 | 1.00% | 0.00% | 2.00% | 0.0030 | 0.100 |" in text
        assert f"| {suite['kinds'][0]['kind']} | " in text
        (shipped / "export.json").write_text(json.dumps({"parity": [{}]}))
        with pytest.raises(Fatal, match=r"export\.json: written by another version"):
            card(shipped, tmp_path)
        (shipped / "suite.json").write_text(json.dumps(suite | {"sha256": "0"}))
        (shipped / "export.json").unlink()
        with pytest.raises(Fatal, match=r"suite\.json: was measured of another bundle"):
            card(shipped, tmp_path)
    finally:
        for name in ("suite.json", "export.json"):
            (shipped / name).unlink(missing_ok=True)


def test_card_says_where_a_floor_is_better() -> None:
    row = {"file": "a.jsonl", "label": "hate", "auroc": 0.8, "floors": {"mixed": 0.7, "a": 0.85}, "margin": -0.05}
    assert "**Below the best floor: a.jsonl hate by 0.050.**" in summary({"beside": [row]})[0]
    assert "Below" not in summary({"beside": [row | {"margin": 0.1}]})[0]
