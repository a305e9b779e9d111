"""Checks of pods that no schema makes. Each takes all objects and says what is wrong, a line each."""

from collections.abc import Iterator
from typing import Any

from tests.deploy.rendering import Object, named
from tests.deploy.workload import PLACEHOLDER, containers, pod, settings, variable_of, workers, workloads
from worker.core.errors import Fatal
from worker.kafka.consumer import COMMIT_SECONDS
from worker.kafka.leaving import LEAVE_SECONDS
from worker.kafka.producer import STOP_SECONDS
from worker.pipeline.commits import SETTLE_SECONDS
from worker.settings import Settings, load
from worker.settings.allowed import PREFIX, variable
from worker.tracing.tracing import FLUSH_SECONDS

BEYOND_DRAIN_SECONDS = SETTLE_SECONDS + COMMIT_SECONDS + LEAVE_SECONDS + STOP_SECONDS
"""What a worker takes at most beyond its drain where no broker answers."""
SECRETS_DIR = variable("secrets_dir")
ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Kinds of volumes that the `restricted` profile allows."""


def restricted(manifests: list[Object]) -> Iterator[str]:
    """The `restricted` pod-security profile, and a root file system that is only read."""
    for workload in workloads(manifests):
        spec, name = pod(workload), workload["metadata"]["name"]
        if any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")):
            yield f"{name}: shares a namespace with its node"
        for volume in spec.get("volumes", []):
            if not ALLOWED_VOLUMES & volume.keys():
                yield f"{name}: volume {volume['name']} is none of {', '.join(sorted(ALLOWED_VOLUMES))}"
        yield from (f"{name}: {problem}" for problem in _baseline(spec.get("securityContext", {})))
        for container in containers(workload):
            yield from (f"{name}: {problem}" for problem in _loose(spec.get("securityContext", {}), container))


def _baseline(context: dict[str, Any]) -> Iterator[str]:
    """What a pod may not say for all of its containers, whatever each of them says."""
    if context.get("runAsNonRoot") is False or context.get("runAsUser") == 0:
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") == "Unconfined":
        yield "has no seccomp profile"
    if context.get("sysctls"):
        yield "sets variables of its node's kernel"


def _loose(of_pod: dict[str, Any], container: dict[str, Any]) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = of_pod | own
    if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
        yield "may run as root"
    if both.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "has no seccomp profile"
    if own.get("allowPrivilegeEscalation") is not False or own.get("privileged"):
        yield "may gain privileges"
    if own.get("capabilities", {}).get("drop") != ["ALL"] or own.get("capabilities", {}).get("add"):
        yield "keeps capabilities"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "may write to its root file system"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "takes a port of its node"


def no_token(manifests: list[Object]) -> Iterator[str]:
    """Nobody gets a token of Kubernetes, nor variables of Services."""
    for account in named(manifests, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {account['metadata']['name']}: its token is mounted"
    for workload in workloads(manifests):
        spec, name = pod(workload), workload["metadata"]["name"]
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{name}: the token of its ServiceAccount is mounted"
        if spec.get("enableServiceLinks") is not False:
            yield f"{name}: variables of Services may look like settings"


def selected(manifests: list[Object]) -> Iterator[str]:
    """Whoever selects pods selects those of a workload, in its namespace."""
    pods = [
        (one["metadata"].get("namespace"), one["spec"]["template"]["metadata"]["labels"])
        for one in workloads(manifests)
    ]
    for found in manifests:
        spec = found.get("spec", {})
        match found["kind"]:
            case "Deployment" | "StatefulSet" | "PodDisruptionBudget" | "PodMonitor":
                wanted = spec["selector"].get("matchLabels")
            case "NetworkPolicy":
                wanted = spec["podSelector"].get("matchLabels")
            case "Service":
                wanted = spec.get("selector")
            case _:
                continue
        namespace = found["metadata"].get("namespace")
        if not wanted or not any(namespace == where and wanted.items() <= labels.items() for where, labels in pods):
            yield f"{found['kind']} {found['metadata']['name']}: selects no pods of these manifests"
    for workload in workloads(manifests):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        for constraint in pod(workload).get("topologySpreadConstraints", []):
            if not constraint["labelSelector"]["matchLabels"].items() <= labels.items():
                yield f"{workload['metadata']['name']}: spreads other pods than its own"


def settings_hold(manifests: list[Object]) -> Iterator[str]:
    """Every MODERATION_ variable is a setting, its value is allowed, and the values agree, as the worker itself sees it."""
    given = settings(manifests)
    for found in named(manifests, "ConfigMap"):
        if (
            any(name.startswith(PREFIX) for name in found.get("data", {}))
            and not found["data"].items() <= given.items()
        ):
            yield f"ConfigMap {found['metadata']['name']}: its settings reach no container unchanged"
    try:
        read(manifests)
    except Fatal as error:
        yield from str(error).splitlines()[1:]
    yield from _mounted(manifests)


def _mounted(manifests: list[Object]) -> Iterator[str]:
    """Every file that a setting names lies in a volume."""
    for workload in workers(manifests):
        for container in containers(workload):
            folders = [mount["mountPath"] + "/" for mount in container.get("volumeMounts", [])]
            for name, value in settings(manifests).items():
                if value.startswith("/") and not any((value + "/").startswith(folder) for folder in folders):
                    yield f"{name}={value}: in no volume of {container['name']}"


def read(manifests: list[Object]) -> Settings:
    """The worker's settings, checked; a login that may lie in a mounted Secret is made up. Raises Fatal."""
    given = {name: value for name, value in settings(manifests).items() if name != SECRETS_DIR}
    return load(_login(manifests, given) | given)


