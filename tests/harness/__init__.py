"""A real Apache Kafka for tests and load runs: `Kafka` starts it, `topics` reads and writes it."""

from tests.harness.kafka import Kafka

__all__ = ["Kafka"]
