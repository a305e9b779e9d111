"""What the worker's pods are told: their template, their settings, and what they refer to."""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.deploy.rendering import Object, named
from worker.settings.allowed import PREFIX

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job")
VOLUMES = {
    "secret": ("Secret", "secretName"),
    "configMap": ("ConfigMap", "name"),
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
}
PLACEHOLDER = "2"
"""For what only a cluster can say, such as a pod's name: valid as a name and as a number."""


def workloads(manifests: Iterable[Object]) -> Iterator[Object]:
    """Everything that makes pods."""
    return (found for found in manifests if found["kind"] in WORKLOADS)


def workers(manifests: list[Object]) -> Iterator[Object]:
    """Those workloads whose pods are told settings."""
    for found in workloads(manifests):
        if any(name.startswith(PREFIX) for one in containers(found) for name in environment(one, manifests)):
            yield found


def pod(workload: Object) -> dict[str, Any]:
    """The template's pod spec."""
    spec: dict[str, Any] = workload["spec"]["template"]["spec"]
    return spec


def containers(workload: Object) -> list[dict[str, Any]]:
    """All containers, those that run first included."""
    spec = pod(workload)
    return [*spec.get("initContainers", []), *spec["containers"]]


def environment(container: dict[str, Any], manifests: list[Object]) -> dict[str, str]:
    """The container's variables: those of its ConfigMaps, and above them its own."""
    maps = {found["metadata"]["name"]: found.get("data", {}) for found in named(manifests, "ConfigMap")}
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= maps.get(source.get("configMapRef", {}).get("name"), {})
    return found | {entry["name"]: entry.get("value", PLACEHOLDER) for entry in container.get("env", [])}


def variable_of(container: dict[str, Any], name: str) -> dict[str, Any]:
    """Where a variable's value comes from (`valueFrom`); empty where it is not set so."""
    found: dict[str, Any] = next((one for one in container.get("env", []) if one["name"] == name), {})
    return found.get("valueFrom", {}) or {}


def settings(manifests: list[Object]) -> dict[str, str]:
    """The worker's settings in these manifests; empty where there is no worker."""
    for workload in workers(manifests):
        for container in containers(workload):
            found = {
                name: value for name, value in environment(container, manifests).items() if name.startswith(PREFIX)
            }
            if found:
                return found
    return {}


def references(workload: Object) -> Iterator[tuple[str, str, bool]]:
    """Kind, name and whether it may be missing, for each object that the pods need."""
    if account := pod(workload).get("serviceAccountName"):
        yield "ServiceAccount", account, False
    for volume in pod(workload).get("volumes", []):
        if not volume.get("persistentVolumeClaim", {}).get("readOnly"):  # what is only read was filled by somebody else
            yield from _referred(volume, VOLUMES)
    for container in containers(workload):
        for source in container.get("envFrom", []):
            yield from _referred(source, {"configMapRef": ("ConfigMap", "name"), "secretRef": ("Secret", "name")})
        for entry in container.get("env", []):
            keys = {"configMapKeyRef": ("ConfigMap", "name"), "secretKeyRef": ("Secret", "name")}
            yield from _referred(entry.get("valueFrom", {}), keys)


def _referred(place: dict[str, Any], keys: dict[str, tuple[str, str]]) -> Iterator[tuple[str, str, bool]]:
    for key, (kind, name) in keys.items():
        if key in place:
            yield kind, place[key][name], place[key].get("optional", False)
