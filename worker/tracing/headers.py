"""W3C Trace Context in the headers of records: https://www.w3.org/TR/trace-context/."""

from opentelemetry.context import Context
from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from worker.core.types import Headers

_W3C = TraceContextTextMapPropagator()
_NAMES = _W3C.fields


def continued(headers: Headers) -> Context:
    """The context that a record brings; an empty one where it brings none, or nonsense."""
    carrier: dict[str, str] = {}
    for name, value in headers:
        if name in _NAMES:
            carrier.setdefault(name, value.decode("latin-1"))  # the first of its name, as everywhere
    return _W3C.extract(carrier, Context())


def naming(span: Span, headers: Headers) -> Headers:
    """The headers with `span` as the context, instead of what they had of it."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, set_span_in_context(span, Context()))
    others = tuple(header for header in headers if header[0] not in _NAMES)
    return others + tuple((name, value.encode("latin-1")) for name, value in carrier.items())
