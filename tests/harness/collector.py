"""A collector of spans on loopback, as OTLP over HTTP wants one: keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """`env` sends a worker's spans here. `requests` are the bodies as they came."""

    def __init__(self, port: int) -> None:
        self.requests: list[bytes] = []
        self.env = {
            "MODERATION_TRACING": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }

    def spans(self) -> list[Any]:
        """Every span received."""
        found = []
        for body in list(self.requests):
            request = ExportTraceServiceRequest.FromString(body)
            found += [span for r in request.resource_spans for scope in r.scope_spans for span in scope.spans]
        return found

    def resource(self) -> dict[str, str]:
        """What sent the first spans."""
        first = ExportTraceServiceRequest.FromString(self.requests[0]).resource_spans[0].resource
        return {item.key: item.value.string_value for item in first.attributes}


@contextmanager
def collector() -> Iterator[Collector]:
    """Listen on a free port until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.requests.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = Collector(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
