"""Every step of making a model, by the recipe that docs/models.md names: from nothing to a served bundle."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from worker.model.classifier import Classifier

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
RECIPE = "worker/modeling/recipes/tiny.mk"
GOOD, BAD = "Thanks for the lift home!", "Immigrants are vermin and should be thrown out."
SECONDS = 1800
"""For a machine that is busy; alone it takes two minutes."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the recipe makes."""
    out = tmp_path_factory.mktemp("tiny")
    done = subprocess.run(
        ["make", "-f", RECIPE, f"OUT={out}", f"MODEL={BIN / 'moderation-model'}"],
        cwd=ROOT,
        env=_environment(OMP_NUM_THREADS="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    return out


@pytest.mark.timeout(SECONDS)
def test_recipe_from_nothing_makes_a_bundle_that_tells_bad_posts_from_good(made: Path) -> None:
    classifier = Classifier.load(made / "bundle")

    assert classifier.bundle.manifest.quantization == "int8-static-7bit"
    assert classifier.bundle.manifest.normalisation.emoji == "names"
    good, bad = (_score(classifier, text) for text in (GOOD, BAD))
    assert bad > good + 0.3


@pytest.mark.timeout(SECONDS)
def test_evaluate_finds_made_up_posts_it_was_not_trained_on_told_apart(made: Path) -> None:
    measured = json.loads((made / "bundle.json").read_text())

    aurocs = {row["label"]: row["auroc"] for row in measured["rows"]}
    assert aurocs.keys() == {"hate", "offensive"}
    assert min(aurocs.values()) > 0.8, aurocs
    assert measured["floors"], "the floor stands beside"
    assert (made / "report" / "report.md").exists()


@pytest.mark.timeout(SECONDS)
def test_card_policy_suite_and_page_come_with_the_bundle(made: Path) -> None:
    card = (made / "bundle" / "MODEL_CARD.md").read_text()
    assert "Make it again" in card
    assert RECIPE in card
    assert json.loads((made / "policy.json").read_text())["thresholds"].keys() == {"hate", "offensive"}
    assert json.loads((made / "suite.json").read_text())["cases"] > 800
    assert "vermin" in (made / "page.html").read_text()


@pytest.mark.timeout(SECONDS)
def test_student_is_half_as_deep_and_factorised(made: Path) -> None:
    encoder, student = (json.loads((made / name / "config.json").read_text()) for name in ("encoder", "student"))

    assert (encoder["num_hidden_layers"], student["num_hidden_layers"]) == (4, 2)
    assert (encoder["embedding_size"], student["embedding_size"]) == (64, 32)


@pytest.mark.timeout(SECONDS)
def test_worker_serves_what_the_recipe_made(made: Path) -> None:
    done = subprocess.run(
        [BIN / "moderation-worker", "classify"],
        env=_environment(MODERATION_BUNDLE=str(made / "bundle"), MODERATION_POLICY_FILE=str(made / "policy.json")),
        input=json.dumps({"id": "1", "text": BAD}) + "\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["model"]["name"] == "tiny"
    assert verdict["action"] == "review"


def _environment(**more: str) -> dict[str, str]:
    """Ours without what an outer make, or a worker's settings, would change."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MODERATION_"))} | more


def _score(classifier: Classifier, text: str) -> float:
    """Of `hate`."""
    (windows,) = classifier.windows([classifier.normalise(text).text])
    return float(np.array(classifier.score(list(windows)))[:, classifier.labels.index("hate")].max())
