"""`moderation-worker check`: is everything in order that a worker needs? Looks, and changes nothing."""

from collections.abc import Iterator

from worker.check import brokers, local, topics
from worker.check.finding import Finding, Mark
from worker.core.errors import Fatal
from worker.ops import logs
from worker.settings import load

ON_BROKERS = ("input topic", "output topic", "dead-letter topic", "consumer group")


def main() -> int:
    """Run every check and print the findings as they come; return 0 where nothing is wrong, else 1."""
    logs.configure("CRITICAL")  # the findings say it better than the libraries' logs
    found = set()
    for finding in findings():
        print(finding, flush=True)  # noqa: T201 - the command's output
        found.add(finding.mark)
    return 1 if Mark.WRONG in found else 0


def findings() -> Iterator[Finding]:
    """Each check in turn; one that cannot be made because an earlier one failed says so."""
    try:
        settings = load()
    except Fatal as error:
        yield Finding(Mark.WRONG, "settings", str(error))
        for subject in ("model bundle", "policy", "HTTP port", "brokers", *ON_BROKERS):
            yield Finding(Mark.SKIPPED, subject, "not checked, because the settings are wrong")
        return
    yield Finding(Mark.FINE, "settings", "each is valid, and they agree")
    bundle, finding = local.bundle(settings)
    yield finding
    yield local.policy(settings, bundle)
    yield local.http_port(settings)
    if settings.tracing != "off":
        yield local.tracing(settings)
    finding = brokers.connection_works(settings)
    yield finding
    if finding.mark is Mark.WRONG:
        for subject in ON_BROKERS:
            yield Finding(Mark.SKIPPED, subject, "not checked, because no broker could be asked")
        return
    yield from topics.topics(settings, bundle)
    yield brokers.consumer_group(settings)
    yield Finding(
        Mark.SKIPPED, "permissions", "to join the group and to write are not checked: that takes joining and writing"
    )
