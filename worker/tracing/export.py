"""Where spans go: to a collector by OTLP over HTTP, in batches, from a thread of its own."""

import logging

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from worker import __version__
from worker.core.errors import Fatal


def provider() -> TracerProvider:
    """All of it set by OTEL_* variables, which the SDK reads itself. Raises Fatal where one is wrong.

    The queue is bounded and spans beyond it are dropped, so a collector that is slow or gone costs spans and nothing else.
    """
    # Each retry is a warning; that a batch was given up is an error, and says enough.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    try:
        found = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        found.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    except (OSError, ValueError) as error:
        raise Fatal(f"MODERATION_TRACING=otlp: an OTEL_ variable is wrong: {error}") from error
    return found


def _resource() -> Resource:
    found = Resource.create({"service.version": __version__})
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        found = found.merge(Resource({SERVICE_NAME: "moderation-worker"}))
    return found
