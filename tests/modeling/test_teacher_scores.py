import dataclasses
import fcntl
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.modeling.tiny import LABELS
from worker.core.errors import Fatal
from worker.modeling.posts.examples import Example
from worker.modeling.posts.folds import Fold, parts_of
from worker.modeling.training import teachers
from worker.modeling.training.network import Classifier, predict_logits
from worker.modeling.training.teacher_scores import TeacherScores

POSTS = [Example(str(n), "good bad " * (n + 1), (None, None), "reddit") for n in range(7)]


def test_teachers_mean_logits_are_kept_without_text_and_read_back(classifier: Path, tmp_path: Path) -> None:
    cache = tmp_path / "scores.npz"
    computed = teachers.score([classifier, classifier], POSTS, cache, LABELS)
    kept = TeacherScores.read(cache).logits_of(POSTS).sigmoid()
    torch.testing.assert_close(kept, computed.logits_of(POSTS).sigmoid(), atol=1e-3, rtol=0)
    assert b"good" not in cache.read_bytes()
    assert kept.shape == (7, 2)


def test_scores_that_are_kept_are_not_computed_again(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "scores.npz"
    twice = [classifier, classifier]  # whose say counts double, is asked once
    teachers.score(twice, POSTS[:5], cache, LABELS)
    scored: list[int] = []

    def counted(model: Classifier, rows: list[list[int]], sources: list[int]) -> torch.Tensor:
        scored.append(len(rows))
        return predict_logits(model, rows, sources)

    monkeypatch.setattr(teachers, "predict_logits", counted)
    teachers.score(twice, POSTS, cache, LABELS)
    teachers.score([], POSTS, cache, LABELS)
    assert scored == [2]


def test_run_waits_for_another_that_completes_the_same_file(
    classifier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done, cache = tmp_path / "done.npz", tmp_path / "scores.npz"
    teachers.score([classifier], POSTS, done, LABELS)
    with (tmp_path / "scores.lock").open("w") as other, ThreadPoolExecutor() as pool:
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(teachers, "predict_logits", None)  # what the other scored is not scored again
        waiting = pool.submit(teachers.score, [classifier], POSTS, cache, LABELS)
        said = ""
        while not waiting.done() and "another run completes it" not in said:
            said += capsys.readouterr().out
        assert not waiting.done()
        done.rename(cache)
        fcntl.flock(other, fcntl.LOCK_UN)
        assert waiting.result(timeout=60).known(POSTS) == [True] * 7


def test_posts_without_scores_need_a_teacher(classifier: Path, tmp_path: Path) -> None:
    cache = tmp_path / "scores.npz"
    teachers.score([classifier], POSTS[:5], cache, LABELS)
    with pytest.raises(Fatal, match=r"lacks 2 of 7 posts: give teachers with --teacher"):
        teachers.score([], POSTS, cache, LABELS)


def test_two_posts_of_one_id_are_refused_before_any_is_scored(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="two posts of the source 'reddit' have the id '6'"):
        teachers.score([], [*POSTS, dataclasses.replace(POSTS[6], text="other")], tmp_path / "scores.npz", LABELS)


def test_scores_of_a_changed_text_are_refused(classifier: Path, tmp_path: Path) -> None:
    cache = tmp_path / "scores.npz"
    teachers.score([classifier], POSTS, cache, LABELS)
    changed = [Example("0", "another text", (None, None), "reddit")]
    with pytest.raises(Fatal, match="had another text"):
        TeacherScores.read(cache).logits_of(changed)


def changed(name: str, whole: bytes, path: Path) -> None:
    """What is no file of scores: cut off, damaged, or of another program."""
    path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "text": b"nothing"}.get(name, whole))
    if name == "damaged":
        middle = whole.index(b"logits.npy") + 60
        path.write_bytes(whole[:middle] + bytes(8) + whole[middle + 8 :])
    elif name == "foreign":
        np.savez(path, weights=np.zeros(3))
    elif name == "single":
        np.save(path.with_suffix(".npy"), np.zeros(3))
        path.with_suffix(".npy").replace(path)
    elif name == "uneven":
        np.savez(path, keys=np.array(["a/1"]), digests=np.zeros(2, np.uint32), logits=np.zeros((2, 2)))
    elif name == "pickled":
        np.savez(path, keys=np.array([{}], dtype=object), digests=np.zeros(1, np.uint32), logits=np.zeros((1, 2)))


@pytest.mark.parametrize("name", ["cut", "empty", "text", "damaged", "foreign", "single", "uneven", "pickled"])
def test_file_that_holds_no_scores_is_named(tmp_path: Path, name: str) -> None:
    cache = tmp_path / "scores.npz"
    TeacherScores.of(POSTS, torch.rand(len(POSTS), 2)).write(cache)
    changed(name, cache.read_bytes(), cache)
    with pytest.raises(Fatal, match=r"scores\.npz: no teacher scores"):
        TeacherScores.read(cache)


