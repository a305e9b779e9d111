import json
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

import worker
from tests.modeling.scored import LABELS, joined, scored
from worker.core.errors import Fatal
from worker.core.policy import Policy, Threshold
from worker.engine import load_policy
from worker.model.classifier import Classifier
from worker.modeling.cli import main
from worker.modeling.evaluation import proposal
from worker.modeling.evaluation.known import known_sets
from worker.modeling.evaluation.proposal import propose, write_policy
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.evaluation.thresholds import effect

POLICY = Policy("own", LABELS, (Threshold(0.4), Threshold(0.6, 0.9)))


def calibrated(name: str, seed: int, count: int = 4000) -> ScoredSet:
    """Posts that are hateful as often as their score says."""
    draw = random.Random(seed)
    scores = [draw.random() for _ in range(count)]
    return scored(name, [(float(draw.random() < score), score) for score in scores])


def bundle(monkeypatch: pytest.MonkeyPatch, *sets: ScoredSet) -> Classifier:
    """A classifier that scores as the sets say."""
    monkeypatch.setattr(proposal, "score_files", lambda *_: list(sets))
    return SimpleNamespace(labels=LABELS, bundle=SimpleNamespace(policy=POLICY))  # type: ignore[return-value]


def test_thresholds_are_the_lowest_that_reach_the_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    found = propose(bundle(monkeypatch, calibrated("a", 0)), [], 0.7, 0.9)
    chosen = found.thresholds["hate"]
    assert chosen.review == pytest.approx(0.4, abs=0.05)  # from 0.4 up, calibrated scores are right 0.7 of the time
    assert chosen.block == pytest.approx(0.8, abs=0.05)
    assert "Kept as the bundle has them: offensive" in found.text
    assert (found.thresholds["offensive"].review, found.thresholds["offensive"].block) == (0.6, 0.9)


def test_thresholds_come_from_one_half_and_their_figures_from_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    chooses = scored("a", [(1.0, 0.6), (0.0, 0.4)] * 100, half="selection")
    reports = scored("a", [(0.0, 0.6), (1.0, 0.4)] * 100, half="report")  # the contrary
    found = propose(bundle(monkeypatch, joined(chooses, reports)), [], 0.9)
    assert found.thresholds["hate"].review == 0.41
    assert "| hate | review | 0.41 | 0.000 | 0.000 | 50.0% |" in found.text
    assert "| 1.000 | 1.000 |" in propose(bundle(monkeypatch, chooses), [], 0.9, half="all").text


def test_half_that_knows_one_value_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    chooses = scored("a", [(1.0, 0.6), (0.0, 0.4)] * 100, half="selection")
    found = propose(bundle(monkeypatch, joined(chooses, scored("a", [(1.0, 0.6)] * 9, half="report"))), [], 0.9)
    assert "| hate | review | 0.41 | unknown | unknown | unknown |" in found.text


def test_nothing_blocks_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert propose(bundle(monkeypatch, calibrated("a", 0)), [], 0.7).thresholds["hate"].block is None


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ((0.99, None), r"hate: precision 0.99 is not reached on 50 posts or more: the best is .*lower --precision"),
        ((0.6, 0.99), r"hate: precision 0.99 .*lower --block-precision"),
        ((0.9, 0.8), "the first no higher"),
        ((1.5, None), "over 0 and under 1"),
    ],
)
def test_precision_out_of_reach_says_what_is_in_reach(
    monkeypatch: pytest.MonkeyPatch, wanted: tuple[float, float | None], message: str
) -> None:
    with pytest.raises(Fatal, match=message):
        propose(bundle(monkeypatch, calibrated("a", 0)), [], *wanted)


def test_few_posts_prove_no_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    few = scored("a", [(1.0, 0.9), (0.0, 0.1)] * 20, half="selection")
    with pytest.raises(Fatal, match="no threshold flags so many"):
        propose(bundle(monkeypatch, few), [], 0.9)


def test_labels_that_no_file_knows_leave_nothing_to_propose(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fatal, match="no file given to --data knows both values of hate or offensive"):
        propose(bundle(monkeypatch, scored("a", [(None, 0.5)] * 9)), [], 0.9)


def test_every_file_counts_the_same() -> None:
    sets = [scored("large", [(1.0, 0.9), (0.0, 0.1)] * 90), scored("small", [(0.0, 0.9), (1.0, 0.1)] * 10)]
    at = effect(known_sets(sets, 0), 0.5)
    assert (at.precision, at.recall, at.flagged) == (0.5, 0.5, 0.5)


def test_policy_file_is_what_the_worker_reads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = propose(bundle(monkeypatch, calibrated("a", 0)), [], 0.7, 0.9)
    version = write_policy(tmp_path / "new" / "policy.json", found.thresholds)
    loaded = load_policy(tmp_path / "new" / "policy.json", POLICY)
    assert loaded.version == version != "own"
    assert loaded.thresholds[0] == Threshold(found.thresholds["hate"].review, found.thresholds["hate"].block)
    assert loaded.thresholds[1] == POLICY.thresholds[1]


def test_command_writes_a_policy_for_labelled_posts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ["what a lovely day", "you are a stupid idiot"]
    rows = [{"id": str(i), "text": texts[i % 2], "labels": {"offensive": i % 2}} for i in range(240)]
    data, out = tmp_path / "own.jsonl", tmp_path / "policy.json"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    default = Path(worker.__file__).parent / "bundles" / "default"
    call = f"thresholds --bundle {default} --data {data} --precision 0.9 --out {out}"
    assert main(call.split()) == 0
    assert f"MODERATION_POLICY_FILE={out}" in capsys.readouterr().out
    assert set(json.loads(out.read_text())["thresholds"]) == set(LABELS)
    out.unlink()
    data.write_text("".join(json.dumps({**row, "text": texts[0]}) + "\n" for row in rows))
    assert main(call.split()) == 1
    assert "precision 0.9 is not reached" in capsys.readouterr().err
    assert not out.exists()
