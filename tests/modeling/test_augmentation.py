import hashlib
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from worker.core.errors import Fatal
from worker.modeling.augmentation.grammar import Grammar, load
from worker.modeling.augmentation.posts import Post, augmentation_grammar, contrasts_grammar, make_posts
from worker.modeling.cli import main

POSTS = 3_000


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return augmentation_grammar()


@pytest.fixture(scope="module")
def posts(grammar: Grammar) -> list[Post]:
    return make_posts(grammar, POSTS, 0, "augment")


@pytest.fixture(scope="module")
def contrasts() -> list[Post]:
    return make_posts(contrasts_grammar(), POSTS, 0, "contrasts")


def test_same_seed_makes_the_same_posts_and_another_seed_others(grammar: Grammar, posts: list[Post]) -> None:
    assert make_posts(grammar, 200, 0, "augment") == posts[: len(make_posts(grammar, 200, 0, "augment"))]
    others = {post.text for post in make_posts(grammar, 200, 1, "augment")}
    assert len(others & {post.text for post in posts}) < 20


def test_twins_name_each_other_and_differ_in_a_label(posts: list[Post]) -> None:
    by_id = {post.id: post for post in posts}
    assert len(by_id) == len(posts)
    paired = [post for post in posts if post.pair]
    assert len(paired) > POSTS / 2
    for post in paired:
        twin = by_id[post.pair or ""]
        assert twin.pair == post.id
        assert twin.labels != post.labels
        assert (twin.kind, twin.group) == (post.kind, post.group)


def test_every_phenomenon_and_every_group_is_there(grammar: Grammar, posts: list[Post]) -> None:
    expected = {"negation", "quote", "counter_reference", "question", "opinion", "implicit", "threat", "dehumanisation"}
    expected |= {"derogation", "derogation_target", "slur", "reclaimed", "homonym", "profanity", "object_abuse"}
    expected |= {"identity_neutral", "identity_warm", "across_sentences", "insult_person", "insult_or_hate"}
    assert expected <= {post.kind for post in posts} == set(grammar.kinds)
    assert {post.group for post in posts} - {None} == {group.name for group in grammar.groups}


@pytest.mark.parametrize("name", ["posts", "contrasts"])
def test_hate_is_offensive_and_kinds_without_hate_have_none(name: str, request: pytest.FixtureRequest) -> None:
    posts = request.getfixturevalue(name)
    assert all(post.labels["offensive"] == 1 for post in posts if post.labels["hate"])
    harmless = {"identity_neutral", "identity_warm", "insult_person", "object_abuse", "homonym", "reclaimed"}
    assert not any(post.labels["hate"] for post in posts if post.kind in harmless)
    insults = Counter(post.labels["offensive"] for post in posts if post.kind == "insult_person")
    assert insults[0] == insults[1] > 0


@pytest.mark.parametrize("name", ["posts", "contrasts"])
def test_group_is_as_often_in_hate_as_in_the_rest(name: str, request: pytest.FixtureRequest) -> None:
    posts = request.getfixturevalue(name)
    for group in {post.group for post in posts} - {None}:
        about = [post.labels["hate"] for post in posts if post.group == group]
        assert 0.3 < sum(label or 0 for label in about) / len(about) < 0.6


def test_few_posts_are_nearly_the_same(posts: list[Post]) -> None:
    texts = Counter(re.sub(r"\W+", " ", post.text.casefold()) for post in posts)
    assert max(texts.values()) == 1
    words = [frozenset(re.findall(r"\w+", post.text.casefold())) for post in posts]
    near = 0
    for number, post in enumerate(posts):
        mine = words[number]
        near += any(
            len(mine & other) >= 0.8 * len(mine | other)
            for other, earlier in zip(words[:number], posts, strict=False)
            if post.pair != earlier.id
        )
    assert near / len(posts) < 0.1


def test_no_symbol_is_left_in_a_post(posts: list[Post], contrasts: list[Post]) -> None:
    assert not [post.text for post in [*posts, *contrasts] if re.search(r"[{}]|  |\ba [aeio]", post.text)]


def test_contrasts_are_other_frames_of_the_same_groups(grammar: Grammar, contrasts: list[Post]) -> None:
    more = contrasts_grammar()
    assert not {*more.frames} & {*grammar.frames}
    assert more.groups == grammar.groups
    assert {post.group for post in contrasts} - {None} == {group.name for group in grammar.groups}
    assert {"quote", "counter_reference", "negation", "implicit"} < {*more.kinds} < {*grammar.kinds}
    assert len({post.id for post in contrasts}) == len(contrasts)


def test_used_up_templates_end_the_run(tmp_path: Path) -> None:
    file = tmp_path / "few.toml"
    file.write_text('[rules]\nword = "one | two"\n[frames]\nfew = [{clean = "{word}"}]\n')
    grammar = load([file])
    assert len(make_posts(grammar, 2, 0, "test")) == 2
    with pytest.raises(Fatal, match="few"):
        make_posts(grammar, 3, 0, "test")


@pytest.mark.parametrize(
    "content",
    [
        '[frames]\nbad = [{clean = "{missing}"}]',
        '[frames]\nbad = [{nonsense = "text"}]',
        '[rules]\ngroup = "reserved"',
        '[frames]\nbad = [{clean = "{Wrong}"}]',
    ],
)
def test_template_without_a_meaning_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"rule|frame|twice|symbol"):
        load([file])


def test_augment_writes_training_rows_and_says_what_they_are(
    tmp_path: Path, posts: list[Post], contrasts: list[Post], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "augmentation.train.jsonl"
    assert main(f"augment --out {out} --posts 300".split()) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == [post.as_row() for post in posts[: len(rows)]]
    assert set(rows[0]["labels"]) == {"hate", "offensive"}
    assert f"| all | {len(rows)} | " in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert main(f"augment --contrasts --out {out} --posts 300".split()) == 0
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == [post.as_row() for post in contrasts[: len(rows)]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--out {path}/a.jsonl --posts -1", "--posts"),
        ("--out {path}/a.jsonl --spelling {path}/none.jsonl", "none.jsonl: cannot be read"),
        ("--out {path}/a.jsonl --spelling-share 2", "--spelling-share"),
        ("--out {path}/a.jsonl --contrasts --spelling {path}/none.jsonl", "--contrasts: leave out --spelling"),
        ("--out /dev/null/a.jsonl --posts 5", "/dev/null/a.jsonl: cannot be written"),
    ],
)
def test_augment_names_what_to_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    assert main(["augment", *arguments.format(path=tmp_path).split()]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_default_posts_are_those_that_the_bundle_was_trained_on(posts: list[Post], contrasts: list[Post]) -> None:
    # A change of the templates changes these: then train again, or keep the old templates.
    for made, digest in ((posts, "85323b563ac50d42"), (contrasts, "2b17dbd87fec819d")):
        ids = "\n".join(post.id for post in made[:1_000])
        assert hashlib.sha256(ids.encode()).hexdigest().startswith(digest)