def test_scores_of_other_teachers_are_refused(classifier: Path, tmp_path: Path) -> None:
    cache, other, same = tmp_path / "scores.npz", tmp_path / "other", tmp_path / "same"
    model = Classifier.load(classifier)
    model.save(same, classifier / "tokenizer.json")
    with torch.no_grad():
        model.out.bias.add_(1)
    model.save(other, classifier / "tokenizer.json")
    teachers.score([classifier], POSTS[:5], cache, LABELS)
    for asked in ([other], [classifier, other]):
        with pytest.raises(Fatal, match=rf"scores\.npz: scores of the teachers {classifier.name}:.*, not of .*other:"):
            teachers.score(asked, POSTS, cache, LABELS)
    written = teachers.score([same], POSTS, cache, LABELS).teachers  # the same weights, moved
    assert TeacherScores.read(cache).teachers == written
    assert [name.partition(":")[0] for name in written] == [classifier.name]


def test_scores_that_name_no_teachers_are_completed_by_any(classifier: Path, tmp_path: Path) -> None:
    cache, whole = tmp_path / "scores.npz", tmp_path / "whole.npz"
    teachers.score([classifier], POSTS[:5], whole, LABELS)
    with np.load(whole) as found:
        np.savez(cache, **{name: found[name] for name in ("keys", "digests", "logits")})
    assert teachers.score([], POSTS[:5], cache, LABELS).teachers == ()
    assert len(teachers.score([classifier], POSTS, cache, LABELS).keys) == len(POSTS)
    assert TeacherScores.read(cache).teachers == ()


def test_labels_that_are_not_the_teachers_are_refused(classifier: Path, tmp_path: Path) -> None:
    cache = tmp_path / "scores.npz"
    with pytest.raises(Fatal, match="a teacher of hate offensive; --labels are offensive hate"):
        teachers.score([classifier], POSTS, cache, LABELS[::-1])
    teachers.score([classifier], POSTS, cache, LABELS)
    for others in (LABELS[:1], LABELS[::-1]):
        with pytest.raises(Fatal, match="scores of the labels hate offensive; --labels are"):
            teachers.score([], POSTS, cache, others)


@pytest.mark.parametrize("directory", ["nothing", "half"])
def test_teacher_that_is_none_is_named(classifier: Path, tmp_path: Path, directory: str) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "model.safetensors").write_bytes((classifier / "model.safetensors").read_bytes())
    with pytest.raises(Fatal, match=rf"{directory}: .*not a trained classifier"):
        teachers.score([tmp_path / directory], POSTS, tmp_path / "scores.npz", LABELS)


def test_labelled_post_is_scored_by_the_teacher_that_never_saw_it(classifier: Path, tmp_path: Path) -> None:
    posts = [dataclasses.replace(post, text=f"{post.text} {'abcdefg'[n] * 3}") for n, post in enumerate(POSTS)]
    posts = [dataclasses.replace(post, text=post.text.replace("bad", "abcdefg"[n] * 2)) for n, post in enumerate(posts)]
    labelled = [dataclasses.replace(post, labels=(1, None)) for post in posts]
    digests, parts = parts_of([*labelled, *posts], 2)
    halves = []
    for part in (0, 1):
        model = Classifier.load(classifier)
        with torch.no_grad():
            model.out.bias.fill_(float(part))
        model.config = dataclasses.replace(model.config, fold=Fold(part, 2, digests))
        model.save(tmp_path / str(part), classifier / "tokenizer.json")
        halves.append(tmp_path / str(part))
    first, second, both = (
        teachers.score(asked, labelled, tmp_path / f"{n}.npz", LABELS).logits
        for n, asked in enumerate([halves[:1], halves[1:], halves])
    )
    by_second = np.array(parts[: len(labelled)]) == 1
    assert 0 < by_second.sum() < len(by_second)
    np.testing.assert_array_equal(both, np.where(by_second[:, None], second, first))
    unlabelled = teachers.score(halves, posts, tmp_path / "unlabelled.npz", LABELS).logits
    np.testing.assert_allclose(unlabelled, (first + second) / 2, atol=1e-5)
    again = teachers.score(halves, [*labelled, *posts], tmp_path / "again.npz", LABELS)
    np.testing.assert_array_equal(again.logits[: len(labelled)], both)  # though the same posts are unlabelled elsewhere
    elsewhere = [dataclasses.replace(post, source="elsewhere") for post in labelled]
    never_seen = teachers.score(halves, [*labelled, *elsewhere], tmp_path / "more.npz", LABELS).logits[len(labelled) :]
    np.testing.assert_allclose(never_seen, (first + second) / 2, atol=1e-5)
    with pytest.raises(
        Fatal, match="0: left out part 0 of 2 of other labelled posts of the source 'reddit' than these"
    ):
        teachers.score(halves, labelled[1:], tmp_path / "others.npz", LABELS)
