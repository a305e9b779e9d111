"""Every setting of the worker: its type, range, default and description. Nothing else may read the environment."""

from pathlib import Path
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from worker.settings.allowed import PREFIX, Allowed
from worker.settings.bundles import BUNDLES, bundle_directory
from worker.settings.checks import check_servers, conflicts

BUNDLED_MODEL = BUNDLES / "default"
MEBIBYTE = 1024 * 1024

Servers: TypeAlias = Annotated[
    str, AfterValidator(check_servers), Allowed("host:port, or several of them separated by commas")
]
Topic: TypeAlias = Annotated[
    str,
    Field(pattern=r"^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$"),
    Allowed("a topic name: 1 to 249 letters, digits, dots, underscores or hyphens"),
]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=249), Allowed("a name of 1 to 249 characters")]
OptionalName: TypeAlias = Annotated[
    str | None, Field(min_length=1, max_length=249), Allowed("a name of 1 to 249 characters")
]
Pointer: TypeAlias = Annotated[
    str, Field(pattern=r"^(/([^~/]|~[01])*)+$"), Allowed("a JSON Pointer such as /id or /body/text")
]
Bundle: TypeAlias = Annotated[
    Path,
    BeforeValidator(lambda named: bundle_directory(named) if isinstance(named, str) else named),
    Allowed("the name of a bundled model (default, ko) or a path"),
]
Delivery: TypeAlias = Annotated[Literal["at_least_once", "exactly_once"], BeforeValidator(str.lower)]
OutOfRange: TypeAlias = Literal["stop", "earliest"]
SecurityProtocol: TypeAlias = Annotated[
    Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"], BeforeValidator(str.upper)
]
SaslMechanism: TypeAlias = Annotated[
    Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"], BeforeValidator(str.upper)
]
LogLevel: TypeAlias = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]
Tracing: TypeAlias = Annotated[Literal["off", "otlp"], BeforeValidator(str.lower)]
LogFormat: TypeAlias = Annotated[Literal["auto", "json", "console"], BeforeValidator(str.lower)]
Seconds: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]

DELIVERY = "exactly_once publishes in transactions: who reads verdicts with read_committed never sees one twice."


