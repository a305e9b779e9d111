"""Checks of what Strimzi and KEDA are asked for, against the worker's settings. Each says what is wrong, a line each."""

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from tests.deploy.pods import read
from tests.deploy.rendering import ROOT, Object, named
from tests.deploy.workload import references, workers, workloads
from worker.settings import Settings

SECURITY = ROOT / "docs" / "security.md"
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


def topics_fit(manifests: list[Object]) -> Iterator[str]:
    """The worker's topics are those that are made, with equal partitions for posts and verdicts, and safely replicated."""
    settings = read(manifests)
    topics = {topic["spec"]["topicName"]: topic["spec"] for topic in named(manifests, "KafkaTopic")}
    if not topics:
        return
    for name in (settings.input_topic, settings.output_topic, settings.dead_letter_topic):
        if name not in topics:
            yield f"topic {name}: nobody makes it"
        elif topics[name]["config"].get("min.insync.replicas", 1) < 2:
            yield f"topic {name}: one broker that is lost takes records that were acknowledged"
    partitions = {
        topics[name]["partitions"] for name in (settings.input_topic, settings.output_topic) if name in topics
    }
    if len(partitions) > 1:
        yield "posts and verdicts have different partitions: verdicts leave the order of their posts"


def scaling_fits(manifests: list[Object]) -> Iterator[str]:
    """KEDA scales this workload by this group's lag, between one pod and one for each partition, and alone decides."""
    settings = read(manifests)
    partitions = {topic["spec"]["topicName"]: topic["spec"]["partitions"] for topic in named(manifests, "KafkaTopic")}
    owners = {(one["kind"], one["metadata"]["name"]): one for one in workloads(manifests)}
    for scaler in named(manifests, "ScaledObject"):
        spec = scaler["spec"]
        owner = owners.get((spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]))
        if owner is None:
            yield "ScaledObject: scales what is not here"
        elif "replicas" in owner["spec"]:
            yield "ScaledObject: the workload's own number of replicas undoes its decisions"
        if spec.get("minReplicaCount", 0) < 1:
            yield "ScaledObject: may scale to no worker at all"
        if spec.get("maxReplicaCount", 100) > partitions.get(settings.input_topic, spec.get("maxReplicaCount", 100)):
            yield "ScaledObject: more pods than partitions would idle"
        if "fallback" not in spec:
            yield "ScaledObject: no fallback for brokers that do not answer"
        for trigger in spec["triggers"]:
            asked = trigger["metadata"]
            wanted = {
                "bootstrapServers": settings.bootstrap_servers,
                "topic": settings.input_topic,
                "consumerGroup": settings.group_id,
            }
            yield from (
                f"ScaledObject: {key} is not {value}" for key, value in wanted.items() if asked.get(key) != value
            )
            encrypted = settings.security_protocol.endswith("SSL")
            if encrypted != ("authenticationRef" in trigger) or encrypted != (asked.get("tls") == "enable"):
                yield "ScaledObject: asks the brokers in another way than the worker"
            reference = trigger.get("authenticationRef", {}).get("name")
            if reference and reference not in {
                one["metadata"]["name"] for one in named(manifests, "TriggerAuthentication")
            }:
                yield f"ScaledObject: TriggerAuthentication {reference} is not here"


def brokers_reachable(manifests: list[Object]) -> Iterator[str]:
    """The policy lets the worker out to the port of each bootstrap server, and to a name server."""
    ports = {int(server.rpartition(":")[2]) for server in read(manifests).bootstrap_servers.split(",")} | {53}
    for policy in named(manifests, "NetworkPolicy"):
        open_ = {
            number
            for rule in policy["spec"].get("egress", [])
            for port in rule.get("ports", [])
            for number in range(port["port"], port.get("endPort", port["port"]) + 1)
        }
        yield from (f"NetworkPolicy: port {port} may not be reached" for port in sorted(ports - open_))
