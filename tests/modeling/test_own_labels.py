"""Sources whose posts learn their labels alone: made-up posts, beside teachers' scores that are older than they are."""

import dataclasses
from pathlib import Path

import pytest
import torch

from tests.modeling.test_card_origin import RECIPE, TOLD
from tests.modeling.test_losses import built, recipe, write
from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.model_card.origin import origin
from worker.modeling.model_card.runs import Run
from worker.modeling.training import teachers
from worker.modeling.training.teacher_scores import TeacherScores
from worker.modeling.training.training_set import read_posts, taught_posts


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    rows = [("the good women go home", 0, 0), ("the bad women go home", 1, None), ("bad rain", 0, 1), ("sun", 1, 1)]
    return write(tmp_path / "posts.jsonl", *rows)


def test_their_posts_learn_their_labels_alone(encoder: Path, classifier: Path, posts: Path, tmp_path: Path) -> None:
    made = write(tmp_path / "made.jsonl", ("rain and sun", 1, None), ("good bad", 0, 1), ("sun", 0, 0))
    chosen = recipe(encoder, posts, teacher_scores=str(tmp_path / "s.npz"), teacher_weight=1.0, own_labels=("made",))
    chosen = dataclasses.replace(chosen, train=(str(posts), str(made)))
    examples = taught_posts(read_posts(chosen), chosen)
    said = teachers.score([classifier], examples, tmp_path / "s.npz", chosen.labels).logits_of(examples).sigmoid()
    _, data, _ = built(encoder, chosen)
    assert [example.source for example in examples] == ["posts"] * 4
    assert data.weights.tolist() == [*[[1, 1]] * 4, [1, 0], [1, 1], [1, 1]]
    assert data.targets[4:, 0].tolist() == [1, 0, 0]
    assert data.targets[5:, 1].tolist() == [1, 0]
    torch.testing.assert_close(data.targets[:4], said, atol=1e-3, rtol=0)


def test_distill_asks_no_teacher_about_them(
    encoder: Path, classifier: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = write(tmp_path / "made.jsonl", ("rain and sun", 1, 1), ("good bad", 0, 0))
    command = f"distill --encoder {encoder} --train {posts} --scores {tmp_path}/s.npz --max-length 32 --epochs 1 "
    assert main([*(command + f"--out {tmp_path}/first --teacher").split(), str(classifier)]) == 0
    again = f"--out {tmp_path}/second --train {posts} {made}".split()
    assert main([*command.split(), *again]) == 1
    assert "s.npz: lacks 2 of 6 posts" in capsys.readouterr().err
    assert main([*command.split(), *again, "--own-labels", "made"]) == 0
    assert len(TeacherScores.read(tmp_path / "s.npz").keys) == 4


def test_teachers_that_would_have_nothing_to_say_are_refused(
    encoder: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (
        f"distill --encoder {encoder} --train {posts} --scores {tmp_path}/s.npz --out {tmp_path}/out --max-length 32"
    )
    assert main([*command.split(), "--own-labels", "posts"]) == 1
    assert "--own-labels: these are all sources" in capsys.readouterr().err


def test_source_that_is_not_there_or_bears_no_labels_is_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    chosen = recipe(encoder, posts, teacher_scores="s.npz", own_labels=("mad",))
    with pytest.raises(Fatal, match="--own-labels mad: no such name; there are posts"):
        read_posts(chosen)
    copies = tmp_path / "posts.copies.jsonl"
    copies.write_text('{"id": "copy-1", "text": "rain", "labels": {}}\n')
    bare = dataclasses.replace(chosen, own_labels=("posts",), unlabelled=(str(copies),))
    with pytest.raises(Fatal, match="--own-labels posts: its post 'copy-1' has no label: it is in --unlabelled"):
        read_posts(bare)
    one = write(tmp_path / "one.jsonl", ("rain", 1, 1))
    sided = dataclasses.replace(chosen, own_labels=("one",), train=(str(posts), str(one)))
    with pytest.raises(Fatal, match=r"--own-labels one: its post '0' has no label: .* or have one value"):
        read_posts(sided)


def test_card_tells_them_from_posts_of_which_only_scores_were_learnt() -> None:
    files = ["/data/toxigen.train.jsonl", "/out/contrasts.train.jsonl"]
    scored = RECIPE | {"teacher_scores": "a.npz", "teacher_weight": 1, "train": files, "own_labels": ["contrasts"]}
    labelled, taught = origin(TOLD, [Run(scored)]).split("only the teachers' scores were learnt")
    assert "- `contrasts.train.jsonl`: contrasts (made up by `moderation-model augment --contrasts`)" in labelled
    assert "toxigen" not in labelled
    assert "- `toxigen.train.jsonl`" in taught
