"""Metrics: the catalogue is what is scraped, and every report is counted truthfully."""

from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from worker.core.errors import Reason, Rejected
from worker.core.policy import Action, Decision
from worker.core.ports import Observer
from worker.core.types import Channel, Outgoing, Partition, Record
from worker.ops import catalogue
from worker.ops.metrics import Metrics

NOW = 1_700_000_000.0
PARTITION = Partition("posts", 3)
VERDICT = Outgoing(Channel.OUTPUT, b"key", b"value")
DEAD_LETTER = Outgoing(Channel.DEAD_LETTER, b"key", b"value")
PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def record(timestamp_ms: int = -1) -> Record:
    return Record(PARTITION, 7, timestamp_ms, b"key", b"value")


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics(clock=lambda: NOW)
    made.model_loaded(name="small", version="1", sha256="ab", quantization="int8", labels=("hate", "offensive"))
    return made


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"moderation_{name}", labels)


def scraped(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_scrape_shows_exactly_the_catalogue(metrics: Metrics) -> None:
    families = {
        family.name + ("_total" if family.type == "counter" else ""): (family.type, family.documentation)
        for family in text_string_to_metric_families(scraped(metrics))
    }
    ours = {name: found for name, found in families.items() if not name.startswith(("process_", "python_"))}
    assert ours == {metric.name: (metric.kind, metric.text) for metric in catalogue.CATALOGUE}
    assert {"process_resident_memory_bytes", "python_info"} <= families.keys()


def test_generated_page_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == catalogue.markdown(), (
        "run: python -m worker.ops.metrics > docs/metrics.md"
    )


def test_catalogue_in_base_units_without_personal_labels() -> None:
    names = [metric.name for metric in catalogue.CATALOGUE]
    assert len(set(names)) == len(names)
    for metric in catalogue.CATALOGUE:
        assert (metric.kind == "counter") == metric.name.endswith("_total"), metric
        assert (metric.kind == "histogram") == bool(metric.buckets), metric
        assert list(metric.buckets) == sorted(set(metric.buckets)), metric
        assert metric.text.endswith("."), metric
        assert not {"id", "post", "post_id", "key", "user", "author"} & set(metric.labels), metric


def test_scoring_threads_are_shown(metrics: Metrics) -> None:
    metrics.scorers(3)
    assert value(metrics, "scoring_threads") == 3


def test_metrics_are_an_observer_and_two_instances_share_nothing() -> None:
    one, other = Metrics(), Metrics()
    observer: Observer = one
    observer.consumed(record())
    assert value(one, "messages_consumed_total") == 1
    assert value(other, "messages_consumed_total") == 0


def test_fresh_worker_counters_with_known_labels_begin_at_zero(metrics: Metrics) -> None:
    for reason in set(Reason) - {Reason.EXPIRED}:  # a record that expired is no dead letter
        assert value(metrics, "dead_letters_total", reason=reason.value) == 0
    for channel in Channel:
        assert value(metrics, "messages_published_total", channel=channel.value) == 0
    for label, action in (
        ("hate", "block"),
        ("offensive", "review"),
        ("none", "allow"),
        ("unscored", "review"),
        ("expired", "review"),
    ):
        assert value(metrics, "decisions_total", label=label, action=action) == 0
    for status in ("ok", "failed"):
        assert value(metrics, "commits_total", status=status) == 0


def test_outputs_acknowledged_are_counted_by_channel_with_latency(metrics: Metrics) -> None:
    metrics.acknowledged(record(int((NOW - 2) * 1000)), (VERDICT, DEAD_LETTER))
    metrics.acknowledged(record(int((NOW - 4) * 1000)), (VERDICT,))
    assert value(metrics, "messages_published_total", channel="output") == 2
    assert value(metrics, "messages_published_total", channel="dead_letter") == 1
    assert value(metrics, "end_to_end_latency_seconds_count") == 2
    assert value(metrics, "end_to_end_latency_seconds_sum") == 6
    assert value(metrics, "end_to_end_latency_seconds_bucket", le="2.5") == 1


def test_record_without_timestamp_has_no_latency(metrics: Metrics) -> None:
    metrics.acknowledged(record(-1), (VERDICT,))
    assert value(metrics, "messages_published_total", channel="output") == 1
    assert value(metrics, "end_to_end_latency_seconds_count") == 0
    assert value(metrics, "clock_skew_total") == 0


def test_record_from_the_future_latency_is_zero_and_skew_counted(metrics: Metrics) -> None:
    metrics.acknowledged(record(int((NOW + 60) * 1000)), (VERDICT,))
    assert value(metrics, "end_to_end_latency_seconds_sum") == 0
    assert value(metrics, "end_to_end_latency_seconds_count") == 1
    assert value(metrics, "clock_skew_total") == 1


def test_rejected_record_counted_by_reason(metrics: Metrics) -> None:
    metrics.rejected(Rejected(Reason.NOT_JSON, "no"))
    assert value(metrics, "dead_letters_total", reason="not_json") == 1
    assert value(metrics, "dead_letters_total", reason="schema") == 0


def test_batch_scored_gives_sizes_time_and_padding(metrics: Metrics) -> None:
    metrics.tokenised(0, 9.0)
    metrics.tokenised(5, 0.25)
    metrics.queued(record(0), 0.5)
    metrics.scored(posts=4, tokens=75, padded_tokens=100, seconds=0.125)
    assert value(metrics, "tokenize_seconds_sum") == 0.25
    assert value(metrics, "queue_wait_seconds_sum") == 0.5
    assert value(metrics, "inference_seconds_sum") == 0.125
    assert value(metrics, "batch_posts_sum") == 4
    assert value(metrics, "batch_tokens_sum") == 75
    assert value(metrics, "batch_padding_ratio_sum") == 0.25


def test_lookups_are_counted_by_result(metrics: Metrics) -> None:
    metrics.looked_up(2, 1, 3)
    metrics.looked_up(0, 0, 1)
    assert [value(metrics, "score_lookups_total", result=result) for result in ("hit", "shared", "miss")] == [2, 1, 4]


def test_decisions_counted_for_each_label_and_scores_by_label(metrics: Metrics) -> None:
    metrics.decided(Decision(Action.BLOCK, ("hate", "offensive")), (0.9, 0.7))
    metrics.decided(Decision(Action.ALLOW, ()), (0.1, 0.2))
    metrics.decided(Decision(Action.REVIEW, ()), ())
    assert value(metrics, "decisions_total", label="hate", action="block") == 1
    assert value(metrics, "decisions_total", label="offensive", action="block") == 1
    assert value(metrics, "decisions_total", label="none", action="allow") == 1
    assert value(metrics, "decisions_total", label="unscored", action="review") == 1
    assert value(metrics, "score_sum", label="hate") == 1.0
    assert value(metrics, "score_count", label="offensive") == 2
    assert value(metrics, "score_bucket", label="offensive", le="0.5") == 1


def test_state_of_flow_and_group_shown_as_reported(metrics: Metrics) -> None:
    metrics.committed(ok=True)
    metrics.committed(ok=False)
    metrics.in_flight(5, 1000)
    metrics.paused(1.5)
    metrics.paused(-1.0)
    metrics.rewound()
    metrics.rebalanced()
    metrics.offset_jumped()
    metrics.event_loop_lag(0.25)
    metrics.event_loop_lag(-0.001)
    assert value(metrics, "commits_total", status="ok") == value(metrics, "commits_total", status="failed") == 1
    assert (value(metrics, "in_flight_posts"), value(metrics, "in_flight_bytes")) == (5, 1000)
    assert value(metrics, "paused_seconds_total") == 1.5
    assert value(metrics, "producer_replacements_total") == 1
    assert value(metrics, "rebalances_total") == 1
    assert value(metrics, "offset_jumps_total") == 1
    assert value(metrics, "event_loop_lag_seconds_sum") == 0.25
    assert value(metrics, "model_info", name="small", version="1", sha256="ab", quantization="int8") == 1


def test_partition_given_away_leaves_no_gauge_behind(metrics: Metrics) -> None:
    other = Partition("posts", 4)
    for partition in (PARTITION, other):
        metrics.lag(partition, 10)
        metrics.time_lag(partition, 2.5)
        metrics.partition_stopped(partition)
    assert value(metrics, "consumer_lag", topic="posts", partition="3") == 10
    assert value(metrics, "consumer_time_lag_seconds", topic="posts", partition="3") == 2.5
    assert value(metrics, "stopped_partitions") == 2
    metrics.forget(PARTITION)
    metrics.forget(PARTITION)
    metrics.forget(Partition("never", 0))
    assert 'partition="3"' not in scraped(metrics)
    assert "never" not in scraped(metrics)
    assert value(metrics, "consumer_lag", topic="posts", partition="4") == 10
    assert value(metrics, "stopped_partitions") == 1


def test_rebalance_begins_with_no_partition_stopped(metrics: Metrics) -> None:
    metrics.partition_stopped(PARTITION)
    metrics.assigned(4)
    assert value(metrics, "assigned_partitions") == 4
    assert value(metrics, "stopped_partitions") == 0
