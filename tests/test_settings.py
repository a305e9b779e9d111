"""Settings: what is read from where, what is refused and with which words."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from worker.core.errors import Fatal
from worker.settings import Settings, load
from worker.settings.allowed import variable
from worker.settings.describe import describe, help_text, markdown
from worker.wiring import _group

BROKER = {"MODERATION_BOOTSTRAP_SERVERS": "kafka:9092"}
DOCS = Path(__file__).parents[1] / "docs"


def problems(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(Fatal) as caught:
        load({**BROKER, **environ})
    return str(caught.value).splitlines()[1:]


def test_only_brokers_given_everything_else_has_a_valid_default() -> None:
    settings = load(BROKER)
    assert settings == Settings(**{**settings.model_dump(), "bootstrap_servers": "kafka:9092"})
    assert (settings.input_topic, settings.output_topic, settings.dead_letter_topic) == (
        "posts",
        "verdicts",
        "dead-letters",
    )
    assert (settings.bundle / "..").resolve().name == "bundles"


def test_name_of_a_bundled_model_is_that_model_wherever_the_worker_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "default"
    own.mkdir()
    (own / "manifest.json").touch()
    monkeypatch.chdir(tmp_path)
    bundled = Settings().bundle
    assert load({**BROKER, "MODERATION_BUNDLE": "default"}).bundle == bundled
    assert load({**BROKER, "MODERATION_BUNDLE": " default "}).bundle == bundled
    assert load({**BROKER, "MODERATION_BUNDLE": "./default"}).bundle.resolve() == own
    assert load({**BROKER, "MODERATION_BUNDLE": str(own)}).bundle == own


@pytest.mark.parametrize("name", ["mine", "..", ".", "../bundles/default", "default/"])
def test_bundle_that_is_no_bundled_name_is_a_path(name: str) -> None:
    assert load({**BROKER, "MODERATION_BUNDLE": name}).bundle == Path(name)


def test_every_setting_documented_in_one_line() -> None:
    assert [item.variable for item in describe()[:-1]] == [variable(name) for name in Settings.model_fields]
    for item in describe():
        assert item.text.endswith(".") or "json" in item.text, item
        assert "\n" not in item.text
        assert item.allowed
        assert item.variable in help_text()


def test_generated_page_up_to_date() -> None:
    assert (DOCS / "settings.md").read_text(encoding="utf-8") == markdown(), (
        "run: python -m worker.settings > docs/settings.md"
    )


def test_class_called_directly_ignores_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_HTTP_PORT", "1234")
    assert Settings().http_port == 8080
    assert load(BROKER).http_port == 8080


def test_no_mapping_given_process_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("MODERATION_HTTP_PORT", "1234")
    assert load().http_port == 1234


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        setattr(Settings(), "http_port", 1)  # noqa: B010 - mypy would not let a plain assignment pass


def test_no_brokers_fatal_unless_none_are_needed() -> None:
    with pytest.raises(Fatal, match=r"MODERATION_BOOTSTRAP_SERVERS: is required"):
        load({})
    assert load({}, broker=False).bootstrap_servers == ""


def test_empty_variable_counts_as_not_set() -> None:
    assert load({**BROKER, "MODERATION_HTTP_PORT": "", "MODERATION_INPUT_TOPIC": " "}) == load(BROKER)


def test_heartbeat_not_set_is_a_third_of_the_session() -> None:
    settings = load({**BROKER, "MODERATION_SESSION_TIMEOUT_SECONDS": "30"})
    assert settings.heartbeat_interval_seconds == 10
    assert load({**BROKER, "MODERATION_HEARTBEAT_INTERVAL_SECONDS": "2"}).heartbeat_interval_seconds == 2


def test_choices_in_any_case_are_understood() -> None:
    settings = load({**BROKER, "MODERATION_LOG_LEVEL": "debug", "MODERATION_LOG_FORMAT": "JSON"})
    assert (settings.log_level, settings.log_format) == ("DEBUG", "json")


@pytest.mark.parametrize("servers", ["kafka:9092", "a:1, b:65535", "[::1]:9092", "10.0.0.1:9092,kafka-1.example:9093"])
def test_broker_addresses_accepted(servers: str) -> None:
    assert load({"MODERATION_BOOTSTRAP_SERVERS": servers}).bootstrap_servers == servers.replace(" ", "")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("BOOTSTRAP_SERVERS", "kafka", "must be host:port, or several of them separated by commas"),
        ("BOOTSTRAP_SERVERS", "kafka:9092,", "must be host:port, or several of them separated by commas"),
        ("BOOTSTRAP_SERVERS", "kafka:70000", "must be host:port, or several of them separated by commas"),
        ("INPUT_TOPIC", "po sts", "must be a topic name: 1 to 249 letters, digits, dots, underscores or hyphens"),
        ("INPUT_TOPIC", "..", "must be a topic name: 1 to 249 letters, digits, dots, underscores or hyphens"),
        ("GROUP_INSTANCE_ID", "x" * 250, "must be a name of 1 to 249 characters"),
        ("DELIVERY", "at_most_once", "must be one of at_least_once, exactly_once"),
        ("OUT_OF_RANGE", "latest", "must be one of stop, earliest"),
        ("SCORING_THREADS", "0", "must be an integer from 1 to 512"),
        ("SCORING_THREADS", "two", "must be an integer from 1 to 512"),
        ("MAX_IN_FLIGHT_BYTES", "64MiB", "must be an integer from 1,048,576 to 17,179,869,184"),
        ("COMMIT_INTERVAL_SECONDS", "nan", "must be a number from 0.01 to 60"),
        ("ACK_DEADLINE_SECONDS", "inf", "must be a number from 1 to 86,400"),
        ("FIELD_TEXT", "body.text", "must be a JSON Pointer such as /id or /body/text"),
        ("FIELD_TEXT", "/a~2", "must be a JSON Pointer such as /id or /body/text"),
        ("SCHEMA_REGISTRY_HEADER", "maybe", "must be true or false"),
        ("SASL_MECHANISM", "GSSAPI", "must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER"),
        ("HTTP_PORT", "65536", "must be an integer from 0 to 65,535"),
    ],
)
def test_value_out_of_range_message_names_variable_value_and_range(name: str, value: str, message: str) -> None:
    assert problems({f"MODERATION_{name}": value}) == [f"MODERATION_{name}={value}: {message}"]


@pytest.mark.parametrize(
    ("given_", "named"),
    [
        ({"OUTPUT_TOPIC": "posts"}, ("OUTPUT_TOPIC=posts", "INPUT_TOPIC=posts")),
        ({"OUTPUT_TOPIC": "dead-letters"}, ("DEAD_LETTER_TOPIC=dead-letters", "OUTPUT_TOPIC=dead-letters")),
        ({"DRAIN_TIMEOUT_SECONDS": "60"}, ("DRAIN_TIMEOUT_SECONDS=60.0", "REBALANCE_TIMEOUT_SECONDS=60.0")),
        ({"HEARTBEAT_INTERVAL_SECONDS": "45"}, ("HEARTBEAT_INTERVAL_SECONDS=45.0", "SESSION_TIMEOUT_SECONDS=45.0")),
        ({"MAX_POLL_INTERVAL_SECONDS": "40"}, ("SESSION_TIMEOUT_SECONDS=45.0", "MAX_POLL_INTERVAL_SECONDS=40.0")),
        ({"ACK_DEADLINE_SECONDS": "30"}, ("REQUEST_TIMEOUT_SECONDS=30.0", "ACK_DEADLINE_SECONDS=30.0")),
        ({"ACK_DEADLINE_SECONDS": "1000"}, ("ACK_DEADLINE_SECONDS=1000.0", "STALL_TIMEOUT_SECONDS=900.0")),
        ({"RETRY_DEADLINE_SECONDS": "1000"}, ("RETRY_DEADLINE_SECONDS=1000.0", "STALL_TIMEOUT_SECONDS=900.0")),
        (
            {"DELIVERY": "exactly_once", "TRANSACTION_TIMEOUT_SECONDS": "30"},
            ("TRANSACTION_TIMEOUT_SECONDS=30.0", "REQUEST_TIMEOUT_SECONDS=30.0"),
        ),
        ({"MAX_IN_FLIGHT_BYTES": "2000000"}, ("MAX_RECORD_BYTES=8388608", "MAX_IN_FLIGHT_BYTES=2000000")),
        ({"SSL_CA_FILE": "ca.pem"}, ("SSL_CA_FILE", "SECURITY_PROTOCOL=PLAINTEXT")),
        ({"SECURITY_PROTOCOL": "SSL", "SSL_KEY_FILE": "k.pem"}, ("SSL_KEY_FILE", "SSL_CERTIFICATE_FILE")),
        ({"SASL_USERNAME": "me"}, ("SASL_USERNAME", "SECURITY_PROTOCOL=PLAINTEXT")),
    ],
)
def test_settings_that_contradict_each_other_are_both_named(given_: dict[str, str], named: tuple[str, str]) -> None:
    found = problems({f"MODERATION_{name}": value for name, value in given_.items()})
    assert len(found) == 1
    assert all(f"MODERATION_{name}" in found[0] for name in named)


def test_sasl_without_login_both_variables_asked_for() -> None:
    assert [line.split(":")[0] for line in problems({"MODERATION_SECURITY_PROTOCOL": "SASL_SSL"})] == [
        "MODERATION_SASL_USERNAME",
        "MODERATION_SASL_PASSWORD",
    ]


def test_many_mistakes_all_are_named_at_once_one_per_line(tmp_path: Path) -> None:
    with pytest.raises(Fatal) as caught:
        load(
            {
                "MODERATION_HTTP_PORT": "x",
                "MODERATION_SESSION_TIMEOUT_SECONDS": "0",  # the heartbeat's default depends on it
                "MODERATION_OUTPUT_TOPIC": "posts",
                "MODERATION_SASL_PASSWORD": "hunter2",
                "MODERATION_HTP_HOST": "x",
                "MODERATION_SECRETS_DIR": str(tmp_path / "absent"),
            }
        )
    lines = str(caught.value).splitlines()[1:]
    assert sorted(line.split(":")[0].split("=")[0] for line in lines) == [
        "MODERATION_BOOTSTRAP_SERVERS",
        "MODERATION_HTP_HOST",
        "MODERATION_HTTP_PORT",
        "MODERATION_OUTPUT_TOPIC",
        "MODERATION_SASL_PASSWORD",
        "MODERATION_SECRETS_DIR",
        "MODERATION_SESSION_TIMEOUT_SECONDS",
    ]
    assert "hunter2" not in str(caught.value)


def test_misspelt_variable_refused_with_the_nearest_name() -> None:
    assert problems({"MODERATION_SESSION_TIMEOUT": "30"}) == [
        "MODERATION_SESSION_TIMEOUT: is no setting; did you mean MODERATION_SESSION_TIMEOUT_SECONDS?"
    ]
    assert problems({"MODERATION_HTP_PORT": "8080"}) == [
        "MODERATION_HTP_PORT: is no setting; did you mean MODERATION_HTTP_PORT?"
    ]


def test_variables_kubernetes_sets_for_a_service_are_let_pass() -> None:
    environ = {
        "MODERATION_WORKER_SERVICE_HOST": "10.0.0.1",
        "MODERATION_WORKER_SERVICE_PORT": "8080",
        "MODERATION_WORKER_SERVICE_PORT_HTTP": "8080",
        "MODERATION_WORKER_PORT": "tcp://10.0.0.1:8080",
        "MODERATION_WORKER_PORT_8080_TCP": "tcp://10.0.0.1:8080",
        "MODERATION_WORKER_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    assert load({**BROKER, **environ}) == load(BROKER)


def test_service_named_moderation_http_message_names_the_collision() -> None:
    assert "enableServiceLinks: false" in problems({"MODERATION_HTTP_PORT": "tcp://10.0.0.1:80"})[0]


@given(st.sampled_from(sorted(Settings.model_fields)), st.text(st.characters(blacklist_categories=["Cs"]), min_size=1))
def test_any_value_gives_settings_or_a_fatal_that_names_the_variable(field: str, value: str) -> None:
    try:
        settings = load({**BROKER, variable(field): value})
    except Fatal as error:
        assert variable(field) in str(error)  # noqa: PT017 - either end is fine
    else:
        assert settings.drain_timeout_seconds < settings.rebalance_timeout_seconds


def test_drain_is_a_share_of_the_rebalance_timeout_which_the_group_is_told() -> None:
    [problem] = problems({"MODERATION_DRAIN_TIMEOUT_SECONDS": "60", "MODERATION_REBALANCE_TIMEOUT_SECONDS": "60"})
    assert problem.startswith("MODERATION_DRAIN_TIMEOUT_SECONDS=60.0: must be less than MODERATION_REBALANCE_TIMEOUT")
    group = _group(load({**BROKER, "MODERATION_REBALANCE_TIMEOUT_SECONDS": "30"}))
    assert group["rebalance_timeout_ms"] == 30_000
