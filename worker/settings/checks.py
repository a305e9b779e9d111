"""What single settings and several of them together must satisfy beyond type and range."""

import re
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from worker.settings.allowed import variable

if TYPE_CHECKING:
    from worker.settings.fields import Settings

SERVER = re.compile(r"(?:[^\s:/,\[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})")
HIGHEST_PORT = 65_535


def check_servers(value: str) -> str:
    """Return `value` without blanks if it is host:port pairs separated by commas; else raise ValueError."""
    servers = [server.strip() for server in value.split(",")]
    for server in servers:
        found = SERVER.fullmatch(server)
        if found is None or not 0 < int(found[1]) <= HIGHEST_PORT:
            raise ValueError("must be host:port, or several of them separated by commas")
    return ",".join(servers)


def conflicts(settings: "Settings") -> list[str]:
    """Every pair of settings that contradict each other, one line each, naming the variables and values."""
    return [*_topics(settings), *_times(settings), *_login(settings), *_tls(settings)]


def _topics(settings: "Settings") -> Iterator[str]:
    for one, other in combinations(("input_topic", "output_topic", "dead_letter_topic"), 2):
        if getattr(settings, one) == getattr(settings, other):
            yield f"{_shown(settings, other)}: must differ from {_shown(settings, one)}"


def _times(settings: "Settings") -> Iterator[str]:
    for smaller, larger, why in (
        ("drain_timeout_seconds", "rebalance_timeout_seconds", "a drain that outlasts the rebalance commits nothing"),
        ("heartbeat_interval_seconds", "session_timeout_seconds", "a third of it is usual"),
        ("session_timeout_seconds", "max_poll_interval_seconds", "else the slower limit never matters"),
        ("commit_interval_seconds", "transaction_timeout_seconds", "else brokers abort every transaction"),
        ("request_timeout_seconds", "ack_deadline_seconds", "a request must have its chance within the deadline"),
        ("ack_deadline_seconds", "stall_timeout_seconds", "else a broker outage looks like a stalled worker"),
        ("retry_deadline_seconds", "stall_timeout_seconds", "else a broker outage looks like a stalled worker"),
    ):
        if getattr(settings, smaller) >= getattr(settings, larger):
            yield f"{_shown(settings, smaller)}: must be less than {_shown(settings, larger)} ({why})"
    transaction, request = settings.transaction_timeout_seconds, settings.request_timeout_seconds
    if settings.delivery == "exactly_once" and transaction <= settings.commit_interval_seconds + request:
        yield (
            f"{_shown(settings, 'transaction_timeout_seconds')}: must exceed {_shown(settings, 'commit_interval_seconds')}"
            f" and {_shown(settings, 'request_timeout_seconds')} together (a commit may wait so long for its answer)"
        )
    if settings.max_record_bytes > settings.max_in_flight_bytes:
        yield (
            f"{_shown(settings, 'max_record_bytes')}: must not exceed {_shown(settings, 'max_in_flight_bytes')} "
            "(one record must fit into memory's bound)"
        )


def _login(settings: "Settings") -> Iterator[str]:
    protocol = _shown(settings, "security_protocol")
    login = settings.security_protocol.startswith("SASL")
    token = settings.sasl_mechanism == "OAUTHBEARER"
    if token and not login:
        yield f"{_shown(settings, 'sasl_mechanism')}: {protocol} does not use it; did you mean SASL_SSL?"
    if token and settings.security_protocol == "SASL_PLAINTEXT":
        yield f"{_shown(settings, 'sasl_mechanism')}: {protocol} would show the token to the network; use SASL_SSL"
    for field, of_token in (("sasl_username", False), ("sasl_password", False), ("oauth_token_file", True)):
        given = getattr(settings, field) is not None
        if login and token == of_token and not given:
            yield f"{variable(field)}: is required with {protocol}" + (" and OAUTHBEARER" if token else "")
        elif login and token != of_token and given:
            yield f"{variable(field)}: is set, but {_shown(settings, 'sasl_mechanism')} does not use it"
        elif not login and given:
            yield f"{variable(field)}: is set, but {protocol} does not use it; did you mean SASL_SSL?"


def _tls(settings: "Settings") -> Iterator[str]:
    protocol = _shown(settings, "security_protocol")
    encrypted = settings.security_protocol.endswith("SSL")
    for field in ("ssl_ca_file", "ssl_certificate_file", "ssl_key_file", "ssl_key_password"):
        if getattr(settings, field) is None:
            continue
        if not encrypted:
            yield f"{variable(field)}: is set, but {protocol} does not use it; did you mean SSL or SASL_SSL?"
        elif field.startswith("ssl_key") and settings.ssl_certificate_file is None:
            yield f"{variable(field)}: needs {variable('ssl_certificate_file')} beside it"


def _shown(settings: "Settings", field: str) -> str:
    return f"{variable(field)}={getattr(settings, field)}"
