"""The series that there are: what a worker shows, what the rules record, what Prometheus adds."""

from functools import cache

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from load_tests.dashboard.rules import recorded
from worker.ops.catalogue import CATALOGUE
from worker.ops.metrics import Metrics

OF_PROMETHEUS = {"up", "ALERTS"}
_PARTS = {"histogram": ("_bucket", "_sum", "_count")}


@cache
def series() -> frozenset[str]:
    """Names that an expression may select."""
    of_worker = {metric.name + part for metric in CATALOGUE for part in _PARTS.get(metric.kind, ("",))}
    scraped = text_string_to_metric_families(generate_latest(Metrics().registry).decode())
    of_process = {
        sample.name for family in scraped for sample in family.samples if not sample.name.startswith("moderation_")
    }
    return frozenset(of_worker | of_process | recorded() | OF_PROMETHEUS)
