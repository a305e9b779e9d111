import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from worker.modeling.augmentation import surface as augmentation
from worker.modeling.augmentation.grammar import Grammar
from worker.modeling.augmentation.posts import Post, augmentation_grammar, contrasts_grammar, make_posts
from worker.modeling.cli import main
from worker.modeling.suite import surface
from worker.modeling.suite.cases import CASES, PROBE, PROBES, suite_cases, suite_grammar
from worker.modeling.suite.measure import Outcome, as_json, markdown, summarise


@pytest.fixture(scope="module")
def grammars() -> tuple[Grammar, Grammar]:
    first, more = augmentation_grammar(), contrasts_grammar()  # whose rules and groups are both sets'
    return replace(more, frames=first.frames + more.frames), suite_grammar()


@pytest.fixture(scope="module")
def cases() -> list[Post]:
    return suite_cases()


def words(text: str) -> str:
    return " ".join(re.findall(r"[\w{}]+", text.casefold()))


def test_suite_and_augmentation_share_no_group(grammars: tuple[Grammar, Grammar]) -> None:
    names = [{group.name for group in grammar.groups} for grammar in grammars]
    forms = [{words(f) for group in g.groups for fs in group.forms.values() for f in fs} for g in grammars]
    assert not names[0] & names[1]
    assert not forms[0] & forms[1]
    assert abs(len(names[0]) - len(names[1])) <= 2
    assert {group.dimension for group in grammars[0].groups} == {group.dimension for group in grammars[1].groups}


def test_suite_and_augmentation_share_no_template_and_no_filler(grammars: tuple[Grammar, Grammar]) -> None:
    frames = [{words(text) for frame in grammar.frames for _, text in frame.sides} for grammar in grammars]
    only_symbols = {text for text in frames[0] if re.fullmatch(r"(\{\w+\} ?\d? ?)+", text)}
    assert not (frames[0] - only_symbols) & frames[1]
    fillers = [{words(text) for texts in grammar.rules.values() for text in texts} for grammar in grammars]
    assert not fillers[0] & fillers[1]
    written = [[text for side in pair for text in side] for pair in zip(frames, fillers, strict=True)]
    in_a_row = [{" ".join(five) for text in texts for five in _fives(text)} for texts in written]
    assert not in_a_row[0] & in_a_row[1]


def _fives(text: str) -> Iterator[tuple[str, ...]]:
    """Five words in a row, of which at least three are written and not drawn."""
    found = ["@" if word.startswith("{") else word for word in text.split()]
    fives = zip(*(found[at:] for at in range(5)), strict=False)
    return (five for five in fives if five.count("@") < 3)


def test_suite_and_augmentation_share_no_register_and_no_hashtag(
    cases: list[Post], grammars: tuple[Grammar, Grammar]
) -> None:
    text = "Well, your aunt's two neighbours are people: nobody can't leave before them, because they own it!"
    ways = [
        {found for seed in range(400) for found in typed([text], random.Random(seed))}
        for typed in (surface.typed, augmentation.typed)
    ]
    ours, theirs = ({word for found in way for word in found.split()} - set(text.split()) for way in ways)
    assert {*surface.TAGS, *surface.FACES, "Aunt's", "Well..."} <= ours
    assert not ours & theirs
    made = " ".join(post.text for post in make_posts(grammars[0], 2_000, 0, "augment"))
    written = " ".join(text for texts in grammars[0].rules.values() for text in texts)
    tags = [set(re.findall(r"#\w+", found)) for found in (" ".join(case.text for case in cases), made + written)]
    assert len(tags[0]) > 5
    assert not tags[0] & tags[1]


def test_twins_of_the_suite_are_typed_alike(cases: list[Post]) -> None:
    by_id = {case.id: case for case in cases}
    endings = {*surface.TAGS, *surface.FACES}
    pairs = [(set(c.text.split()) & endings, set(by_id[c.pair].text.split()) & endings) for c in cases if c.pair]
    assert sum(bool(ours) for ours, _ in pairs) > 50
    assert all(ours == theirs for ours, theirs in pairs)


def test_suite_covers_every_phenomenon_of_the_augmentation(
    cases: list[Post], grammars: tuple[Grammar, Grammar]
) -> None:
    counts = Counter(case.kind for case in cases)
    assert set(grammars[0].kinds) == set(grammars[1].kinds) == set(counts) - {PROBE}
    assert min(counts.values()) >= 5
    assert CASES <= len(cases) - PROBES * len(grammars[1].groups) <= CASES + 1


def test_suite_has_no_post_in_common_with_the_augmentation(
    cases: list[Post], grammars: tuple[Grammar, Grammar]
) -> None:
    made = {words(post.text) for post in make_posts(grammars[0], 2_000, 0, "augment")}
    assert not made & {words(case.text) for case in cases}


