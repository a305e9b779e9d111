"""TF-IDF as one more teacher."""

import dataclasses
import json
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
from worker.text.options import AS_WRITTEN, Normalisation

LABELS = ("hate", "offensive")
WORDS = [("the worst of all", 1.0), ("what a lovely day", 0.0)]
POSTS = [
    *(Example(str(n), f"{WORDS[n % 2][0]} {n}", (WORDS[n % 2][1], None), "made") for n in range(20)),
    Example("new", "the worst day", (None, None), "chat"),
    Example("none", "lovely", (None, None), "chat"),
]


def test_share_of_a_label_is_that_of_a_classifier_of_its_words_and_the_rest_is_left_alone() -> None:
    said = torch.full((22, 2), 0.5)
    whole = mix_in(said, POSTS, LABELS, {"hate": 1.0}, AS_WRITTEN)
    assert whole[:20:2, 0].min() > 1 > -1 > whole[1:20:2, 0].max()
    assert whole[20, 0] > 0 > whole[21, 0]  # posts that it never saw
    quarter = mix_in(said, POSTS, LABELS, {"hate": 0.25}, AS_WRITTEN)
    torch.testing.assert_close(quarter, 0.75 * said + 0.25 * torch.stack((whole[:, 0], said[:, 1]), dim=1))
    assert torch.equal(mix_in(said, POSTS, LABELS, {"hate": 0.0}, AS_WRITTEN), said)
    assert torch.equal(said, torch.full((22, 2), 0.5))


def test_posts_are_read_as_the_student_reads_them() -> None:
    tricks = [Example(str(n), text, (None, None), "chat") for n, text in enumerate(("worst @a", "worst @bc"))]
    folded = Normalisation(handles="placeholder")
    plain, read = (
        mix_in(torch.zeros(24, 2), POSTS + tricks, LABELS, {"hate": 1.0}, n)[22:, 0] for n in (AS_WRITTEN, folded)
    )
    assert plain[0] != plain[1]
    assert read[0] == read[1]


def test_posts_that_hold_no_word_twice_are_too_few() -> None:
    posts = [Example("a", "b", (1.0, 1.0), "x"), Example("c", "d", (0.0, 0.0), "x")]
    with pytest.raises(Fatal, match="--tfidf-share: the posts of --train are too few"):
        mix_in(torch.zeros(2, 2), posts, LABELS, {"hate": 0.5}, AS_WRITTEN)


def test_student_learns_what_both_teachers_say(encoder: Path, classifier: Path, tmp_path: Path) -> None:
    rows = [("the sun and the rain", 1, 0), ("the men and the home", 0, 0)] * 6
    posts = write(tmp_path / "made.jsonl", *rows)
    more = write(tmp_path / "chat.jsonl", ("sun", None, None))
    chosen = recipe(encoder, posts, unlabelled=(str(more),), teacher_scores=str(tmp_path / "s.npz"), teacher_weight=1.0)
    examples = read_posts(chosen)
    said = teachers.score([classifier], examples, tmp_path / "s.npz", chosen.labels).logits_of(examples)
    _, plain, _ = built(encoder, chosen)
    _, data, _ = built(encoder, dataclasses.replace(chosen, tfidf_shares={"hate": 0.4}))
    wanted = mix_in(said, examples, chosen.labels, {"hate": 0.4}, AS_WRITTEN).sigmoid()
    torch.testing.assert_close(data.targets, wanted, atol=1e-3, rtol=0)
    assert (data.targets[:12:2, 0] > plain.targets[:12:2, 0]).all()
    assert (data.targets[1:12:2, 0] < plain.targets[1:12:2, 0]).all()
    assert data.digest != plain.digest
    with pytest.raises(Fatal, match=r"--tfidf-share mars: no such name; there are hate, offensive"):
        built(encoder, dataclasses.replace(chosen, tfidf_shares={"mars": 0.4}))


def test_label_of_which_the_posts_have_one_value_is_refused_before_any_teacher_is_asked(
    encoder: Path, tmp_path: Path
) -> None:
    posts = write(tmp_path / "made.jsonl", ("the sun", 1, None), ("the men", 0, None))
    chosen = recipe(encoder, posts, teacher_scores="none.npz", tfidf_shares={"offensive": 0.4})
    with pytest.raises(Fatal, match="--tfidf-share offensive: the posts of --train do not know both values"):
        read_posts(chosen)


def test_command_hands_its_shares_on(encoder: Path, classifier: Path, tmp_path: Path) -> None:
    posts = write(tmp_path / "made.jsonl", *[("the sun and the rain", 1, 0), ("the men and the home", 0, 1)] * 4)
    options = (
        f"--encoder {encoder} --train {posts} --out {tmp_path}/out --scores {tmp_path}/s.npz --epochs 1 --max-length 32"
    )
    assert main(f"distill --teacher {classifier} {options} --tfidf-share hate=0.25 offensive=0.5".split()) == 0
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())["recipe"]
    assert found["tfidf_shares"] == {"hate": 0.25, "offensive": 0.5}


@pytest.mark.parametrize("share", ["hate", "=0.5", "hate=", "hate=x", "hate=1.5", "hate=-0.1", "hate=nan"])
def test_share_that_is_none_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(f"distill --encoder e --train t --out o --scores s --tfidf-share {share}".split())
    assert "expected LABEL=SHARE" in capsys.readouterr().err
