"""Checks of what Strimzi is asked for, against the worker's settings. Each says what is wrong, a line each."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from tests.deploy.pods import read
from tests.deploy.rendering import ROOT, Object, named
from tests.deploy.workload import containers, environment, references, workers
from worker.settings import Settings

SECURITY = ROOT / "docs" / "security.md"
OURS = "moderation-"
"""What the names of the worker's KafkaTopics have; others may be made beside them."""
BOOTSTRAP = "-kafka-bootstrap"
CLUSTER = "strimzi.io/cluster"
NAMES = {"posts": "input_topic", "verdicts": "output_topic", "dead-letters": "dead_letter_topic"}

Grant: TypeAlias = tuple[str, str, str, str]
"""Kind of resource, name, literal or prefix, operation."""


def least(settings: Settings, page: Path = SECURITY) -> set[Grant]:
    """The permissions that docs/security.md grants for these settings; tests on a real broker hold that they suffice."""
    grants: set[Grant] = set()
    for line in page.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if words[:1] != ["acl"]:
            continue
        options = list(zip(words[1::2], words[2::2], strict=True))
        operations = [value for option, value in options if option == "--operation"]
        for option, value in options:
            match option:
                case "--topic":
                    named_ = "topic", getattr(settings, NAMES[value]), "literal"
                case "--group":
                    named_ = "group", settings.group_id, "literal"
                case "--transactional-id" if settings.delivery == "exactly_once":
                    named_ = "transactionalId", settings.group_id + ".", "prefix"
                case _:
                    continue
            grants |= {(*named_, operation) for operation in operations}
    return grants


def least_privilege(manifests: list[Object]) -> Iterator[str]:
    """The worker's KafkaUser may do what the worker needs for its settings, and nothing else."""
    needed = least(read(manifests))
    certificates = {name for one in workers(manifests) for kind, name, _ in references(one) if kind == "Secret"}
    for user in named(manifests, "KafkaUser"):
        if user["metadata"]["name"] not in certificates:
            continue
        given = {
            (
                rule["resource"]["type"],
                rule["resource"].get("name", "*"),
                rule["resource"].get("patternType", "literal"),
                operation,
            )
            for rule in user["spec"]["authorization"]["acls"]
            for operation in rule["operations"]
        }
        yield from (
            f"KafkaUser: may {grant[3]} {grant[0]} {grant[1]}, and need not" for grant in sorted(given - needed)
        )
        yield from (f"KafkaUser: may not {grant[3]} {grant[0]} {grant[1]}" for grant in sorted(needed - given))


def made(manifests: list[Object]) -> dict[str, Object]:
    """What is said of each topic that is made here, by its name in Kafka."""
    topics = named(manifests, "KafkaTopic")
    return {topic["spec"].get("topicName", topic["metadata"]["name"]): topic["spec"] for topic in topics}


def topics_fit(manifests: list[Object]) -> Iterator[str]:
    """The topics made here are the worker's, with equal partitions for posts and verdicts, and safely replicated.

    A topic that is not made here is there already.
    """
    settings = read(manifests)
    used = {getattr(settings, field) for field in NAMES.values()}
    topics = made(manifests)
    for topic in named(manifests, "KafkaTopic"):
        if OURS in topic["metadata"]["name"] and not used & made([topic]).keys():
            yield f"topic {', '.join(made([topic]))}: is made, but the worker uses {', '.join(sorted(used))}"
    for name in sorted(used & topics.keys()):
        in_sync = topics[name].get("config", {}).get("min.insync.replicas", 1)
        replicas = topics[name].get("replicas", in_sync + 1)
        if in_sync > replicas:
            yield f"topic {name}: min.insync.replicas is above its replicas, so nothing can be written"
        if in_sync < 2 <= replicas:
            yield f"topic {name}: one broker that is lost takes records that were acknowledged"
    partitions = {
        topics[name].get("partitions") for name in (settings.input_topic, settings.output_topic) if name in topics
    }
    if len(partitions) > 1:
        yield "posts and verdicts have different partitions: verdicts leave the order of their posts"


def cluster_is_strimzis(manifests: list[Object]) -> Iterator[str]:
    """A bootstrap Service of Strimzi's is that of the cluster, and in the namespace, that users are made for."""
    for user in named(manifests, "KafkaUser"):
        cluster, namespace = user["metadata"].get("labels", {}).get(CLUSTER), user["metadata"].get("namespace")
        for server in read(manifests).bootstrap_servers.split(","):
            service, _, rest = server.partition(":")[0].partition(".")
            if not service.endswith(BOOTSTRAP):
                continue
            if service != f"{cluster}{BOOTSTRAP}" or (namespace and rest and rest.split(".")[0] != namespace):
                yield f"KafkaUser {user['metadata']['name']}: of cluster {cluster}, in {namespace}; the worker uses {server}"


def ports_reachable(manifests: list[Object]) -> Iterator[str]:
    """The policy lets the worker out to the port of each bootstrap server, of the collector, and of a name server."""
    ports = {int(server.rpartition(":")[2]) for server in read(manifests).bootstrap_servers.split(",")} | {53}
    for policy in named(manifests, "NetworkPolicy"):
        open_ = {
            number
            for rule in policy["spec"].get("egress", [])
            for port in rule.get("ports", [])
            for number in range(port["port"], port.get("endPort", port["port"]) + 1)
        }
        asked = sorted((ports | set(_collectors(manifests))) - open_)
        yield from (f"NetworkPolicy: port {port} may not be reached" for port in asked)


def _collectors(manifests: list[Object]) -> Iterator[int]:
    """Where spans go by HTTP."""
    if read(manifests).tracing == "off":
        return
    for worker in workers(manifests):
        for container in containers(worker):
            if endpoint := environment(container, manifests).get("OTEL_EXPORTER_OTLP_ENDPOINT"):
                address = urlsplit(endpoint)
                yield address.port or (443 if address.scheme == "https" else 80)
