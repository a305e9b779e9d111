"""Agreement with marked words, faithfulness and identity terms: figures that can be worked out by hand."""

import json
import re
from pathlib import Path

import pytest

from tests.modeling.explaining import Counting
from worker.core.errors import Fatal
from worker.explain.method import WordWeight, carrying
from worker.modeling.augmentation.posts import augmentation_grammar
from worker.modeling.explain.agreement import best_cut, mean_auprc, mean_f1, named, token_f1
from worker.modeling.explain.faithfulness import faithfulness
from worker.modeling.explain.identity import CONTROL, CONTROLS, SENTENCES, TERMS, augmented_groups, measure_terms
from worker.modeling.explain.measure import measure
from worker.modeling.explain.rationales import read_marked, token_weights
from worker.modeling.explain.report import markdown
from worker.modeling.posts.halves import half_of
from worker.modeling.posts.subgroups import groups_in

LABELS = ("rude", "long")


@pytest.fixture
def method(tokenizer_file: Path) -> Counting:
    return Counting(tokenizer_file)


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_words_count_as_marked_by_a_strict_majority_or_where_a_span_touches_them(tmp_path: Path) -> None:
    file = written(
        tmp_path / "a.jsonl",
        {
            "id": "1",
            "text": "one two  three",
            "labels": {"rude": 1, "long": None},
            "rationales": [[1, 1, 0], [0, 1, 0]],
        },
        {"id": "2", "text": "one, two", "labels": {"rude": 0, "long": 1}, "spans": [[3, 4], [5, 5]]},
        {"id": "3", "text": "nothing marked", "labels": {"rude": 1}},
    )

    first, second = read_marked(file, LABELS)

    assert first.marked == (False, True, False)
    assert first.labels == {"rude"}
    assert second.marked == (True, False)
    assert second.labels == {"long"}


@pytest.mark.parametrize(
    "row", [{"id": "1", "text": "a b", "labels": {"rude": 1}, "rationales": [[1]]}, {"id": "1", "text": "a"}, "no post"]
)
def test_line_that_is_no_marked_post_is_named(row: object, tmp_path: Path) -> None:
    good = {"id": "0", "text": "a b", "labels": {"rude": 1}, "spans": [[0, 1]]}
    with pytest.raises(Fatal, match=r"a\.jsonl:2: not a post with marked words"):
        read_marked(written(tmp_path / "a.jsonl", good, row), LABELS)


def test_file_without_marked_words_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="no post has `rationales` or `spans`"):
        read_marked(written(tmp_path / "a.jsonl", {"id": "1", "text": "a", "labels": {"rude": 1}}), LABELS)


def test_label_that_the_model_lacks_is_refused_by_its_line(method: Counting, tmp_path: Path) -> None:
    rows = [{"id": str(n), "text": "bad", "labels": {"rud": 1, "long": 1}, "spans": [[0, 3]]} for n in range(40)]
    with pytest.raises(Fatal, match=r"a\.jsonl:1: .*unknown label 'rud': the labels are rude, long"):
        measure(method, [written(tmp_path / "a.jsonl", *rows)])


def test_whitespace_token_weighs_what_its_words_do() -> None:
    words = [WordWeight(2, 5, 1.0), WordWeight(5, 6, 0.5), WordWeight(12, 14, -2.0)]
    assert token_weights("a bad! quite so ", words) == [0, 1.5, 0, -2]


def test_agreement_is_eraser_s() -> None:
    marked = [True, False, True, False]
    weights = [4.0, 3.0, 2.0, -1.0]
    assert named(weights, 0.5) == [True, True, True, False]
    assert named([-1.0, 0.0], 0.5) == [False, False]
    assert token_f1(marked, [True, True, True, False]) == pytest.approx(0.8)
    assert token_f1(marked, [False] * 4) == 0
    pairs = [(marked, weights), ([True, False], [0.0, 1.0])]
    assert mean_f1(pairs, 0.9) == pytest.approx((2 / 3 + 0) / 2)
    assert mean_auprc(pairs) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 2) / 2)


def test_cut_is_the_one_that_agrees_best() -> None:
    pairs = [([True, True, False], [10.0, 6.2, 4.2])] * 3
    assert best_cut(pairs) == 0.55  # those from .45 to .60 part them


