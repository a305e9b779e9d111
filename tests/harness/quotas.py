"""Quotas of a client, set with Kafka's own tool: aiokafka and librdkafka know no request for it."""

from tests.harness.kafka import Kafka


def set_quotas(kafka: Kafka, client_id: str, **quotas: int) -> None:
    """Throttle a client by `producer_byte_rate`, `consumer_byte_rate` (bytes a second), `request_percentage`."""
    _alter(kafka, client_id, "--add-config", ",".join(f"{name}={value}" for name, value in quotas.items()))


def lift_quotas(kafka: Kafka, client_id: str, *names: str) -> None:
    """Throttle it no longer."""
    _alter(kafka, client_id, "--delete-config", ",".join(names))


def _alter(kafka: Kafka, client_id: str, *change: str) -> None:
    entity = ("--entity-type", "clients", "--entity-name", client_id)
    kafka.tool("kafka.admin.ConfigCommand", "--bootstrap-server", kafka.bootstrap, "--alter", *entity, *change)
