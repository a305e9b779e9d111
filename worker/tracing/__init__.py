"""Spans for each post by OpenTelemetry: nothing else imports it, and nobody imports this where tracing is off."""

from worker.tracing.export import provider
from worker.tracing.tracing import Tracing

__all__ = ["Tracing", "provider"]
