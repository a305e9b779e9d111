"""A proxy before the broker that can hold back what producers send, while everything else goes through.

It makes the time between a send and its acknowledgement as long as a test wants: a worker that commits too early
has time to do so, and what a killed worker had on its way is lost with it, as on a network.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tests.harness.kafka import Kafka

_LENGTH_BYTES = 4
_PRODUCE = b"\x00\x00"
"""Api key 0, the first two bytes of a Produce request (Kafka protocol guide, "Request Header")."""


class Gate:
    """An async context manager; clients that start from `kafka.gated_bootstrap` pass through it."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._holding = False
        self._cut = False
        self._connections: set[_Client] = set()
        self._server: asyncio.Server | None = None

    @property
    def holding(self) -> bool:
        return self._holding

    @property
    def held(self) -> int:
        """Requests that wait behind the gate now."""
        return sum(len(connection.waiting) for connection in self._connections)

    async def __aenter__(self) -> Self:
        host, port = self._kafka.gated_bootstrap.split(":")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(self, self._kafka.behind_gate), host, int(port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.close()
        if self._server is not None:
            await self._server.wait_closed()

    def hold(self) -> None:
        """Hold back Produce requests from now on. What a client sent before it disconnects is dropped."""
        self._holding = True

    def release(self) -> None:
        """Let the held requests of living clients through, in their order, and all later ones."""
        self._holding = False
        for connection in self._connections:
            connection.forward()

    def cut(self) -> None:
        """Close every connection, and every new one at once, until `mend`."""
        self._cut = True
        for connection in list(self._connections):
            connection.close()

    def mend(self) -> None:
        """Let clients in again."""
        self._cut = False

    def opened(self, connection: "_Client") -> None:
        if self._cut:
            connection.close()
        else:
            self._connections.add(connection)

    def closed(self, connection: "_Client") -> None:
        self._connections.discard(connection)


class _Client(asyncio.Protocol):
    """The side of one connection that faces the client: cuts what it sends into requests."""

    def __init__(self, gate: Gate, broker: tuple[str, int]) -> None:
        self.waiting: list[bytes] = []
        self._gate = gate
        self._broker_address = broker
        self._received = bytearray()
        self._client: asyncio.Transport | None = None
        self._broker: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client = transport
        self._gate.opened(self)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(transport))

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._received[:_LENGTH_BYTES])
            if len(self._received) < end:
                break
            self.waiting.append(bytes(self._received[:end]))
            del self._received[:end]
        self.forward()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.close()

    def forward(self) -> None:
        """Pass on what may pass: all, or while the gate holds up to the first Produce request."""
        while self._broker is not None and self.waiting:
            if self._gate.holding and self.waiting[0][_LENGTH_BYTES:].startswith(_PRODUCE):
                break
            self._broker.write(self.waiting.pop(0))

    def close(self) -> None:
        """Close both sides and forget what still waits."""
        self.waiting.clear()
        self._gate.closed(self)
        for transport in (self._client, self._broker):
            if transport is not None:
                transport.close()
        self._client = self._broker = None

    async def _connect(self, client: asyncio.Transport) -> None:
        try:
            host, port = self._broker_address
            loop = asyncio.get_running_loop()
            broker, _ = await loop.create_connection(lambda: _Broker(client, self.close), host, port)
        except OSError:
            self.close()
            return
        self._broker = broker
        if self._client is None:  # it went away meanwhile
            self.close()
        self.forward()


class _Broker(asyncio.Protocol):
    """The side that faces the broker: passes its answers on."""

    def __init__(self, client: asyncio.Transport, lost: Callable[[], None]) -> None:
        self._client = client
        self._lost = lost

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost()
