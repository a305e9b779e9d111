import itertools
import re
from collections.abc import Iterator
from typing import Protocol

import pytest

from tests.harness import Kafka
from tests.harness.cluster import Cluster
from tests.harness.secure import SecureKafka

_serial = itertools.count()


class Names(Protocol):
    def __call__(self, role: str) -> str:
        """A name for a topic or group that no other test uses; the same role gives the same name within a test."""


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """One broker for all tests that leave it running."""
    with Kafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def secure_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """One broker with TLS, logins and permissions for all tests of security."""
    with SecureKafka(tmp_path_factory.mktemp("certificates")) as broker:
        yield broker


@pytest.fixture(scope="session")
def running_cluster() -> Iterator[Cluster]:
    """Two brokers for all tests of leaders and replicas."""
    with Cluster() as brokers:
        yield brokers


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    """The two brokers, both there; what the test did to the second one is undone."""
    yield running_cluster
    running_cluster.bring_back()


@pytest.fixture
def fresh_kafka() -> Iterator[Kafka]:
    """A broker of the test's own: to be killed, paused and restarted."""
    with Kafka() as broker:
        yield broker


@pytest.fixture
def topics(request: pytest.FixtureRequest) -> Names:
    """Unique names for topics and groups: `topics("input")`."""
    test = re.sub(r"\W+", "-", request.node.name)[-60:]
    prefix = f"{test}.{next(_serial)}"
    return lambda role: f"{prefix}.{role}"
