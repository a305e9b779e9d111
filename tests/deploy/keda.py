"""Checks of what KEDA is asked for, against the worker's settings. Each says what is wrong, a line each."""

from collections.abc import Iterator
from typing import Any

from tests.deploy.kafka import made
from tests.deploy.pods import read
from tests.deploy.rendering import Object, named
from tests.deploy.workload import workloads
from worker.settings import Settings

MECHANISMS = {
    "PLAIN": "plaintext",
    "SCRAM-SHA-256": "scram_sha256",
    "SCRAM-SHA-512": "scram_sha512",
    "OAUTHBEARER": "oauthbearer",
}
"""KEDA's names for `MODERATION_SASL_MECHANISM`."""


def scaling_fits(manifests: list[Object]) -> Iterator[str]:
    """KEDA scales this workload by this group's lag, between one pod and one for each partition, and alone decides."""
    settings = read(manifests)
    partitions = made(manifests).get(settings.input_topic, {}).get("partitions")
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
        most = spec.get("maxReplicaCount", 100)
        if spec.get("minReplicaCount", 0) > most:
            yield "ScaledObject: its least pods are more than its most, which are the partitions"
        if partitions and most > partitions:
            yield "ScaledObject: more pods than partitions would idle"
        if "fallback" not in spec:
            yield "ScaledObject: no fallback for brokers that do not answer"
        for trigger in spec["triggers"]:
            yield from _asks(trigger, settings)
            yield from _logs_in(trigger, settings, manifests)


def _asks(trigger: dict[str, Any], settings: Settings) -> Iterator[str]:
    """The right question, to brokers that KEDA finds from its own namespace."""
    wanted = {
        "bootstrapServers": settings.bootstrap_servers,
        "topic": settings.input_topic,
        "consumerGroup": settings.group_id,
    }
    asked = trigger["metadata"]
    yield from (f"ScaledObject: {key} is not {value}" for key, value in wanted.items() if asked.get(key) != value)
    for server in settings.bootstrap_servers.split(","):
        if not {".", "["} & set(server):
            host, _, port = server.strip().rpartition(":")
            yield f"ScaledObject: KEDA would look for {host} in its own namespace; say <service>.<namespace>.svc:{port}"


def _logs_in(trigger: dict[str, Any], settings: Settings, manifests: list[Object]) -> Iterator[str]:
    """Encrypted and with a login as the worker's; a TriggerAuthentication may say so too."""
    reference = trigger.get("authenticationRef", {})
    here = {one["metadata"]["name"]: one["spec"] for one in named(manifests, "TriggerAuthentication")}
    if reference.get("kind", "TriggerAuthentication") == "TriggerAuthentication":
        if reference and reference["name"] not in here:
            yield f"ScaledObject: TriggerAuthentication {reference['name']} is not here"
        secret = {one["parameter"] for one in here.get(reference.get("name"), {}).get("secretTargetRef", [])}
    else:
        secret = {"tls", "sasl"}  # of the whole cluster: nothing here says what it holds
    sasl = settings.security_protocol.startswith("SASL")
    wanted = {
        "tls": "enable" if settings.security_protocol.endswith("SSL") else "disable",
        "sasl": MECHANISMS[settings.sasl_mechanism] if sasl else "none",
    }
    unlike = [
        f"{key}: {value}"
        for key, value in wanted.items()
        if key not in secret and trigger["metadata"].get(key, "disable" if key == "tls" else "none") != value
    ]
    if (sasl or settings.ssl_ca_file or settings.ssl_certificate_file) and not reference:
        unlike.append("an authenticationRef")
    if unlike:
        yield f"ScaledObject: asks the brokers in another way than the worker; wanted: {', '.join(unlike)}"
