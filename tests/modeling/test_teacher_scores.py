import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.core.errors import Fatal
from worker.modeling.posts.examples import Example
from worker.modeling.posts.folds import folds_of
from worker.modeling.training import distill
from worker.modeling.training.network import Classifier, predict_logits
from worker.modeling.training.teacher_scores import TeacherScores

POSTS = [Example(str(n), "good bad " * (n + 1), (None, None), "reddit") for n in range(7)]


def test_teachers_mean_logits_are_kept_without_text_and_read_back(classifier: Path, tmp_path: Path) -> None:
    cache = tmp_path / "scores.npz"
    computed = distill.score([classifier, classifier], POSTS, cache)
    kept = TeacherScores.read(cache).probabilities(POSTS)
    torch.testing.assert_close(kept, computed.probabilities(POSTS), atol=1e-3, rtol=0)
    assert b"good" not in cache.read_bytes()
    assert kept.shape == (7, 2)


def test_scores_that_are_kept_are_not_computed_again(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "scores.npz"
    distill.score([classifier], POSTS[:5], cache)
    scored: list[int] = []

    def counted(model: Classifier, rows: list[list[int]], sources: list[int]) -> torch.Tensor:
        scored.append(len(rows))
        return predict_logits(model, rows, sources)

    monkeypatch.setattr(distill, "predict_logits", counted)
    distill.score([classifier], POSTS, cache)
    distill.score([], POSTS, cache)
    assert scored == [2]


def test_posts_without_scores_need_a_teacher(classifier: Path, tmp_path: Path) -> None:
    cache = tmp_path / "scores.npz"
    distill.score([classifier], POSTS[:5], cache)
    with pytest.raises(Fatal, match=r"lacks 2 of 7 posts: give teachers with --teacher"):
        distill.score([], POSTS, cache)


def test_scores_of_a_changed_text_are_refused(classifier: Path, tmp_path: Path) -> None:
    cache = tmp_path / "scores.npz"
    distill.score([classifier], POSTS, cache)
    changed = [Example("0", "another text", (None, None), "reddit")]
    with pytest.raises(Fatal, match="had another text"):
        TeacherScores.read(cache).probabilities(changed)


def test_file_that_holds_no_scores_is_named(tmp_path: Path) -> None:
    (tmp_path / "scores.npz").write_bytes(b"nothing")
    with pytest.raises(Fatal, match=r"scores\.npz: no teacher scores"):
        TeacherScores.read(tmp_path / "scores.npz")


def test_labelled_post_is_scored_by_the_teacher_that_never_saw_it(classifier: Path, tmp_path: Path) -> None:
    halves = []
    for fold in (0, 1):
        model = Classifier.load(classifier)
        with torch.no_grad():
            model.out.bias.fill_(float(fold))
        model.config = dataclasses.replace(model.config, fold=(fold, 2))
        model.save(tmp_path / str(fold), classifier / "tokenizer.json")
        halves.append(tmp_path / str(fold))
    posts = [dataclasses.replace(post, text=f"{post.text} {'abcdefg'[n] * 3}") for n, post in enumerate(POSTS)]
    posts = [dataclasses.replace(post, text=post.text.replace("bad", "abcdefg"[n] * 2)) for n, post in enumerate(posts)]
    labelled = [dataclasses.replace(post, labels=(1, None)) for post in posts]
    first, second, both = (
        distill.score(teachers, labelled, tmp_path / f"{n}.npz").logits
        for n, teachers in enumerate([halves[:1], halves[1:], halves])
    )
    left_out = np.array(folds_of(labelled, 2))
    assert 0 < left_out.sum() < len(left_out)
    np.testing.assert_array_equal(both, np.where(left_out[:, None] == 0, first, second))
    unlabelled = distill.score(halves, posts, tmp_path / "unlabelled.npz").logits
    np.testing.assert_allclose(unlabelled, (first + second) / 2, atol=1e-5)
