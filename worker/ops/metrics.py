"""The worker's metrics, counted: what the pipeline and the Kafka adapter report, in a registry of its own."""

import platform
import sys
import time
from collections.abc import Callable, Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from worker import __version__
from worker.core.breaker import Cause, State
from worker.core.errors import Reason, Rejected
from worker.core.policy import Action, Decision
from worker.core.trouble import Doing
from worker.core.types import Channel, Outgoing, Partition, Record, Scores
from worker.ops import catalogue
from worker.ops.catalogue import Metric

NO_LABEL = "none"
UNSCORED = "unscored"

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each counter and bucket set, which nobody reads


class Metrics:
    """Implements core.ports.Observer, and takes what the Kafka adapter and the app have to report.

    `clock` is the wall clock in seconds since 1970. Labels that repeat are bound once: a post costs a few microseconds.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._clock = clock
        self._stopped_partitions: set[Partition] = set()
        self._scores: tuple[Histogram, ...] = ()
        self._bind_flow()
        self._bind_model()
        self._bind_group()
        self._bind_process()

    # Observer

    def consumed(self, record: Record) -> None:
        """A record was read."""
        del record
        self._consumed.inc()

    def rejected(self, rejected: Rejected) -> None:
        """A record goes to the dead-letter topic."""
        self._dead_letters[rejected.reason].inc()

    def tokenised(self, posts: int, seconds: float) -> None:
        """A chunk of records was decoded, normalised and tokenised."""
        if posts:
            self._tokenize.observe(seconds)

    def looked_up(self, hits: int, shared: int, misses: int) -> None:
        """Windows of a post were looked for among those scored lately."""
        for counter, windows in zip(self._lookups, (hits, shared, misses), strict=True):
            counter.inc(windows)

    def queued(self, record: Record, seconds: float) -> None:
        """A window waited for its batch."""
        del record
        self._queue_wait.observe(seconds)

    def scored(self, posts: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """A batch was scored; `posts` counts its windows."""
        self._inference.observe(seconds)
        self._batch_posts.observe(posts)
        self._batch_tokens.observe(tokens)
        self._padding.observe(1 - tokens / padded_tokens if padded_tokens else 0.0)

    def acknowledged(self, record: Record, outputs: Sequence[Outgoing]) -> None:
        """All outputs of a record are stored."""
        for outgoing in outputs:
            self._published[outgoing.channel].inc()
        if record.timestamp_ms < 0:
            return
        seconds = self._clock() - record.timestamp_ms / 1000
        if seconds < 0:
            self._clock_skew.inc()
            seconds = 0.0
        self._latency.observe(seconds)

    def committed(self, ok: bool) -> None:
        """A commit was tried."""
        (self._commits_ok if ok else self._commits_failed).inc()

    def in_flight(self, posts: int, size: int) -> None:
        """Records and bytes between reading and acknowledgement, now."""
        self._in_flight_posts.set(posts)
        self._in_flight_bytes.set(size)

    def paused(self, seconds: float) -> None:
        """Intake stood still because the budget was used up."""
        self._paused.inc(max(seconds, 0.0))

    def rewound(self) -> None:
        """A publish failed: the producer was replaced, and partitions are read again from their commits."""
        self._replacements.inc()

    def breaker(self, state: State, cause: Cause, last: str) -> None:
        """The breaker is in `state` from now on; `cause` opened it."""
        del last
        self._breaker_state.set(state)
        if state is State.OPEN:
            self._breaker_openings[cause].inc()

    # The encoder

    def decided(self, decision: Decision, scores: Scores) -> None:
        """A post got its verdict. `scores` is in the order of `model_loaded`'s labels; empty: it was not scored."""
        for histogram, score in zip(self._scores, scores, strict=False):
            histogram.observe(score)
        for label in decision.labels or ((NO_LABEL if scores else UNSCORED),):
            self._decision(label, decision.action).inc()

    # The Kafka adapter

    def assigned(self, partitions: int) -> None:
        """A rebalance ended: the worker holds so many partitions, and none has been found out of range yet."""
        self._assigned.set(partitions)
        self._stopped_partitions.clear()
        self._stopped.set(0)

    def rebalanced(self) -> None:
        """The group was rebalanced."""
        self._rebalances.inc()

    def lag(self, partition: Partition, records: int) -> None:
        """Records between the commit and the end of `partition`."""
        self._lag.labels(partition.topic, partition.partition).set(records)

    def time_lag(self, partition: Partition, seconds: float) -> None:
        """Age of the oldest record of `partition` not yet done; 0: none."""
        self._time_lag.labels(partition.topic, partition.partition).set(seconds)

    def partition_stopped(self, partition: Partition) -> None:
        """`partition` is not read: its commit is out of range."""
        self._stopped_partitions.add(partition)
        self._stopped.set(len(self._stopped_partitions))

    def offset_jumped(self) -> None:
        """A commit out of range was given up for the earliest offset."""
        self._offset_jumps.inc()

    def kafka_failing(self, doing: Doing, seconds: float) -> None:
        """`doing` has failed for so long; 0: it works."""
        self._kafka_failing[doing].set(seconds)

    def forget(self, partition: Partition) -> None:
        """`partition` is another worker's now: show nothing stale of it."""
        for gauge in (self._lag, self._time_lag):
            gauge.labels(partition.topic, partition.partition)  # remove() wants it to exist
            gauge.remove(partition.topic, partition.partition)
        self._stopped_partitions.discard(partition)
        self._stopped.set(len(self._stopped_partitions))

    # The app

    def event_loop_lag(self, seconds: float) -> None:
        """The event loop woke up so late."""
        self._loop_lag.observe(max(seconds, 0.0))

    def scorers(self, threads: int) -> None:
        """So many threads score."""
        self._scoring_threads.set(threads)

    def model_loaded(self, *, name: str, version: str, sha256: str, quantization: str, labels: Sequence[str]) -> None:
        """This model scores from now on; `labels` in the order of its scores."""
        self._model_info.labels(name, version, sha256, quantization).set(1)
        self._scores = tuple(self._score.labels(label) for label in labels)
        for label in labels:
            self._decision(label, Action.REVIEW)
            self._decision(label, Action.BLOCK)

    # Binding: rates need series that begin at 0, so all that are known are made at once.

    def _bind_flow(self) -> None:
        self._consumed = self._counter(catalogue.CONSUMED)
        published = self._counter(catalogue.PUBLISHED)
        self._published = {channel: published.labels(channel.value) for channel in Channel}
        dead_letters = self._counter(catalogue.DEAD_LETTERS)
        self._dead_letters: dict[Reason, Counter] = {
            reason: dead_letters.labels(reason.value) for reason in Reason if reason is not Reason.EXPIRED
        }
        commits = self._counter(catalogue.COMMITS)
        self._commits_ok = commits.labels("ok")
        self._commits_failed = commits.labels("failed")
        self._latency = self._histogram(catalogue.LATENCY_SECONDS)
        self._clock_skew = self._counter(catalogue.CLOCK_SKEW)

    def _bind_model(self) -> None:
        self._queue_wait = self._histogram(catalogue.QUEUE_WAIT)
        self._tokenize = self._histogram(catalogue.TOKENIZE)
        lookups = self._counter(catalogue.LOOKUPS)
        self._lookups = tuple(lookups.labels(result) for result in ("hit", "shared", "miss"))
        self._scoring_threads = self._gauge(catalogue.SCORING_THREADS)
        self._inference = self._histogram(catalogue.INFERENCE)
        self._batch_posts = self._histogram(catalogue.BATCH_POSTS)
        self._batch_tokens = self._histogram(catalogue.BATCH_TOKENS)
        self._padding = self._histogram(catalogue.PADDING)
        self._score = self._histogram(catalogue.SCORE_OF_LABEL)
        self._decisions = self._counter(catalogue.DECISIONS)
        self._bound_decisions: dict[tuple[str, Action], Counter] = {}
        self._decision(NO_LABEL, Action.ALLOW)
        self._decision(UNSCORED, Action.REVIEW)
        self._decision(Reason.EXPIRED.value, Action.REVIEW)

    def _bind_group(self) -> None:
        self._lag = self._gauge(catalogue.LAG)
        self._time_lag = self._gauge(catalogue.TIME_LAG)
        self._assigned = self._gauge(catalogue.ASSIGNED)
        self._stopped = self._gauge(catalogue.STOPPED)
        self._rebalances = self._counter(catalogue.REBALANCES)
        self._offset_jumps = self._counter(catalogue.OFFSET_JUMPS)
        self._replacements = self._counter(catalogue.REPLACEMENTS)
        failing = self._gauge(catalogue.KAFKA_FAILING)
        self._kafka_failing = {doing: failing.labels(doing.value) for doing in Doing}

    def _bind_process(self) -> None:
        self._paused = self._counter(catalogue.PAUSED)
        self._breaker_state = self._gauge(catalogue.BREAKER_STATE)
        openings = self._counter(catalogue.BREAKER_OPENINGS)
        self._breaker_openings = {cause: openings.labels(cause.value) for cause in Cause}
        self._in_flight_posts = self._gauge(catalogue.IN_FLIGHT_POSTS)
        self._in_flight_bytes = self._gauge(catalogue.IN_FLIGHT_BYTES)
        self._loop_lag = self._histogram(catalogue.LOOP_LAG)
        self._model_info = self._gauge(catalogue.MODEL_INFO)
        self._gauge(catalogue.BUILD_INFO).labels(__version__, platform.python_version()).set(1)

    def _decision(self, label: str, action: Action) -> Counter:
        bound = self._bound_decisions.get((label, action))
        if bound is None:
            bound = self._bound_decisions[label, action] = self._decisions.labels(label, action.value)
        return bound

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.text, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.text, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.text, metric.labels, registry=self.registry, buckets=metric.buckets)


if __name__ == "__main__":
    sys.stdout.write(catalogue.markdown())