def test_cases_are_the_same_every_time(cases: list[Post]) -> None:
    assert suite_cases() == cases
    assert len({case.id for case in cases}) == len(cases)


def test_probes_are_one_sentence_with_every_group_in_turn(cases: list[Post], grammars: tuple[Grammar, Grammar]) -> None:
    forms = {group.name: [texts[0] for texts in group.forms.values()] for group in grammars[1].groups}
    frames: dict[str, set[str]] = {}
    for case in cases:
        if case.kind == PROBE:
            text = case.text.casefold()
            for form in sorted(forms[case.group or ""], key=len, reverse=True):
                text = re.sub(rf"\b{re.escape(form.casefold())}\b", "@", text)
            frames.setdefault(case.id.split("-")[2], set()).add(text)
    assert len(frames) == PROBES
    assert all(len(texts) == 1 for texts in frames.values())


def scored(cases: list[Post], answer: dict[str, float] | None = None) -> list[Outcome]:
    """Outcomes of a bundle that is always right, or that always gives `answer`."""
    right = [{label: float(value or 0) for label, value in case.labels.items()} for case in cases]
    return [Outcome(case, answer or scores) for case, scores in zip(cases, right, strict=True)]


def test_bundle_that_is_always_right_has_no_gap(cases: list[Post]) -> None:
    result = summarise(scored(cases))
    assert (result.balanced_accuracy, result.twins_right, result.largest_gap) == (1, 1, 0)
    assert result.offensive_balanced_accuracy == 1
    assert {kind.hate_accuracy for kind in result.kinds} == {1}


def test_bundle_that_gives_one_answer_is_no_better_than_chance(cases: list[Post]) -> None:
    result = summarise(scored(cases, {"hate": 0.9, "offensive": 0.9}))
    assert (result.balanced_accuracy, result.twins_right) == (0.5, 0)
    assert (result.hate_recall, result.non_hate_recall) == (1, 0)
    probe = next(kind for kind in result.kinds if kind.kind == PROBE)
    assert (probe.hate_accuracy, probe.hate_score_of_hate) == (0, None)
    assert probe.hate_score_of_rest == pytest.approx(0.9)


def test_group_that_is_taken_for_hate_stands_out(cases: list[Post]) -> None:
    outcomes = [
        replace(o, scores={"hate": 0.8, "offensive": 0.0}) if o.post.kind == PROBE and o.post.group == "deaf" else o
        for o in scored(cases)
    ]
    groups = {group.group: group for group in summarise(outcomes).groups}
    share = 1 / len(groups)
    assert groups["deaf"].false_positive_rate == 1
    assert groups["deaf"].gap == pytest.approx(1 - share)
    assert groups["blind"].gap == pytest.approx(-share)
    assert groups["deaf"].cases == PROBES
    assert "| deaf | 30 | 1.000 | +0.957 | 0.800 |" in markdown(summarise(outcomes))


def test_label_that_a_case_or_a_bundle_lacks_is_not_counted(cases: list[Post]) -> None:
    outcomes = [Outcome(outcome.post, {"hate": outcome.scores["hate"]}) for outcome in scored(cases)]
    result = summarise(outcomes)
    assert result.offensive_balanced_accuracy is None
    assert all(kind.offensive_cases == 0 and kind.offensive_accuracy is None for kind in result.kinds)
    disputed = next(kind for kind in summarise(scored(cases)).kinds if kind.kind == "reclaimed")
    assert disputed.cases > disputed.offensive_cases == 0
    assert as_json(result)["kinds"][0]["offensive_accuracy"] is None


def test_suite_measures_a_bundle_and_writes_what_it_prints(
    classifier: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, out = tmp_path / "bundle", tmp_path / "suite.json"
    export = f"export --classifier {classifier} --out {bundle} --calibration {posts} --dev {posts} --block hate "
    assert main((export + "--name tiny --version 1.2.3 --overlap 8").split()) == 0
    capsys.readouterr()
    assert main(f"suite --bundle {bundle} --json {out}".split()) == 0
    found = json.loads(out.read_text())
    assert (found["bundle"], found["version"], found["threshold"]) == ("tiny", "1.2.3", 0.5)
    assert f"balanced accuracy {found['balanced_accuracy']:.3f}" in capsys.readouterr().out
    assert {kind["kind"] for kind in found["kinds"]} >= {"negation", "quote", "insult_person"}
    assert main(f"suite --bundle {bundle} --json /dev/null/suite.json".split()) == 1
    assert "/dev/null/suite.json: cannot be written" in capsys.readouterr().err
