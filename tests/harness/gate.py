"""A proxy before the broker: one client's network, with what goes wrong there.

It can hold back what producers send while everything else goes through, which makes the time between a send and its
acknowledgement as long as a test wants: a worker that commits too early has time to do so, and what a killed worker
had on its way is lost with it. It can also reset connections, delay what passes, and let nothing through at all.
"""

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from tests.harness.kafka import Kafka

_LENGTH_BYTES = 4
_PRODUCE = b"\x00\x00"
"""Api key 0, the first two bytes of a Produce request (Kafka protocol guide, "Request Header")."""


class Gate:
    """An async context manager; clients that start from `address` pass through it. `number`: which of the broker's gates."""

    def __init__(self, kafka: Kafka, number: int = 0) -> None:
        self.address = kafka.gates[number]
        self.delay = 0.0
        """Seconds that everything takes longer, each way."""
        self._behind = kafka.behind_gates[number]
        self._holding = self._cut = self._dark = False
        self._connections: set[_Client] = set()
        self._server: asyncio.Server | None = None

    @property
    def held(self) -> int:
        """Requests that wait behind the gate now."""
        return sum(connection.requests.waiting for connection in self._connections)

    @property
    def dark(self) -> bool:
        """Whether nothing passes."""
        return self._dark

    async def __aenter__(self) -> Self:
        host, port = self.address.split(":")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self, self._behind), host, int(port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        self._close_all()
        if self._server is not None:
            await self._server.wait_closed()

    def hold(self) -> None:
        """Hold back Produce requests from now on. What a client sent before it disconnects is dropped."""
        self._holding = True

    def release(self) -> None:
        """Let the held requests of living clients through, in their order, and all later ones."""
        self._holding = False
        self._forward()

    def cut(self) -> None:
        """Close every connection, and every new one at once, until `mend`."""
        self._cut = True
        self._close_all()

    def mend(self) -> None:
        """Let clients in again."""
        self._cut = False

    def darken(self) -> None:
        """Let nothing through, in either direction, from now on; connections stay, and new ones are taken."""
        self._dark = True

    def lighten(self, *, late: bool) -> None:
        """Let clients through again. What they sent meanwhile arrives `late`, as a network sends it again, even where
        the client has given its connection up; or else it is lost with the connections.
        """
        self._dark = False
        if late:
            self._forward()
        else:
            self._close_all()

    def holds(self, request: bytes | None) -> bool:
        """Whether a request (None: an answer) has to wait."""
        return self._dark or (self._holding and request is not None and request[_LENGTH_BYTES:].startswith(_PRODUCE))

    def opened(self, connection: "_Client") -> None:
        if self._cut:
            connection.close()
        else:
            self._connections.add(connection)

    def closed(self, connection: "_Client") -> None:
        self._connections.discard(connection)

    def _forward(self) -> None:
        for connection in list(self._connections):
            connection.forward()

    def _close_all(self) -> None:
        for connection in list(self._connections):
            connection.close()


class _Way:
    """One direction of a connection: what waits until it is due, and until the gate lets it pass, in its order."""

    def __init__(self, gate: Gate, *, requests: bool) -> None:
        self.to: asyncio.Transport | None = None
        self._gate = gate
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def put(self, data: bytes) -> None:
        self._queue.append((self._loop.time() + self._gate.delay, data))

    def forward(self) -> None:
        """Pass on what may pass."""
        while self.to is not None and self._queue:
            due, data = self._queue[0]
            if self._gate.holds(data if self._requests else None):
                return
            if due > self._loop.time():
                if self._timer is None:
                    self._timer = self._loop.call_at(due, self._due)
                return
            self._queue.popleft()
            if not self.to.is_closing():
                self.to.write(data)

    def clear(self) -> None:
        self._queue.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _due(self) -> None:
        self._timer = None
        self.forward()


class _Client(asyncio.Protocol):
    """The side of one connection that faces the client: cuts what it sends into requests."""

    def __init__(self, gate: Gate, broker: tuple[str, int]) -> None:
        self.requests = _Way(gate, requests=True)
        self._answers = _Way(gate, requests=False)
        self._gate = gate
        self._broker_address = broker
        self._received = bytearray()
        self._client: asyncio.Transport | None = None
        self._given_up = False
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = self._answers.to = transport
        self._gate.opened(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._received[:_LENGTH_BYTES])
            if len(self._received) < end:
                break
            self.requests.put(bytes(self._received[:end]))
            del self._received[:end]
        self.requests.forward()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._given_up = True
        if not (self._gate.dark and self.requests.waiting):  # else it is on its way, and nobody can call it back
            self.close()

    def answered(self, data: bytes) -> None:
        self._answers.put(data)
        self._answers.forward()

    def forward(self) -> None:
        """Pass on what may pass, both ways; and close what the client has given up."""
        self.requests.forward()
        self._answers.forward()
        if self._given_up:
            self.close()

    def close(self) -> None:
        """Close both sides and forget what still waits."""
        self._gate.closed(self)
        for way in (self.requests, self._answers):
            way.clear()
            if way.to is not None:
                way.to.close()
        self._client = self.requests.to = self._answers.to = None

    async def _connect(self) -> None:
        try:
            host, port = self._broker_address
            loop = asyncio.get_running_loop()
            self.requests.to, _ = await loop.create_connection(lambda: _Broker(self), host, port)
        except OSError:
            self.close()
            return
        if self._client is None:  # it was closed meanwhile
            self.close()
        self.requests.forward()


class _Broker(asyncio.Protocol):
    """The side that faces the broker: passes its answers on."""

    def __init__(self, client: _Client) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.answered(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._client.close()
