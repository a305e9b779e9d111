"""From environment variables and mounted secret files to Settings, or one Fatal that names all that is wrong."""

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource, SecretsSettingsSource
from pydantic_settings.exceptions import SettingsError

from worker.core.errors import Fatal
from worker.settings.allowed import PREFIX, allowed, is_secret, variable
from worker.settings.fields import Settings

SECRETS_DIR = variable("secrets_dir")
VARIABLES = {variable(field): field for field in Settings.model_fields}
KUBERNETES_NAME = re.compile(
    r".*_SERVICE_(HOST|PORT(_\w+)?)|.*_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?", re.IGNORECASE
)
KUBERNETES_PORT = re.compile(r"(tcp|udp|sctp)://")


def load(environ: Mapping[str, str] | None = None, *, broker: bool = True) -> Settings:
    """Read, check and freeze the settings; `environ` defaults to the process's, `broker` False allows no Kafka.

    A variable wins over a secret file of the same name; an empty one counts as not set. Raises Fatal with every
    problem on a line of its own. An unknown MODERATION_ name is a problem too: a typo must not be ignored.
    """
    given = dict(os.environ if environ is None else environ)
    problems = list(_unknown(given.items(), "variable"))
    values, broken = _values(given)
    problems += broken
    settings, invalid = _validated(values)
    problems += invalid
    if broker and "bootstrap_servers" not in values:
        problems.append(f"{variable('bootstrap_servers')}: is required; set it to host:port of a Kafka broker")
    if problems or settings is None:
        raise Fatal("\n".join(["The settings are wrong:", *dict.fromkeys(problems)]))
    return settings


class _Variables(EnvSettingsSource):
    """The environment as handed in, instead of the process's own."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(Settings)
        self.env_vars = {name.lower(): value for name, value in environ.items()}


def _values(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Raw values by field, variables before secret files, and what went wrong with the files."""
    secrets: dict[str, Any] = {}
    problems = []
    if directory := environ.get(SECRETS_DIR):
        try:
            secrets = _secrets(Path(directory))
            problems = list(_unknown(((file.name, "") for file in Path(directory).iterdir()), "secret file"))
        except UnicodeError:
            problems = [f"{SECRETS_DIR}={directory}: a file in it is not UTF-8 text"]
        except (OSError, UserWarning) as error:
            problems = [f"{SECRETS_DIR}={directory}: must be a readable directory of secret files ({error})"]
    values = {**_filled(secrets), **_filled(_Variables(environ)())}
    return values, problems


def _secrets(directory: Path) -> dict[str, Any]:
    if not directory.is_dir():
        raise NotADirectoryError("no such directory")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # a secret that cannot be read must not be a warning
        try:
            return SecretsSettingsSource(Settings, directory)()
        except SettingsError as error:
            raise (error.__cause__ or error) from None


def _filled(values: Mapping[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in values.items() if str(value).strip()}


def _unknown(items: Iterable[tuple[str, str]], kind: str) -> Iterator[str]:
    for name, value in items:
        upper = name.upper()
        if not upper.startswith(PREFIX) or upper in VARIABLES or upper == SECRETS_DIR:
            continue
        if KUBERNETES_NAME.fullmatch(upper) or (upper.endswith("_PORT") and KUBERNETES_PORT.match(value)):
            continue  # Kubernetes sets these for every Service whose name begins with moderation-
        nearest = get_close_matches(upper, [*VARIABLES, SECRETS_DIR], n=1)
        yield f"{name}: is no setting" + (f"; did you mean {nearest[0]}?" if nearest else f" (unknown {kind})")


def _validated(values: Mapping[str, Any]) -> tuple[Settings | None, list[str]]:
    """Settings, or every problem: those of single values, then conflicts among the values that are sound."""
    try:
        return Settings(**values), []
    except ValidationError as error:
        problems = error.errors(include_url=False)
    wrong = {str(problem["loc"][0]) for problem in problems if problem["loc"]}
    lines = [line for problem in problems for line in _lines(problem, values)]
    if wrong:
        _, conflicts = _validated({field: value for field, value in values.items() if field not in wrong})
        lines += [line for line in conflicts if not any(variable(field) in line for field in wrong)]
    return None, lines


def _lines(problem: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    message = str(problem.get("ctx", {}).get("error", ""))
    if not problem["loc"]:
        return message.splitlines()
    name = str(problem["loc"][0])
    if name not in values:
        return []  # a default that depends on another wrong value
    field = Settings.model_fields[name]
    shown = variable(name) if is_secret(field) else f"{variable(name)}={values[name]}"
    hint = ""
    if KUBERNETES_PORT.match(str(values[name])):
        hint = " (this looks like a variable that Kubernetes sets for a Service: set enableServiceLinks: false)"
    return [f"{shown}: {message or 'must be ' + allowed(field)}{hint}"]