def test_faithfulness_is_what_the_score_loses_without_the_words_and_with_them_alone(method: Counting) -> None:
    carried = carrying(method, "the bad sun and the bad rain", 0)
    assert carried is not None
    passage, score = carried
    both, one, none = (row[0] for row in method.score([(5, *([method._bad] * count)) for count in (2, 1, 0)]))
    assert score == both

    found = faithfulness(method, passage, method.weigh(passage, 0), 0, score)

    # Of 7 words 1, 1, 1, 2 and 4 are taken.
    assert found.comprehensiveness == pytest.approx((3 * (both - one) + 2 * (both - none)) / 5)
    assert found.sufficiency == pytest.approx(3 * (both - one) / 5)


def test_known_reasons_score_full_marks_and_a_random_order_does_not(method: Counting, tmp_path: Path) -> None:
    text = "the sun and the rain are good and bad things at home"
    marked = [0] * 8 + [1] + [0] * 3
    rows = [{"id": str(n), "text": text, "labels": {"rude": 1}, "rationales": [marked] * 3} for n in range(40)]

    [row] = measure(method, [written(tmp_path / "posts.jsonl", *rows)])

    assert (row.file, row.label) == ("posts.jsonl", "rude")
    assert row.posts == sum(half_of(str(n)) == "report" for n in range(40))
    assert row.method.token_f1 == row.method.auprc == 1
    assert row.method.sufficiency == pytest.approx(0)
    assert row.control.auprc < 0.6
    assert row.control.comprehensiveness < row.method.comprehensiveness
    assert row.control.sufficiency > 0.3


def test_terms_name_their_group_and_the_controls_none() -> None:
    for sentence in SENTENCES:
        for group, term in TERMS.items():
            assert groups_in(sentence.format(term)) == {group}
        for control in CONTROLS:
            assert groups_in(sentence.format(control)) == set()


def runs_of_four(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"@|\w+", re.sub(r"\{[^}]*\}", "@", text.casefold()))
    return {run for n in range(len(words) - 3) if len(run := tuple(words[n : n + 4])) - run.count("@") > 2}


def test_no_sentence_is_like_a_template_of_the_augmentation() -> None:
    grammar = augmentation_grammar()
    texts = [text for texts in grammar.rules.values() for text in texts]
    texts += [text for frame in grammar.frames for _, text in frame.sides]
    theirs = {run for text in texts for run in runs_of_four(text)}
    assert len(theirs) > 1_000
    assert not theirs & {run for sentence in SENTENCES for run in runs_of_four(sentence)}


def test_terms_that_the_augmentation_names_are_told_from_those_it_does_not(method: Counting) -> None:
    made = {form for group in augmentation_grammar().groups for forms in group.forms.values() for form in forms}
    assert {"muslims", "gay", "black", "women", "old"} < augmented_groups()
    for group in ("jews", "christians", "arab", "asian", "roma"):
        assert group not in augmented_groups()
        assert not any(TERMS[group].casefold() in form.casefold() for form in made)
    rows = measure_terms(method, {"rude": 0.5, "long": 0.25})
    assert {row.group for row in rows if row.augmented} == augmented_groups()
    assert {row.group for row in rows if row.augmented is None} == {CONTROL}
    unseen = [len(TERMS[row.group]) for row in rows if row.label == "long" and row.augmented is False]
    mean = sum(unseen) / len(unseen)
    assert f"| long | mean of {len(unseen)} | no | 0.250 | +0.000 | 100% | {mean:+.2f} |" in markdown("", [], rows)


def test_terms_carry_their_own_weight_and_no_other_words(method: Counting) -> None:
    rows = {(row.label, row.group): row for row in measure_terms(method, {"rude": 0.5, "long": 0.25})}

    for group, term in TERMS.items():
        assert rows["long", group].weight == len(term)
        assert rows["rude", group].weight == 0
    assert rows["long", CONTROL].weight == sum(map(len, CONTROLS)) / len(CONTROLS)
    assert rows["long", "gay"].flagged == 1  # at its threshold counts as over it
    assert rows["rude", "gay"].flagged == 0
    assert rows["rude", "gay"].excess == pytest.approx(0)
