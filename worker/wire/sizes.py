"""What a record takes on the wire, and which of the input's headers may travel on."""

from collections.abc import Container

from worker.core.types import Headers

PASSED_HEADERS = (
    "traceparent",  # https://www.w3.org/TR/trace-context/
    "tracestate",
    "baggage",  # https://www.w3.org/TR/baggage/
    "correlation_id",
    "correlation-id",
    "x-correlation-id",
    "x-request-id",
)
"""Headers copied from the input to whatever is published for it."""

MAX_PASSED_BYTES = 16_384
"""Most bytes of passed headers: twice what W3C asks every platform to carry of baggage."""

_FRAMING = 61 + 21  # the header of a record batch of one, and the most a record's own fields take
_LENGTH = 5  # the longest varint


def record_size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """The most bytes a record batch of this one record can take, uncompressed: what a topic's limit applies to.

    https://kafka.apache.org/documentation/#recordbatch; never less than aiokafka's own estimate.
    """
    return _FRAMING + 3 * _LENGTH + len(key or b"") + len(value or b"") + sum(map(_header_size, headers))


def passed(headers: Headers, budget: int = MAX_PASSED_BYTES) -> Headers:
    """The input's trace and correlation headers, the first of each name, as far as `budget` bytes go."""
    return taken(headers, budget, PASSED_HEADERS)[0] if headers else ()


def taken(headers: Headers, budget: int, names: Container[str] | None = None, prefix: str = "") -> tuple[Headers, bool]:
    """Headers, their names prefixed, as far as `budget` bytes go, and whether all fitted.

    With `names` only these, and only the first of each name.
    """
    found: list[tuple[str, bytes]] = []
    seen: set[str] = set()
    complete = True
    for name, value in headers:
        if names is not None and (name not in names or name in seen):
            continue
        seen.add(name)
        header = (prefix + name, value or b"")  # a header's value may be null on the wire
        budget -= _header_size(header)
        if budget < 0:
            complete = False
            break
        found.append(header)
    return tuple(found), complete


def text_header(name: str, value: str | int, longest: int = 512) -> tuple[str, bytes]:
    """A header of readable text, cut to `longest` bytes of UTF-8."""
    encoded = str(value).encode("utf-8", "replace")
    if len(encoded) > longest:
        encoded = encoded[:longest].decode("utf-8", "ignore").encode()
    return name, encoded


def _header_size(header: tuple[str, bytes]) -> int:
    name, value = header
    return 2 * _LENGTH + len(name.encode("utf-8", "replace")) + len(value)
