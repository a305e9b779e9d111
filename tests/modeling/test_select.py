import json
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.core.errors import Fatal
from worker.modeling.cli import main
from worker.modeling.posts.examples import Example
from worker.modeling.training import select as module
from worker.modeling.training.select import CLEAN_BELOW, Selection, select, select_again, write
from worker.modeling.training.teacher_scores import TeacherScores


def scored(pool: list[Example]) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return np.array([[float(e.text.split()[0]), 0.0] for e in pool])


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    """Texts that begin with the score that the patched baseline gives them."""
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"{n / 1000} is the score of this post\n" for n in range(1000)) + "short\n" + "x" * 999)
    return path


@pytest.fixture(autouse=True)
def baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_score", lambda _, pool: (pool, scored(pool)))


def test_half_is_doubtful_a_quarter_likely_a_quarter_random(texts: Path) -> None:
    found, clean = select(None, [texts], Selection(count=80, clean=20, pool=1000))  # type: ignore[arg-type]
    scores = scored(found)[:, 0]
    assert sorted(scores[:20]) == [n / 1000 for n in range(980, 1000)]
    assert (np.abs(scores[20:60] - 0.5) <= 0.0201).all()
    assert scores[60:].std() > 0.15
    assert len(clean) == 20
    assert scored(clean)[:, 0].max() < CLEAN_BELOW
    assert len({e.id for e in [*found, *clean]}) == 100


def test_seed_repeats_the_choice_and_another_changes_it(texts: Path) -> None:
    first, again, other = (
        select(None, [texts], Selection(count=40, clean=0, pool=200, seed=seed))[0]  # type: ignore[arg-type]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_too_few_clean_posts_are_told(texts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Selection(count=20, clean=300, pool=1000)
    found, clean = select(None, [texts], wanted)  # type: ignore[arg-type]
    assert (len(found), len(clean)) == (20, 100)
    assert "only 100 clean posts of 300: no other of the 1,000 scores under 0.1" in capsys.readouterr().out


def test_too_few_texts_are_refused(texts: Path) -> None:
    with pytest.raises(
        Fatal, match=r"1,000 fitting posts of --texts, of which --pool takes .* at most: 1,100 are wanted"
    ):
        select(None, [texts], Selection(count=1100, clean=0, pool=2000))  # type: ignore[arg-type]


def test_clean_posts_are_written_with_every_label_zero(tmp_path: Path) -> None:
    write(tmp_path / "clean.jsonl", [Example("a", "hi\u2028there", (), "x")], ("hate", "offensive"))
    (line,) = (tmp_path / "clean.jsonl").read_text().split("\n")[:-1]
    assert json.loads(line) == {"id": "a", "text": "hi\u2028there", "labels": {"hate": 0, "offensive": 0}}


def test_choice_is_repeated_from_what_teachers_scored(texts: Path) -> None:
    found, _ = select(None, [texts], Selection(count=40, clean=0, pool=200))  # type: ignore[arg-type]
    scored_posts = [Example(e.id, e.text, (), "reddit") for e in found]
    scores = TeacherScores.of(scored_posts, torch.zeros(40, 2))
    assert select_again([texts], Selection(0, 0, 0), scores, "reddit") == found
    with pytest.raises(Fatal, match=r"no posts of 'twitter': .* after one of reddit"):
        select_again([texts], Selection(0, 0, 0), scores, "twitter")
    texts.write_text("another text at the top, so that every line moves\n" + texts.read_text())
    with pytest.raises(Fatal, match=r"0 of the 40 posts of 'reddit' .* in the same order"):
        select_again([texts], Selection(0, 0, 0), scores, "reddit")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scores", "scores.npz", "--pool", "9"], "--pool: --scores name the posts themselves"),
        (["--bundle", "b", "--clean", "9"], "--clean: needs --clean-out"),
    ],
)
def test_option_that_would_do_nothing_is_refused(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["select", "--texts", "a.txt", "--out", "b.jsonl", *options]) == 1
    assert said in capsys.readouterr().err
