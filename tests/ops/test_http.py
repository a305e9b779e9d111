"""The HTTP port, over a real socket."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from worker.core.errors import Fatal
from worker.ops.health import Health
from worker.ops.http import HttpServer
from worker.ops.metrics import Metrics


@pytest.fixture
def health() -> Health:
    return Health(stall_timeout=60)


@pytest.fixture
def server(health: Health) -> Iterator[HttpServer]:
    with closing(HttpServer("127.0.0.1", 0, registry=Metrics().registry, health=health)) as listening:
        yield listening


def ask(server: HttpServer, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()


def test_metrics_scraped_as_prometheus_text(server: HttpServer) -> None:
    status, headers, body = ask(server, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain")
    assert b"\nmoderation_messages_consumed_total 0.0\n" in body


def test_not_ready_503_with_reasons_then_200(server: HttpServer, health: Health) -> None:
    status, headers, body = ask(server, "/readyz")
    assert (status, headers["Content-Type"]) == (503, "application/json")
    assert json.loads(body) == {
        "ok": False,
        "reasons": ["the model is not loaded yet", "the worker is not in the consumer group"],
    }
    health.model_loaded()
    health.joined(in_group=True)
    status, _, body = ask(server, "/readyz")
    assert (status, json.loads(body)) == (200, {"ok": True, "reasons": []})


def test_alive_although_not_ready(server: HttpServer) -> None:
    assert ask(server, "/livez")[0] == 200


def test_stalled_event_loop_livez_says_so() -> None:
    clock = iter([0.0, 31.0])
    health = Health(stall_timeout=60, clock=lambda: next(clock))
    health.beat()
    with closing(HttpServer("127.0.0.1", 0, registry=Metrics().registry, health=health)) as server:
        status, _, body = ask(server, "/livez")
    assert status == 503
    assert json.loads(body)["reasons"] == ["the event loop has been silent for 31 s"]


@pytest.mark.parametrize("path", ["/", "/livez/", "/metricsx", "/favicon.ico", "/..%2fmetrics"])
def test_other_path_404(server: HttpServer, path: str) -> None:
    assert ask(server, path)[0] == 404


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
def test_head_answers_like_get_without_body(server: HttpServer, path: str) -> None:
    status, headers, _ = ask(server, path)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:  # http.client drops bodies
        connection.sendall(f"HEAD {path} HTTP/1.0\r\n\r\n".encode())
        with connection.makefile("rb") as response:
            head, _, body = response.read().partition(b"\r\n\r\n")
    assert f" {status} ".encode() in head.splitlines()[0]
    assert headers["Content-Type"].encode() in head
    assert body == b""


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/metrics", "/livez"])
def test_other_method_405(server: HttpServer, method: str, path: str) -> None:
    status, headers, _ = ask(server, path, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_client_that_says_nothing_others_are_served(server: HttpServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10):
        assert ask(server, "/livez")[0] == 200


def test_port_taken_fatal_names_the_setting(server: HttpServer, health: Health) -> None:
    with pytest.raises(Fatal, match=rf"MODERATION_HTTP_PORT={server.port}: cannot listen"):
        HttpServer("127.0.0.1", server.port, registry=Metrics().registry, health=health)


def test_host_that_is_not_ours_fatal_names_the_setting(health: Health) -> None:
    with pytest.raises(Fatal, match="MODERATION_HTTP_HOST=no such host"):
        HttpServer("no such host", 0, registry=Metrics().registry, health=health)


def test_closed_server_frees_its_port(health: Health) -> None:
    first = HttpServer("127.0.0.1", 0, registry=Metrics().registry, health=health)
    first.close()
    with closing(HttpServer("127.0.0.1", first.port, registry=Metrics().registry, health=health)) as second:
        assert second.port == first.port
