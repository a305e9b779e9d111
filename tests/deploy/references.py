"""What manifests refer to, and do not hold: is it made by an operator, or by whoever reads deploy/README.md?"""

from collections.abc import Callable, Iterable, Iterator

from tests.deploy.rendering import Object, named
from tests.deploy.workload import references, workloads

MADE_BY_STRIMZI = ("tls", "scram-sha-512")
"""Ways to log in for which it makes a Secret named like the KafkaUser."""


def exist(documented: str, existing: Iterable[str] = ()) -> Callable[[list[Object]], Iterator[str]]:
    """Whatever is needed is here, is made by an operator from what is here, is `existing`, or is named (`so`) in `documented`."""
    elsewhere = {(kind, name) for kind, _, name in (one.partition("/") for one in existing)}

    def check(manifests: list[Object]) -> Iterator[str]:
        here = {(found["kind"], found["metadata"]["name"]) for found in manifests} | set(_made(manifests)) | elsewhere
        for needer, kind, name, optional in _needed(manifests):
            if (kind, name) not in here and f"`{name}`" not in documented:
                missing = "optional, but not documented" if optional else "nowhere to be found"
                yield f"{needer}: {kind} {name}: {missing}; if the cluster has it: make manifests EXISTS={kind}/{name}"

    return check


def _made(manifests: list[Object]) -> Iterator[tuple[str, str]]:
    """What Strimzi makes: certificates of the cluster, and what users log in with."""
    for found in manifests:
        if cluster := found["metadata"].get("labels", {}).get("strimzi.io/cluster"):
            yield "Secret", f"{cluster}-cluster-ca-cert"
    for user in named(manifests, "KafkaUser"):
        if user["spec"].get("authentication", {}).get("type") in MADE_BY_STRIMZI:
            yield "Secret", user["metadata"]["name"]


def _needed(manifests: list[Object]) -> Iterator[tuple[str, str, str, bool]]:
    """Who needs it, its kind, its name, and whether it may be missing."""
    for workload in workloads(manifests):
        who = workload["metadata"]["name"]
        for kind, name, optional in references(workload):
            yield who, kind, name, optional
        if workload["kind"] == "StatefulSet":
            yield who, "Service", workload["spec"].get("serviceName"), False
    for trigger in named(manifests, "TriggerAuthentication"):
        for reference in trigger["spec"].get("secretTargetRef", []):
            yield "TriggerAuthentication", "Secret", reference["name"], False
