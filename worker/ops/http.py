"""The worker's one HTTP port: /metrics, /livez and /readyz, served by the standard library from a daemon thread."""

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from worker.core.errors import Fatal
from worker.ops.health import Answer, Health

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

CLOSE_POLL_SECONDS = 0.05
"""How often the thread looks whether it should end."""


class HttpServer:
    """Listens from construction until `close`. `port` is the real one, also where 0 was asked for.

    Raises Fatal where the address cannot be had.
    """

    def __init__(self, host: str, port: int, *, registry: CollectorRegistry, health: Health) -> None:
        server_class = _ServerV6 if ":" in host else _Server
        try:
            self._server = make_server(host, port, _app(registry, health), server_class, _QuietHandler)
        except OSError as error:
            raise Fatal(
                f"MODERATION_HTTP_PORT={port}: cannot listen on it at MODERATION_HTTP_HOST={host} ({error.strerror}); "
                "set another port, or 0 for any free one"
            ) from error
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(CLOSE_POLL_SECONDS,), name="http", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _app(registry: CollectorRegistry, health: Health) -> "Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]":
    metrics = make_wsgi_app(registry)
    answers = {"/livez": health.live, "/readyz": health.ready}

    def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        head = environ["REQUEST_METHOD"] == "HEAD"
        body: Iterable[bytes]
        if path not in answers and path != "/metrics":
            body = _respond(start_response, HTTPStatus.NOT_FOUND, {"paths": ["/metrics", *answers]})
        elif not head and environ["REQUEST_METHOD"] != "GET":
            body = _respond(start_response, HTTPStatus.METHOD_NOT_ALLOWED, {"allow": ["GET", "HEAD"]})
        elif path == "/metrics":
            body = metrics({**environ, "REQUEST_METHOD": "GET"}, start_response)
        else:
            answer: Answer = answers[path]()
            status = HTTPStatus.OK if answer.ok else HTTPStatus.SERVICE_UNAVAILABLE
            body = _respond(start_response, status, {"ok": answer.ok, "reasons": answer.reasons})
        return [] if head else body

    return app


def _respond(start_response: "StartResponse", status: HTTPStatus, content: object) -> Iterable[bytes]:
    body = json.dumps(content).encode() + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        headers.append(("Allow", "GET, HEAD"))
    start_response(f"{status.value} {status.phrase}", headers)
    return [body]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Bind without HTTPServer's look-up of the host's full name, which can hang where DNS is broken."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up early is no news."""
        del request, client_address
        log.debug("http request failed: %r", sys.exception())


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    timeout = 10
    """Seconds a silent client may hold a thread."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: probes come every few seconds."""
