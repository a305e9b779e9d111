import json
from pathlib import Path
from typing import cast

import pytest

from tests.modeling.test_golden import POLICY
from worker.core.types import Scores
from worker.model.classifier import Classifier
from worker.modeling.evaluation.scoring import ScoredSet
from worker.modeling.export import golden, golden_korean
from worker.modeling.export.golden import CANDIDATES, candidates_in, write_golden
from worker.modeling.posts.examples import Example


@pytest.mark.parametrize("language", ["ko", "ko-KR"])
def test_korean_bundle_is_checked_with_korean_posts(
    language: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scores: Scores = (0.1, 0.1)

    def score_set(_: Classifier, name: str, examples: list[Example]) -> ScoredSet:
        return ScoredSet(name, tuple(examples), (scores,) * len(examples))

    monkeypatch.setattr(golden, "score_set", score_set)
    write_golden(cast(Classifier, None), POLICY, tmp_path / "golden", candidates_in(language))
    rows = [json.loads(line) for line in (tmp_path / "golden").read_text().splitlines()]
    assert [row["name"] for row in rows] == list(golden_korean.CANDIDATES)
    assert all(row["text"] in golden_korean.CANDIDATES[row["name"]] for row in rows)


@pytest.mark.parametrize("language", ["en", "de", "kok"])
def test_other_bundles_are_checked_with_english_posts(language: str) -> None:
    assert candidates_in(language) is CANDIDATES


def test_korean_posts_are_of_all_kinds_that_could_be_computed_otherwise() -> None:
    kinds = {"typed control token", "long word", "several windows", "emoji against a word", "invisible characters"}
    assert kinds | {"laughter and tears", "typed apart", "rare syllable"} <= golden_korean.CANDIDATES.keys()
    texts = [text for found in golden_korean.CANDIDATES.values() for text in found]
    assert len(texts) == len(set(texts))
