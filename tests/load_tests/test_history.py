from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from load_tests.history import Kind, Output, Position, Snapshot, busy_seconds, check
from load_tests.hostile import Due
from tests.load_tests.histories import SCORED, History, histories, inputs, logged, settle, snapshot
from worker.core.errors import Reason


@given(histories())
def test_a_right_history_with_a_crash_has_no_failures(history: History) -> None:
    report = check(history.expected, history.outputs, history.snapshots)
    assert report.failures == []
    assert report.posts == len(history.expected)
    assert report.verdicts == sum(due.verdict for due in history.expected.values())
    assert report.dead_letters == sum(due.dead_letter is not None for due in history.expected.values())


@given(histories(), st.data())
def test_a_record_without_any_output_is_lost(history: History, data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(sorted(history.expected)))
    left = [output for output in history.outputs if output.source != victim]
    report = check(history.expected, left, [])
    assert report.lost == 1
    assert report.examples["lost"] == [victim]
    assert any("lost" in failure for failure in report.failures)


@given(histories(), st.data())
def test_what_is_missing_from_a_run_that_was_given_up_is_no_violation(history: History, data: st.DataObject) -> None:
    came = data.draw(st.lists(st.sampled_from(history.outputs), unique_by=lambda output: (output.kind, output.at)))
    left = sorted(came, key=lambda output: (output.kind is Kind.DEAD_LETTER, output.at))
    report = check(history.expected, left, [], complete=False)
    assert (report.lost, report.wrong_outcomes) == (0, 0)
    assert not {"nothing came out"} & set(report.failures)
    assert report.posts == len(history.expected)


@given(histories(), st.data())
def test_what_must_not_come_is_wrong_in_a_run_that_was_given_up_too(history: History, data: st.DataObject) -> None:
    victim = data.draw(st.sampled_from(sorted(history.expected)))
    spoilt = [replace(o, kind=Kind.DEAD_LETTER, reason="no such") if o.source == victim else o for o in history.outputs]
    assert check(history.expected, spoilt, [], complete=False).wrong_outcomes == 1


def test_a_commit_without_its_output_is_early_in_a_run_that_was_given_up_too() -> None:
    report = check({Position(0, 0): SCORED}, [], [Snapshot({0: 1}, {}, {})], complete=False)
    assert report.failures == ["early_commits: 1"]


@given(histories())
def test_repeats_are_counted_but_no_failure(history: History) -> None:
    again = [replace(output, at=output.at._replace(offset=output.at.offset + 1_000)) for output in history.outputs]
    report = check(history.expected, [*history.outputs, *again], [])
    assert report.duplicates == len(history.expected)
    assert report.failures == []


@given(inputs(at_least=2), st.data())
def test_swapped_first_verdicts_are_out_of_order(expected: dict[Position, Due], data: st.DataObject) -> None:
    expected = dict.fromkeys(expected, SCORED)
    written = [output for position, due in expected.items() for output in settle(position, due)]
    first = data.draw(st.integers(0, len(written) - 2))
    assume(written[first].at.partition == written[first + 1].at.partition)
    written[first], written[first + 1] = written[first + 1], written[first]
    report = check(expected, logged(written), [])
    assert report.out_of_order == 1
    assert any("out_of_order" in failure for failure in report.failures)


def test_a_tombstone_that_overtakes_its_post_is_out_of_order() -> None:
    expected = {Position(0, 3): SCORED, Position(0, 5): Due(tombstone=True)}
    written = settle(Position(0, 5), expected[Position(0, 5)]) + settle(Position(0, 3), SCORED)
    assert check(expected, logged(written), []).out_of_order == 1


