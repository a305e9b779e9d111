"""Settings: MODERATION_ variables and mounted secret files become one frozen, cross-checked value."""

from worker.settings.fields import Settings
from worker.settings.loading import load
from worker.settings.security import KafkaSecurity, kafka_security

__all__ = ["KafkaSecurity", "Settings", "kafka_security", "load"]
