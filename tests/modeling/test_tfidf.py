"""TF-IDF as one more teacher."""

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.modeling.test_losses import built, recipe, write
from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.posts.examples import Example
from worker.modeling.training import teachers
from worker.modeling.training.tfidf import mix_in
from worker.modeling.training.training_set import read_posts

LABELS = ("hate", "offensive")
WORDS = [("the worst of all", 1.0), ("what a lovely day", 0.0)]
POSTS = [
    *(Example(str(n), f"{WORDS[n % 2][0]} {n}", (WORDS[n % 2][1], None), "made") for n in range(20)),
    Example("new", "the worst day", (None, None), "chat"),
    Example("none", "lovely", (None, None), "chat"),
]


def test_share_of_a_label_is_that_of_a_classifier_of_its_words_and_the_rest_is_left_alone() -> None:
    said = torch.full((22, 2), 0.5)
    whole = mix_in(said, POSTS, LABELS, {"hate": 1.0})
    assert whole[:20:2, 0].min() > 1 > -1 > whole[1:20:2, 0].max()
    assert whole[20, 0] > 0 > whole[21, 0]  # posts that it never saw
    quarter = mix_in(said, POSTS, LABELS, {"hate": 0.25})
    torch.testing.assert_close(quarter, 0.75 * said + 0.25 * torch.stack((whole[:, 0], said[:, 1]), dim=1))
    assert torch.equal(mix_in(said, POSTS, LABELS, {}), said)
    assert torch.equal(said, torch.full((22, 2), 0.5))


@pytest.mark.parametrize(
    ("posts", "label", "message"),
    [
        (POSTS, "offensive", "--tfidf-share offensive: the posts of --train do not know both values"),
        (POSTS[::2], "hate", "--tfidf-share hate: the posts of --train do not know both values"),
        ([Example("a", "b", (1.0, 1.0), "x"), Example("c", "d", (0.0, 0.0), "x")], "hate", "too few"),
    ],
)
def test_posts_that_teach_it_nothing_are_refused(posts: list[Example], label: str, message: str) -> None:
    with pytest.raises(Fatal, match=message):
        mix_in(torch.zeros(len(posts), 2), posts, LABELS, {label: 0.5})


def test_student_learns_what_both_teachers_say(encoder: Path, classifier: Path, tmp_path: Path) -> None:
    rows = [("the sun and the rain", 1, 0), ("the men and the home", 0, 0)] * 6
    posts = write(tmp_path / "made.jsonl", *rows)
    more = write(tmp_path / "chat.jsonl", ("sun", None, None))
    chosen = recipe(encoder, posts, unlabelled=(str(more),), teacher_scores=str(tmp_path / "s.npz"), teacher_weight=1.0)
    examples = read_posts(chosen)
    said = teachers.score([classifier], examples, tmp_path / "s.npz", chosen.labels).logits_of(examples)
    shared = dataclasses.replace(chosen, tfidf_shares={"hate": 0.4})
    _, data, _ = built(encoder, shared)
    torch.testing.assert_close(
        data.targets, mix_in(said, examples, chosen.labels, shared.tfidf_shares).sigmoid(), atol=1e-3, rtol=0
    )
    with pytest.raises(Fatal, match=r"--tfidf-share mars: no such name; there are hate, offensive"):
        built(encoder, dataclasses.replace(chosen, tfidf_shares={"mars": 0.4}))


@pytest.mark.parametrize("share", ["hate", "=0.5", "hate=", "hate=x", "hate=1.5", "hate=-0.1", "hate=nan"])
def test_share_that_is_none_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(f"distill --encoder e --train t --out o --scores s --tfidf-share {share}".split())
    assert "expected LABEL=SHARE" in capsys.readouterr().err
