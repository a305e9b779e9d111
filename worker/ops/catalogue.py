"""Every metric there is: name, kind, labels, buckets and meaning. docs/metrics.md is generated from this list."""

from dataclasses import dataclass
from typing import Literal

from worker.core.types import SCORE_BUCKETS

PREFIX = "moderation_"

LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
STAGE = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
RATIO = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family; `labels` never hold a post or a user, and their values are few."""

    short_name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def name(self) -> str:
        """The name as scraped (of a histogram: without _bucket, _sum and _count)."""
        return PREFIX + self.short_name


# The flow
CONSUMED = Metric("messages_consumed_total", "counter", "Records read from the input topic, repeats included.")
PUBLISHED = Metric(
    "messages_published_total",
    "counter",
    "Records that all in-sync replicas acknowledged; channel is output or dead_letter.",
    ("channel",),
)
DEAD_LETTERS = Metric(
    "dead_letters_total", "counter", "Records that could not become an ordinary verdict, repeats included.", ("reason",)
)
COMMITS = Metric("commits_total", "counter", "Offset commits tried; status is ok or failed.", ("status",))
LATENCY_SECONDS = Metric(
    "end_to_end_latency_seconds",
    "histogram",
    "From the input record's timestamp to the acknowledgement of all its outputs.",
    buckets=LATENCY,
)
CLOCK_SKEW = Metric(
    "clock_skew_total", "counter", "Records from the future by this machine's clock: latency taken as 0."
)

# The model
QUEUE_WAIT = Metric("queue_wait_seconds", "histogram", "Time a tokenised window waited for its batch.", buckets=LATENCY)
TOKENIZE = Metric(
    "tokenize_seconds",
    "histogram",
    "Time to decode, validate, normalise and tokenise one chunk of records.",
    buckets=STAGE,
)
LOOKUPS = Metric(
    "score_lookups_total",
    "counter",
    "Windows looked for among the scores kept (MODERATION_SCORE_CACHE_SIZE); result is hit (known), shared (on its way "
    "for another post) or miss.",
    ("result",),
)
SCORING_THREADS = Metric(
    "scoring_threads",
    "gauge",
    "Threads that may be in a model call at once: what the time of model calls is a share of.",
)
INFERENCE = Metric("inference_seconds", "histogram", "Time of one model call.", buckets=STAGE)
BATCH_POSTS = Metric(
    "batch_posts", "histogram", "Windows in one model call.", buckets=(1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 128)
)
BATCH_TOKENS = Metric(
    "batch_tokens",
    "histogram",
    "Tokens in one model call, padding excluded.",
    buckets=(16, 32, 64, 128, 192, 256, 384, 512, 768, 1024, 2048),
)
PADDING = Metric("batch_padding_ratio", "histogram", "Share of a model call that was padding.", buckets=RATIO)
DECISIONS = Metric(
    "decisions_total",
    "counter",
    "Posts decided, once for each label over its review threshold; label is none where there was none, "
    "unscored where the post could not be scored, expired where its record was too old (MODERATION_EXPIRY_SECONDS).",
    ("label", "action"),
)
SCORE_OF_LABEL = Metric(
    "score",
    "histogram",
    "Scores of posts; a bundle's reference.json counts those it was made with in the same buckets.",
    ("label",),
    SCORE_BUCKETS,
)

# The group
LAG = Metric(
    "consumer_lag",
    "gauge",
    "Records from the oldest one not yet done to the end of the partition, as of the last fetch.",
    ("topic", "partition"),
)
TIME_LAG = Metric(
    "consumer_time_lag_seconds",
    "gauge",
    "Age of the oldest record read and not yet done; 0 where there is none, also where nothing is read.",
    ("topic", "partition"),
)
ASSIGNED = Metric("assigned_partitions", "gauge", "Partitions this worker reads.")
STOPPED = Metric(
    "stopped_partitions", "gauge", "Partitions this worker holds but does not read, for their commit is out of range."
)
REBALANCES = Metric("rebalances_total", "counter", "Rebalances of the group this worker took part in.")
OFFSET_JUMPS = Metric("offset_jumps_total", "counter", "Jumps over deleted records, as MODERATION_OUT_OF_RANGE allows.")
REPLACEMENTS = Metric(
    "producer_replacements_total",
    "counter",
    "Producers replaced after a failed send; partitions rewound to the commit.",
)

KAFKA_FAILING = Metric(
    "kafka_failing_seconds",
    "gauge",
    "How long doing something with Kafka has failed or got no answer; 0 while it works. doing is reading, publishing or"
    " committing. The worker ends at MODERATION_RETRY_DEADLINE_SECONDS (reading) or MODERATION_ACK_DEADLINE_SECONDS.",
    ("doing",),
)

# The process
PAUSED = Metric("paused_seconds_total", "counter", "Time intake stood still because memory's bound was reached.")
BREAKER_STATE = Metric("breaker_state", "gauge", "0: closed; 1: trying a few records; 2: open, intake is paused.")
BREAKER_OPENINGS = Metric(
    "breaker_openings_total",
    "counter",
    "Times the breaker opened, after failed trials too; cause is failing (model, internal) or unreadable (no posts).",
    ("cause",),
)
IN_FLIGHT_POSTS = Metric("in_flight_posts", "gauge", "Records between reading and acknowledgement.")
IN_FLIGHT_BYTES = Metric("in_flight_bytes", "gauge", "Their bytes.")
LOOP_LAG = Metric(
    "event_loop_lag_seconds", "histogram", "How late the event loop woke up; heartbeats share it.", buckets=STAGE
)
MODEL_INFO = Metric("model_info", "gauge", "1, for the model in use.", ("name", "version", "sha256", "quantization"))
BUILD_INFO = Metric("build_info", "gauge", "1, for the worker in use.", ("version", "python"))

CATALOGUE = tuple(value for value in list(globals().values()) if isinstance(value, Metric))


def markdown() -> str:
    """The page docs/metrics.md."""
    rows = "".join(
        f"| `{metric.name}` | {metric.kind} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.text} |\n"
        for metric in CATALOGUE
    )
    return f"""# Metrics

Generated by `python -m worker.ops.metrics > docs/metrics.md`: change `worker/ops/catalogue.py`, not this page.

Served at `/metrics`, with the usual `process_`, `python_` metrics of the process beside them. Times are in seconds, sizes in
bytes. No label holds a post or a user.

| Metric | Kind | Labels | Meaning |
|---|---|---|---|
{rows}"""