def _login(manifests: list[Object], given: dict[str, str]) -> dict[str, str]:
    """User name and password, where they are needed and the Secret of the worker is mounted: nobody can see into it here."""
    password = given.get(variable("sasl_mechanism"), "PLAIN").upper() != "OAUTHBEARER"
    if not password or not given.get(variable("security_protocol"), "").upper().startswith("SASL"):
        return {}
    for workload in workers(manifests):
        secret = {volume["name"] for volume in pod(workload).get("volumes", []) if "secret" in volume}
        for container in containers(workload):
            mounted = {mount["mountPath"] for mount in container.get("volumeMounts", []) if mount["name"] in secret}
            if settings(manifests).get(SECRETS_DIR) in mounted:
                return {variable(field): PLACEHOLDER for field in ("sasl_username", "sasl_password")}
    return {}


def time_to_end(manifests: list[Object]) -> Iterator[str]:
    """The grace period outlasts the worker's own bound."""
    told = read(manifests)
    flush = 0 if told.tracing == "off" else FLUSH_SECONDS
    needed = told.drain_timeout_seconds + BEYOND_DRAIN_SECONDS + flush
    for workload in workers(manifests):
        spec = pod(workload)
        before = sum(
            one.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0) for one in spec["containers"]
        )
        if spec.get("terminationGracePeriodSeconds", 30) < needed + before:
            yield f"{workload['metadata']['name']}: is killed before its worker gives up after {needed + before:g} s"


def ports_agree(manifests: list[Object]) -> Iterator[str]:
    """The worker listens where its container says, and probes ask there."""
    listening = read(manifests).http_port
    for workload in workers(manifests):
        for container in containers(workload):
            ports = {port.get("name"): port["containerPort"] for port in container.get("ports", [])}
            if listening not in ports.values():
                yield f"{container['name']}: does not name port {listening}, where the worker listens"
            for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                asked = container.get(probe, {}).get("httpGet", {})
                if ports.get(asked.get("port"), asked.get("port")) != listening or asked.get("path") != path:
                    yield f"{container['name']}: {probe} does not ask {path} on port {listening}"


def ports_asked(manifests: list[Object]) -> Iterator[str]:
    """Services, monitors and policies name a port that a container names."""
    ports = [
        port for one in workloads(manifests) for container in containers(one) for port in container.get("ports", [])
    ]
    known = {port.get("name") for port in ports} | {port["containerPort"] for port in ports}
    for service in named(manifests, "Service"):
        if not all(port["targetPort"] in known for port in service["spec"]["ports"]):
            yield f"Service {service['metadata']['name']}: its target is no port of the pods"
    for monitor in named(manifests, "PodMonitor"):
        points = monitor["spec"]["podMetricsEndpoints"]
        if not all(point.get("port") in known and point.get("path") == "/metrics" for point in points):
            yield f"PodMonitor {monitor['metadata']['name']}: does not ask /metrics on a port of the pods"
    for policy in named(manifests, "NetworkPolicy"):
        if not known & {port["port"] for rule in policy["spec"].get("ingress", []) for port in rule.get("ports", [])}:
            yield f"NetworkPolicy {policy['metadata']['name']}: nobody may ask for metrics"


def whole_cpus(manifests: list[Object]) -> Iterator[str]:
    """Scoring threads are the CPUs that are asked for, whole ones, without a limit that would throttle heartbeats."""
    for workload in workers(manifests):
        for container in containers(workload):
            resources = container.get("resources", {})
            cpu = str(resources.get("requests", {}).get("cpu", ""))
            if not cpu.isdecimal() or int(cpu) < 1:
                yield f"{container['name']}: asks for {cpu or 'no'} CPUs, not for whole ones"
            if "cpu" in resources.get("limits", {}):
                yield f"{container['name']}: a limit of CPUs throttles heartbeats"
            if "memory" not in resources.get("limits", {}):
                yield f"{container['name']}: has no limit of memory"
            reference = variable_of(container, variable("scoring_threads")).get("resourceFieldRef", {})
            if reference.get("resource") != "requests.cpu" or reference.get("containerName") != container["name"]:
                yield f"{container['name']}: scoring threads are not the CPUs that it asks for"


def one_at_a_time(manifests: list[Object]) -> Iterator[str]:
    """Rollouts and drained nodes take one pod, and never none: each costs the group a rebalance."""
    for deployment in named(manifests, "Deployment"):
        rolling = deployment["spec"].get("strategy", {}).get("rollingUpdate", {})
        if (rolling.get("maxSurge"), rolling.get("maxUnavailable")) != (0, 1):
            yield f"{deployment['metadata']['name']}: a rollout takes more than one pod, or adds one"
    for budget in named(manifests, "PodDisruptionBudget"):
        if budget["spec"].get("maxUnavailable") != 1:
            yield f"PodDisruptionBudget {budget['metadata']['name']}: a drained node takes several pods, or waits for ever"
    for workload in named(manifests, "StatefulSet"):
        own = variable_of(pod(workload)["containers"][0], variable("group_instance_id"))
        if own.get("fieldRef", {}).get("fieldPath") != "metadata.name":
            yield f"{workload['metadata']['name']}: its pods have no membership of their own"
