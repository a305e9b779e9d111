"""What went wrong between redrive and the brokers, as what to change."""

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidProducerEpoch,
    InvalidTransactionTimeout,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from worker.core.errors import Fatal
from worker.settings import Settings

AGAIN = "Run redrive again: it goes on where it stopped"


def explain(error: Exception, settings: Settings, transactional_id: str) -> Fatal:
    """The same as Fatal, naming settings and permissions."""
    match error:
        case ProducerFenced() | InvalidProducerEpoch():
            return Fatal(
                f"another redrive of group {settings.group_id} (MODERATION_GROUP_ID) has begun, or this one stood still"
                f" for a minute: its last records were not put back. {AGAIN}"
            )
        case TransactionalIdAuthorizationFailed() | ClusterAuthorizationFailedError():
            return Fatal(
                f"no permission: grant Write and Describe on transactional id {transactional_id} (MODERATION_GROUP_ID"
                " with .redrive)"
            )
        case TopicAuthorizationFailedError():
            return Fatal(
                f"no permission: grant Write on {settings.input_topic} (MODERATION_INPUT_TOPIC), and Read and Write on"
                f" {settings.dead_letter_topic} (MODERATION_DEAD_LETTER_TOPIC): {error}"
            )
        case InvalidTransactionTimeout():
            return Fatal(
                "the brokers' transaction.max.timeout.ms is below the minute that a transaction of redrive may take"
            )
        case MessageSizeTooLargeError():
            return Fatal(
                f"a record is too large for {settings.input_topic} (MODERATION_INPUT_TOPIC): raise its max.message.bytes,"
                " or grant DescribeConfigs on it, to have such records left out"
            )
        case _:
            return Fatal(f"the brokers (MODERATION_BOOTSTRAP_SERVERS) failed: {error!r}. {AGAIN}")