class Settings(BaseSettings):
    """All settings, checked one by one and against each other. Build it with `load()`.

    Calling the class itself takes keyword arguments alone and never reads the environment, so that a test or
    the demo says exactly what it runs with. Wrong values raise pydantic's ValidationError.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        hide_input_in_errors=True,
        regex_engine="python-re",
        validate_default=False,  # no brokers is a default, and it is no valid value
    )

    # Topics and group
    bootstrap_servers: Servers = Field(
        default="", description="Kafka brokers to start from; run, check and redrive need it."
    )
    input_topic: Topic = Field(default="posts", description="Topic the posts are read from.")
    output_topic: Topic = Field(default="verdicts", description="Topic the verdicts are written to.")
    dead_letter_topic: Topic = Field(
        default="dead-letters", description="Topic for records that cannot become verdicts."
    )
    group_id: Name = Field(default="moderation-worker", description="Consumer group that shares the partitions.")
    group_instance_id: OptionalName = Field(
        default=None,
        description="Static group membership, the pod's name: in a StatefulSet only. A restart within the session timeout moves"
        " no partition; in a Deployment a lost pod would block its own.",
    )
    client_id: Name = Field(
        default="moderation-worker", description="Name shown in the brokers' logs and used for quotas."
    )
    delivery: Delivery = Field(default="at_least_once", description=DELIVERY)
    out_of_range: OutOfRange = Field(
        default="stop",
        description="A commit older than the topic's retention: stop that partition, or go on at the earliest.",
    )

    # Model and policy
    bundle: Bundle = Field(
        default_factory=lambda: BUNDLED_MODEL,
        description="Model: a bundled one by its name, or a bundle directory (`./ko` is not `ko`); without it `default`.",
    )
    policy_file: Path | None = Field(
        default=None,
        description="JSON with version and thresholds (label: review, block); without it the bundle's own.",
    )
    scoring_threads: Annotated[int | None, Field(ge=1, le=512)] = Field(
        default=None, description="Scoring threads; without it one per CPU the process may use (affinity, cgroup)."
    )
    # 256 and 512 drain a backlog alike; with 256 a post waits for shorter calls (load_tests/RESULTS.md). 4,096 loses a
    # third to padding and cache misses.
    batch_tokens: int = Field(default=256, ge=16, le=65_536, description="Tokens per model call, padding included.")
    score_cache_size: int = Field(
        default=10_000,
        ge=0,
        le=10_000_000,
        description="Scores kept of windows scored lately, about 270 bytes each, so that copies of a post cost no model call; "
        "0 scores every window, also copies that wait beside each other.",
    )

    expiry_seconds: Annotated[float | None, Field(ge=1, le=315_360_000, allow_inf_nan=False)] = Field(
        default=None,
        description="A post whose record is older goes to review unscored (reason `expired`); without it all are scored.",
    )

    # Bounds on memory and sizes
    max_in_flight_posts: int = Field(default=2_000, ge=1, le=1_000_000, description="Posts read and not yet committed.")
    max_in_flight_bytes: int = Field(
        default=64 * MEBIBYTE,
        ge=MEBIBYTE,
        le=16_384 * MEBIBYTE,
        description="Bytes of posts read and not yet committed.",
    )
    max_text_length: int = Field(
        default=100_000, ge=1, le=10_000_000, description="Characters of text; a longer post goes to review, unscored."
    )
    # 100,000 characters written as \uXXXX pairs are 1.2 MB: every post short enough to score is far below this, and
    # a larger record is still read far enough to find its id.
    max_record_bytes: int = Field(
        default=8 * MEBIBYTE,
        ge=1_024,
        le=1_024 * MEBIBYTE,
        description="Largest record decoded; a larger one is dead-lettered.",
    )
    # Kafka's default limits are 1,048,576 (client) and 1,048,588 (broker), framing included.
    max_output_bytes: int = Field(
        default=1_000_000, ge=10_000, le=100 * MEBIBYTE, description="Largest verdict record sent: key, value, headers."
    )
    max_dead_letter_bytes: int = Field(
        default=1_000_000, ge=10_000, le=100 * MEBIBYTE, description="Largest dead letter sent; what is longer is cut."
    )

    # Times
    # With transactions a verdict is seen once it is committed, so the interval is part of every verdict's latency.
    commit_interval_seconds: Seconds = Field(
        default_factory=lambda data: 0.1 if data.get("delivery") == "exactly_once" else 1.0,
        ge=0.01,
        le=60,
        description="Time between commits: bounds repeats after a crash. Without it 1, or 0.1 with exactly_once.",
    )
    transaction_timeout_seconds: Seconds = Field(
        default=60.0,
        ge=5,
        le=900,
        description="exactly_once: brokers abort a transaction that is open for so long; readers wait until then.",
    )
    session_timeout_seconds: Seconds = Field(
        default=45.0,
        ge=1,
        le=1_800,
        description="Silence after which the group gives a worker up; brokers want at least 6.",
    )
    heartbeat_interval_seconds: Seconds = Field(
        default_factory=lambda data: float(data.get("session_timeout_seconds", 45.0)) / 3,
        ge=0.01,
        le=600,
        description="Time between heartbeats; without it a third of the session timeout.",
    )
    rebalance_timeout_seconds: Seconds = Field(
        default=60.0, ge=1, le=3_600, description="Time a worker gets to finish its work and rejoin in a rebalance."
    )
    drain_timeout_seconds: Seconds = Field(
        default=25.0,
        ge=0.1,
        le=3_600,
        description="Time to finish what is in flight on revoke and SIGTERM; below the grace period.",
    )
    max_poll_interval_seconds: Seconds = Field(
        default=300.0, ge=1, le=86_400, description="Longest time between polls before the worker leaves the group."
    )
    request_timeout_seconds: Seconds = Field(
        default=30.0, ge=0.1, le=600, description="Time a broker gets to answer one request."
    )
    metadata_max_age_seconds: Seconds = Field(
        default=60.0,
        ge=1,
        le=3_600,
        description="Time between looks at the topics: so soon are partitions read that were added to the input topic.",
    )
    ack_deadline_seconds: Seconds = Field(
        default=600.0,
        ge=1,
        le=86_400,
        description="Time to wait for an acknowledgement, then stop: sits out a broker outage.",
    )
    retry_deadline_seconds: Seconds = Field(
        default=600.0,
        ge=0.1,
        le=86_400,
        description="Time to retry reading, joining the group or finding any broker, then stop.",
    )
    stall_timeout_seconds: Seconds = Field(
        default=900.0, ge=1, le=172_800, description="A partition with work and no progress for so long fails /livez."
    )

    # The breaker
    breaker: bool = Field(
        default=True, description="Pause intake while too many records fail for reasons that no author can cause."
    )
    breaker_ratio: float = Field(
        default=0.5, ge=0.01, le=1, description="Share of model and internal failures that opens the breaker."
    )
    breaker_unreadable_ratio: float = Field(
        default=0.95, ge=0.01, le=1, description="Share of records that are no posts (not JSON, schema) that opens it."
    )
    breaker_minimum_records: int = Field(
        default=50, ge=1, le=1_000_000, description="Fewer records within the window never open it."
    )
    breaker_window_seconds: Seconds = Field(
        default=60.0, ge=1, le=86_400, description="Time over which these shares are taken."
    )
    breaker_cool_down_seconds: Seconds = Field(
        default=30.0, ge=0.1, le=86_400, description="Time it stays open before ten records are tried."
    )

    # Reading posts
    field_id: Pointer = Field(default="/id", description="Where a post's id is.")
    field_text: Pointer = Field(default="/text", description="Where its text is.")
    field_title: Pointer = Field(default="/title", description="Where its title is, if it has one.")
    field_language: Pointer = Field(default="/language", description="Where its language (BCP 47) is, if given.")
    field_revision: Pointer = Field(default="/revision", description="Where its revision number is, if given.")
    field_created_at: Pointer = Field(default="/created_at", description="Where its time of writing is, if given.")
    schema_registry_header: bool = Field(
        default=False, description="Values begin with a schema registry's 5 bytes: strip them."
    )

    # Security, for every Kafka client
    security_protocol: SecurityProtocol = Field(default="PLAINTEXT", description="How brokers are spoken to.")
    sasl_mechanism: SaslMechanism = Field(default="PLAIN", description="How the worker logs in, with SASL_*.")
    sasl_username: str | None = Field(default=None, description="User name, with SASL_* but OAUTHBEARER.")
    sasl_password: SecretStr | None = Field(
        default=None, description="Password, as the user name. Better a secret file."
    )
    oauth_token_file: Path | None = Field(
        default=None, description="File with the token for OAUTHBEARER; read again for each connection."
    )
    ssl_ca_file: Path | None = Field(
        default=None,
        description="Authorities to trust (PEM); without it the system's. This and the next two are followed when they change.",
    )
    ssl_certificate_file: Path | None = Field(default=None, description="The worker's own certificate chain (PEM).")
    ssl_key_file: Path | None = Field(
        default=None, description="Its private key (PEM), where not in the certificate file."
    )
    ssl_key_password: SecretStr | None = Field(
        default=None, description="Password of the private key. Better a secret file."
    )
    ssl_check_hostname: bool = Field(default=True, description="Check that a broker's certificate names its host.")

    # HTTP and logs
    http_host: str = Field(default="0.0.0.0", description="Address of /metrics, /livez and /readyz.")  # noqa: S104 - probes come from outside
    http_port: int = Field(default=8080, ge=0, le=65_535, description="Port of the same; 0 takes a free one.")
    log_level: LogLevel = Field(default="INFO", description="Least severe level to log.")
    log_format: LogFormat = Field(default="auto", description="auto is console on a terminal, else json.")
    tracing: Tracing = Field(
        default="off",
        description="otlp sends spans to a collector; needs the extra `tracing`, and OTEL_* variables (docs/tracing.md).",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keyword arguments only: `load()` reads the environment and the secret files, and names what is wrong."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if found := conflicts(self):
            raise ValueError("\n".join(found))
        return self