@given(inputs(at_least=2), st.data())
def test_a_commit_before_its_output_is_early_even_if_the_output_comes_later(
    expected: dict[Position, Due], data: st.DataObject
) -> None:
    positions = sorted(expected)
    at = data.draw(st.integers(0, len(positions) - 1))
    before = [output for position in positions[:at] for output in settle(position, expected[position])]
    after = [output for position in positions[at:] for output in settle(position, expected[position])]
    early = snapshot(before, {positions[at].partition: positions[at].offset + 1})
    late = snapshot(before + after, {p.partition: p.offset + 1 for p in positions})
    report = check(expected, logged(before + after), [early, late])
    assert report.lost == 0
    assert report.early_commits == 1
    assert report.examples["early_commits"] == [positions[at]]
    assert any("early_commits" in failure for failure in report.failures)


def test_a_commit_past_a_lost_record_is_early() -> None:
    expected = {Position(0, 7): SCORED}
    report = check(expected, [], [Snapshot({0: 8}, {}, {})])
    assert (report.lost, report.early_commits) == (1, 1)


def test_a_commit_with_half_of_the_outputs_is_early() -> None:
    due = Due(verdict=True, dead_letter=Reason.TEXT_TOO_LONG)
    outputs = logged(settle(Position(0, 0), due))
    without_verdict = Snapshot({0: 1}, {0: 0}, {0: 1})
    assert check({Position(0, 0): due}, outputs, [without_verdict]).early_commits == 1


def test_an_empty_run_is_a_failure() -> None:
    assert check({}, [], []).failures
    assert any("nothing came out" in failure for failure in check({Position(0, 0): SCORED}, [], []).failures)


def test_outputs_of_unknown_records_are_failures() -> None:
    expected = {Position(0, 0): SCORED}
    right = logged(settle(Position(0, 0), SCORED))
    unknown = Output(Kind.VERDICT, Position(0, 1), Position(0, 1), 0)
    nameless = Output(Kind.VERDICT, None, Position(0, 2), 0)
    report = check(expected, [*right, unknown, nameless], [])
    assert report.unmatched == 2
    assert report.failures == ["unmatched: 2"]


def test_a_verdict_in_another_partition_is_misplaced() -> None:
    expected = {Position(0, 0): SCORED}
    elsewhere = [Output(Kind.VERDICT, Position(0, 0), Position(1, 0), 0, decision="d")]
    assert check(expected, elsewhere, []).failures == ["misplaced: 1"]
    assert check(expected, elsewhere, [], same_partitions=False).failures == []


def test_a_good_post_among_the_dead_letters_is_a_wrong_outcome() -> None:
    letter = Output(Kind.DEAD_LETTER, Position(0, 0), Position(0, 0), 0, reason="internal")
    assert check({Position(0, 0): SCORED}, [letter], []).failures == ["wrong_outcomes: 1"]


def test_another_reason_or_a_missing_verdict_is_a_wrong_outcome() -> None:
    due = Due(verdict=True, dead_letter=Reason.TEXT_TOO_LONG)
    [letter, verdict] = settle(Position(0, 0), due)
    assert check({Position(0, 0): due}, logged([letter]), []).wrong_outcomes == 1
    assert check({Position(0, 0): due}, logged([replace(letter, reason="schema"), verdict]), []).wrong_outcomes == 1


def test_a_repeat_with_other_scores_is_a_failure() -> None:
    [verdict] = settle(Position(0, 0), SCORED)
    report = check({Position(0, 0): SCORED}, logged([verdict, replace(verdict, decision="other")]), [])
    assert report.failures == ["changed_repeats: 1"]


def test_pauses_are_not_working_time() -> None:
    assert busy_seconds([]) == 0
    assert busy_seconds([5_000]) == 0
    assert busy_seconds([2_000, 0, 500, 9_000, 9_250]) == 0.75


@given(st.lists(st.integers(0, 100_000)))
def test_working_time_is_at_most_the_whole_time(timestamps: list[int]) -> None:
    whole = (max(timestamps) - min(timestamps)) / 1000 if timestamps else 0
    assert 0 <= busy_seconds(timestamps) <= whole + 1e-6
