"""A broker that asks for TLS, certificates, passwords and tokens, and that checks permissions."""

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path

from tests.harness.certificates import Authority, Pair
from tests.harness.kafka import Kafka, free_ports

LISTENERS = ("TLS", "MTLS", "LOGIN", "STRANGER")
KAFKA = "org.apache.kafka.common.security"
AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


class SecureKafka(Kafka):
    """A `Kafka` with more listeners, certificates from `authority`, and an authorizer that refuses by default.

    `address("TLS")` serves TLS, `"MTLS"` asks for a client's certificate too, `"LOGIN"` for SASL over TLS (PLAIN,
    SCRAM-SHA-512, OAUTHBEARER with unsigned tokens), `"STRANGER"` is TLS with the certificate of another host.
    The plain listener, `username` (PLAIN, SCRAM, token) and the certificate `CN=worker` may do everything;
    `limited` (PLAIN, same password) only what it is granted.
    """

    limited = "limited"

    def __init__(self, folder: Path, properties: Mapping[str, str] | None = None) -> None:
        scram = f"SCRAM-SHA-512=[name={self.username},password={self.password}]"
        super().__init__(properties, format_options=("--add-scram", scram))
        self.authority = Authority(folder)
        self._own = self.authority.issue("broker", hosts="DNS:localhost,IP:127.0.0.1")
        self._strange = self.authority.issue("stranger", hosts="DNS:kafka.example")
        self._ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
        self._secrets = folder

    def address(self, listener: str) -> str:
        """host:port of one of LISTENERS."""
        return f"127.0.0.1:{self._ports[listener]}"

    def _properties(self) -> dict[str, str]:
        plain = super()._properties()
        ours = ",".join(f"{name}://{self.address(name)}" for name in LISTENERS)
        protocols = "TLS:SSL,MTLS:SSL,STRANGER:SSL,LOGIN:SASL_SSL"
        users = f'user_{self.username}="{self.password}" user_{self.limited}="{self.password}"'
        return {
            **plain,
            "listeners": f"{plain['listeners']},{ours}",
            "advertised.listeners": f"{plain['advertised.listeners']},{ours}",
            "listener.security.protocol.map": f"{plain['listener.security.protocol.map']},{protocols}",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.certificate),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self._store(self._own)),
            "listener.name.mtls.ssl.client.auth": "required",
            "listener.name.stranger.ssl.keystore.type": "PEM",
            "listener.name.stranger.ssl.keystore.location": str(self._store(self._strange)),
            "listener.name.login.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
            "listener.name.login.plain.sasl.jaas.config": f"{KAFKA}.plain.PlainLoginModule required {users};",
            "listener.name.login.scram-sha-512.sasl.jaas.config": f"{KAFKA}.scram.ScramLoginModule required;",
            "listener.name.login.oauthbearer.sasl.jaas.config": f"{KAFKA}.oauthbearer.OAuthBearerLoginModule required;",
            "authorizer.class.name": AUTHORIZER,
            "super.users": f"User:ANONYMOUS;User:{self.username};User:CN=worker",
        }

    def _store(self, pair: Pair) -> Path:
        store = self._secrets / f"{pair.key.stem}.store.pem"
        store.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
        return store


def token(subject: str, seconds: float = 3600) -> str:
    """An unsigned JWT, as Kafka's test validator takes them, that expires in `seconds` (negative: it has)."""
    now = time.time()
    claims = {"sub": subject, "iat": now - 60, "exp": now + seconds}
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in ({"alg": "none"}, claims))
    return ".".join(part.rstrip("=") for part in parts) + "."
