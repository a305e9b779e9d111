"""One real Apache Kafka broker (KRaft, single node) that a test can stop, kill, pause and start again."""

import asyncio
import base64
import random
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.harness.distribution import HarnessError, jars, java
from tests.harness.processes import Guarded

START_SECONDS = 150.0
"""Four seconds on an idle machine; many times that where its processors are taken."""
STOP_SECONDS = 30.0
LARGEST_RECORD_BYTES = 16 * 1024 * 1024


class Kafka:
    """A broker on 127.0.0.1. A context manager: started on entry, killed and its data removed on exit.

    Addresses stay the same over restarts, and so does the data: `kill` and `start` is a crash and a recovery.
    Topics take 1 MiB records unless their own `max.message.bytes` asks for more (up to 16 MiB); they are never
    created by use. `sasl_bootstrap` is a second listener that asks for `username` and `password` (SASL/PLAIN).
    `gates`: how many `Gate`s may stand before it, one for each client whose network is to have faults of its own.
    Raises HarnessError where it cannot run.
    """

    username = "moderation"
    password = "known-to-the-tests"  # noqa: S105
    _nodes = 1
    """Brokers that a ready one knows."""

    def __init__(
        self, properties: Mapping[str, str] | None = None, format_options: Sequence[str] = (), gates: int = 1
    ) -> None:
        self._extra = dict(properties or {})
        self._format_options = tuple(format_options)
        self._cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        self._port, self._controller_port, self._sasl_port, *ports = free_ports(3 + 2 * gates)
        self.gates = [f"127.0.0.1:{port}" for port in ports[:gates]]
        """Addresses of the gates; nobody answers there until a `Gate` is opened."""
        self.behind_gates = [("127.0.0.1", port) for port in ports[gates:]]
        """Where gates pass their traffic on to: listeners that tell clients to come through their gate."""
        self._folder: Path | None = None
        self._process: Guarded | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def sasl_bootstrap(self) -> str:
        return f"127.0.0.1:{self._sasl_port}"

    @property
    def folder(self) -> Path:
        """Where its configuration, data and log lie; there only while the context is entered."""
        if self._folder is None:
            raise HarnessError("Kafka is used outside of its `with` block")
        return self._folder

    @property
    def log(self) -> Path:
        return self.folder / "broker.log"

    @property
    def running(self) -> bool:
        """Whether it was started, and neither stopped nor killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        return self._running().pid

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="kafka-"))
        try:
            self._format()
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def start(self) -> None:
        """Start the broker and wait until it answers a metadata request. It must not be running."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start the process and wait for nothing."""
        if self._process is not None:
            raise HarnessError("Kafka is running already")
        command = self._java("kafka.Kafka", str(self.folder / "server.properties"))
        self._process = Guarded(command, self.log, cwd=self.folder)

    def stop(self) -> None:
        """Shut the broker down in an orderly way (killed if that takes too long)."""
        self._running().terminate(STOP_SECONDS)
        self._process = None

    def kill(self) -> None:
        """Kill -9: the broker is gone at once; what it had acknowledged is still there after `start`."""
        self._running().kill()
        self._process = None

    def restart(self) -> None:
        """Stop in an orderly way and start again."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the broker: connections stay open, nothing is answered."""
        self._running().signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._running().signal(signal.SIGCONT)

    def fill_disk(self) -> None:
        """Let every write to a file fail from now on, as on a full disk, until the broker has given up; then `start`.

        Raises HarnessError where it does not give up.
        """
        self._running().limit(resource.RLIMIT_FSIZE, 1)
        deadline = time.monotonic() + STOP_SECONDS
        while self._running().poll() is None:
            if time.monotonic() > deadline:
                raise HarnessError(f"Kafka went on for {STOP_SECONDS:.0f} s on a full disk")
            time.sleep(0.05)
        self.kill()  # reaped

    def tool(self, *arguments: str) -> str:
        """Run one of Kafka's own tools, a class and its arguments; what it printed. Raises HarnessError where it fails."""
        done = subprocess.run(
            self._java(*arguments), capture_output=True, text=True, timeout=START_SECONDS, check=False, cwd=self.folder
        )
        if done.returncode != 0:
            raise HarnessError(f"{arguments[0]} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def _running(self) -> Guarded:
        if self._process is None:
            raise HarnessError("Kafka is not running")
        return self._process

    def _java(self, *arguments: str) -> list[str]:
        # Serial GC: least memory and fewest threads; a test's broker holds little.
        options = [
            "-Xms64m",
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Djava.net.preferIPv4Stack=true",
        ]
        return [str(java()), *options, "-cp", f"{jars()}/*", *arguments]

    def _format(self) -> None:
        configuration = self.folder / "server.properties"
        lines = (f"{name}={value}" for name, value in (self._properties() | self._extra).items())
        configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
        # An id that begins with a dash would read as an option.
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster}", "--config", str(configuration)]
        tool += self._format_options
        self.tool(*tool)

    def _properties(self) -> dict[str, str]:
        login = "org.apache.kafka.common.security.plain.PlainLoginModule"
        gated = {f"GATED{number}": (gate, self.behind_gates[number]) for number, gate in enumerate(self.gates)}
        listeners = "".join(f",{name}://{host}:{port}" for name, (_, (host, port)) in gated.items())
        advertised = "".join(f",{name}://{gate}" for name, (gate, _) in gated.items())
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"PLAINTEXT://{self.bootstrap},SASL_PLAINTEXT://{self.sasl_bootstrap}{listeners},"
            f"CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap},SASL_PLAINTEXT://{self.sasl_bootstrap}{advertised}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT"
            + "".join(f",{name}:PLAINTEXT" for name in gated),
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config": f'{login} required user_{self.username}="{self.password}";',
            "log.dirs": str(self.folder / "data"),
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            # Tests replay old corpora: a record's own timestamp must not make it expire.
            "log.retention.ms": "-1",
            "log.cleaner.backoff.ms": "200",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            # A restart of the only node must not wait for its own former self to time out.
            "broker.session.timeout.ms": "2000",
            "broker.heartbeat.interval.ms": "500",
            "replica.fetch.max.bytes": str(LARGEST_RECORD_BYTES),
            "socket.request.max.bytes": str(8 * LARGEST_RECORD_BYTES),
        }

    def wait_until_ready(self) -> None:
        """Wait until the broker answers a metadata request and its groups have a coordinator."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            status = self._running().poll()
            if status is not None or time.monotonic() > deadline:
                what = (
                    f"ended with status {status}" if status is not None else f"was not ready in {START_SECONDS:.0f} s"
                )
                tail = self.log.read_text(encoding="utf-8", errors="replace")[-4000:]
                self._running().kill()
                self._process = None
                raise HarnessError(f"Kafka {what}. The end of its log:\n{tail}")
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), timeout=1.0).close()
        except OSError:
            return False
        # A thread of its own, because the caller may be inside a running event loop.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, _is_ready(self.bootstrap, self._nodes)).result()


async def _is_ready(bootstrap: str, nodes: int) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=5000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        # Asking for a coordinator makes the broker create the topic of commits, which a first group would wait for.
        await admin.find_coordinator("any group")
    except (KafkaError, OSError):
        return False
    else:
        return len(cluster["brokers"]) == nodes
    finally:
        await admin.close()


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below the range the kernel gives to outgoing connections: free again after a restart."""
    found: list[int] = []
    while len(found) < count:
        port = random.randint(15_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found
