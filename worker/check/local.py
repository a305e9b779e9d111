"""Checks that need no broker: the model bundle, the policy, the HTTP port."""

import errno

from prometheus_client import CollectorRegistry

from worker.check.finding import Finding, Mark
from worker.core.errors import Fatal
from worker.engine import load_policy
from worker.model.bundle import Bundle
from worker.model.classifier import Classifier
from worker.ops.health import Health
from worker.ops.http import HttpServer
from worker.settings import Settings
from worker.wiring import open_tracing


def bundle(settings: Settings) -> tuple[Bundle | None, Finding]:
    """Load the bundle as the worker does: manifest, checksums, golden posts."""
    try:
        found = Classifier.load(settings.bundle).bundle
    except Fatal as error:
        return None, Finding(Mark.WRONG, "model bundle", str(error))
    labels = ", ".join(found.labels)
    text = f"{found.name} {found.version} ({labels}) from {found.path}; {len(found.golden)} golden posts scored as expected"
    return found, Finding(Mark.FINE, "model bundle", text)


def policy(settings: Settings, found: Bundle | None) -> Finding:
    """Read the policy file, where there is one, for the bundle's labels."""
    if found is None:
        return Finding(Mark.SKIPPED, "policy", "not checked, because the model bundle is wrong")
    if settings.policy_file is None:
        return Finding(Mark.FINE, "policy", f"{found.policy.version}, the bundle's own")
    try:
        own = load_policy(settings.policy_file, found.policy)
    except Fatal as error:
        return Finding(Mark.WRONG, "policy", str(error))
    return Finding(Mark.FINE, "policy", f"{own.version} from {settings.policy_file}")


def http_port(settings: Settings) -> Finding:
    """Listen for a moment, as the worker would. Beside a running worker that cannot be, and nothing is wrong."""
    try:
        HttpServer(
            settings.http_host,
            settings.http_port,
            registry=CollectorRegistry(),
            health=Health(stall_timeout=settings.stall_timeout_seconds),
        ).close()
    except Fatal as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.EADDRINUSE:
            where = f"MODERATION_HTTP_PORT={settings.http_port} at MODERATION_HTTP_HOST={settings.http_host}"
            text = f"{where} is in use: fine where that is this worker; else set another port, or 0 for any free one"
            return Finding(Mark.WARNING, "HTTP port", text)
        return Finding(Mark.WRONG, "HTTP port", str(error))
    port = f"{settings.http_port} is free" if settings.http_port else "any free one"
    return Finding(Mark.FINE, "HTTP port", f"{port} ({settings.http_host})")


def tracing(settings: Settings) -> Finding:
    """Make what would send spans: the extra is installed, and the variables are right."""
    try:
        if (found := open_tracing(settings)) is not None:
            found.close()
    except Fatal as error:
        return Finding(Mark.WRONG, "tracing", str(error))
    return Finding(Mark.FINE, "tracing", f"{settings.tracing}; whether a collector answers is not checked")
