"""OAUTHBEARER: a token from a file, read anew for each connection, and a login that notices when it is refused.

aiokafka takes the broker's answer to a bad token for success (RFC 7628, section 3.2.2: a refusal comes as a JSON
challenge), and fails later with an error that says nothing.
"""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiokafka.conn
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import OAuthAuthenticator
from aiokafka.errors import SaslAuthenticationFailed

VARIABLE = "MODERATION_OAUTH_TOKEN_FILE"
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1."""


def install() -> None:
    """Make every client of this process notice a refused token."""
    aiokafka.conn.OAuthAuthenticator = StrictAuthenticator


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]
    """The token in a file that somebody else refreshes (a sidecar, a projected service-account token)."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The token as the file holds it now. Raises SaslAuthenticationFailed naming the setting, never the token."""
        try:
            found = (await asyncio.to_thread(self._path.read_text, "ascii", "replace")).strip()
        except OSError as error:
            raise SaslAuthenticationFailed(f"{VARIABLE}={self._path}: cannot be read ({error.strerror})") from error
        if not TOKEN.fullmatch(found):
            raise SaslAuthenticationFailed(f"{VARIABLE}={self._path}: must hold one bearer token and nothing else")
        return found


class StrictAuthenticator(OAuthAuthenticator):  # type: ignore[misc]
    """aiokafka's, but what the broker says after the token is read."""

    async def step(self, payload: bytes | None) -> Any:
        """The next message, or None where the broker is content. Raises SaslAuthenticationFailed."""
        if payload:
            raise SaslAuthenticationFailed(f"the broker refused the token{_status(payload)}")
        return await super().step(payload)


def _status(payload: bytes) -> str:
    try:
        answer = json.loads(payload)
    except ValueError:
        return ""
    status = answer.get("status") if isinstance(answer, dict) else None
    return f": {status}" if isinstance(status, str) else ""
