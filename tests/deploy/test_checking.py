"""Each check of the manifests finds the mistake that it is for: sound manifests, with one thing broken."""

import copy
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.checking import problems
from tests.deploy.rendering import ROOT, Object, RenderError, named, objects, render, render_together
from tests.deploy.test_kubernetes import EVERYTHING, TLS

pytestmark = pytest.mark.timeout(600)
GONE = object()
"""In place of a new value: the place is removed."""
POD = "spec.template.spec"
WORKER = f"{POD}.containers.0"


@pytest.fixture(scope="module")
def sound() -> list[Object]:
    """One of everything, and a Deployment: no static membership. One ConfigMap: no dashboard."""
    manifests = render_together([name for name in EVERYTHING if name not in {"static-membership", "dashboard"}], TLS)
    assert problems(manifests) == []
    return manifests


@pytest.fixture(scope="module")
def static() -> list[Object]:
    """With a StatefulSet, whose last variable is the membership: no tracing."""
    return render_together([name for name in EVERYTHING if name != "tracing"], TLS)


def broken(manifests: list[Object], kind: str, path: str, value: Any) -> list[Object]:
    """A copy with one place of the first object of a kind changed. KeyError and IndexError where there is no such place."""
    changed = copy.deepcopy(manifests)
    place: Any = next(named(changed, kind))
    *parents, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    for step in parents:
        place = place[step]
    if value is GONE:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return changed


MISTAKES: list[tuple[str, str, Any, str]] = [  # kind, place, its new value, what is said
    # Schemas, strictly
    ("Deployment", "spec.replica", 3, "'replica' was unexpected"),
    ("Deployment", f"{WORKER}.livenessProbe.httpGet.prt", 1, "'prt' was unexpected"),
    ("Deployment", f"{POD}.terminationGracePeriodSeconds", "45 s", "is not of type"),
    ("Deployment", "apiVersion", "extensions/v1beta1", "no schema for extensions/v1beta1"),
    ("ScaledObject", "spec.minReplicas", 2, "minReplicas"),
    ("ScaledObject", "spec.fallback.behavior", "guess", "guess"),
    ("KafkaTopic", "spec.partition", 12, "partition"),
    ("KafkaUser", "spec.authorization.acls.0.operations", ["Peek"], "Peek"),
    ("PodMonitor", "spec.podMetricsEndpoints.0.intervall", "15s", "intervall"),
    ("PodMonitor", "spec.podMetricsEndpoints.0.interval", "15 sec", "15 sec"),
    ("PrometheusRule", "spec.groups", [{"name": "a", "rules": [{"alert": "A"}]}], "expr"),
    # The restricted profile
    ("Deployment", f"{POD}.securityContext.runAsNonRoot", GONE, "may run as root"),
    ("Deployment", f"{POD}.securityContext.runAsUser", 0, "may run as root"),
    ("Deployment", f"{WORKER}.securityContext.runAsUser", 0, "may run as root"),
    ("Deployment", f"{POD}.securityContext.seccompProfile", GONE, "has no seccomp profile"),
    ("Deployment", f"{WORKER}.securityContext.allowPrivilegeEscalation", GONE, "may gain privileges"),
    ("Deployment", f"{WORKER}.securityContext.privileged", True, "may gain privileges"),
    ("Deployment", f"{WORKER}.securityContext.capabilities", GONE, "keeps capabilities"),
    ("Deployment", f"{WORKER}.securityContext.capabilities.add", ["NET_ADMIN"], "keeps capabilities"),
    ("Deployment", f"{WORKER}.securityContext.readOnlyRootFilesystem", False, "may write to its root"),
    ("Deployment", f"{WORKER}.ports.0.hostPort", 80, "takes a port of its node"),
    ("Deployment", f"{POD}.hostNetwork", True, "shares a namespace with its node"),
    ("Deployment", f"{POD}.volumes.0", {"name": "secrets", "hostPath": {"path": "/"}}, "volume secrets is none of"),
    ("Deployment", f"{POD}.volumes.0", {"name": "a", "nfs": {"server": "b", "path": "/"}}, "volume a is none of"),
    ("Deployment", f"{POD}.securityContext.sysctls", [{"name": "a", "value": "1"}], "of its node's kernel"),
    ("Deployment", f"{POD}.initContainers", [{"name": "first", "image": "x"}], "keeps capabilities"),
    # Tokens, selectors, references
    ("ServiceAccount", "automountServiceAccountToken", True, "its token is mounted"),
    ("Deployment", f"{POD}.automountServiceAccountToken", GONE, "the token of its ServiceAccount is mounted"),
    ("Deployment", f"{POD}.enableServiceLinks", True, "may look like settings"),
    ("Deployment", "spec.selector.matchLabels.app", "other", "Deployment moderation-worker: selects no pods"),
    ("Deployment", "metadata.namespace", "elsewhere", "PodDisruptionBudget moderation-worker: selects no pods"),
    (
        "PodDisruptionBudget",
        "spec.selector.matchLabels",
        {"app": "other"},
        "PodDisruptionBudget moderation-worker: selects",
    ),
    ("NetworkPolicy", "spec.podSelector", {}, "NetworkPolicy moderation-worker: selects no pods"),
    ("PodMonitor", "spec.selector.matchLabels", {"app": "other"}, "PodMonitor moderation-worker: selects no pods"),
    (
        "Deployment",
        f"{POD}.topologySpreadConstraints.0.labelSelector.matchLabels",
        {"app": "other"},
        "spreads other pods than its own",
    ),
    ("ServiceAccount", "metadata.name", "other", "ServiceAccount moderation-worker: nowhere"),
    ("ConfigMap", "metadata.name", "other", "nowhere to be found"),
    (
        "Deployment",
        f"{POD}.volumes.0.secret.secretName",
        "unheard-of",
        "Secret unheard-of: optional, but not documented",
    ),
    (
        "Deployment",
        f"{POD}.volumes.4.persistentVolumeClaim",
        {"claimName": "unheard-of"},
        "PersistentVolumeClaim unheard-of",
    ),
    ("TriggerAuthentication", "spec.secretTargetRef.0.name", "unheard-of", "Secret unheard-of: nowhere"),
    (
        "Deployment",
        f"{WORKER}.env.2",
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "unheard-of", "key": "a"}}},
        "Secret unheard-of: nowhere",
    ),
    # Settings
    ("Deployment", f"{WORKER}.env.2", {"name": "MODERATION_" + "BATCH_TOKEN", "value": "512"}, "is no setting"),
    ("Deployment", f"{WORKER}.env.2", {"name": "MODERATION_BATCH_TOKENS", "value": "a lot"}, "must be an integer"),
    ("Deployment", f"{WORKER}.env.2", {"name": "MODERATION_INPUT_TOPIC", "value": "verdicts"}, "must differ from"),
    ("Deployment", f"{WORKER}.env.2", {"name": "MODERATION_GROUP_ID", "value": "mine"}, "reach no container unchanged"),
    ("Deployment", f"{WORKER}.envFrom", GONE, "reach no container unchanged"),
    (
        "Deployment",
        f"{WORKER}.volumeMounts.1.mountPath",
        "/etc/elsewhere",
        "MODERATION_SSL_CA_FILE=/etc/moderation/cluster/ca",
    ),
    # Ends, ports, CPUs
    ("Deployment", f"{POD}.terminationGracePeriodSeconds", 43, "is killed before its worker gives up after 44 s"),
    ("Deployment", f"{POD}.terminationGracePeriodSeconds", GONE, "is killed before"),
    ("Deployment", f"{WORKER}.lifecycle", {"preStop": {"sleep": {"seconds": 5}}}, "gives up after 49 s"),
    (
        "Deployment",
        f"{WORKER}.env.2",
        {"name": "MODERATION_DRAIN_TIMEOUT_SECONDS", "value": "50"},
        "gives up after 69 s",
    ),
    ("Deployment", f"{WORKER}.env.2", {"name": "MODERATION_HTTP_PORT", "value": "9000"}, "does not name port 9000"),
    ("Deployment", f"{WORKER}.ports.0.containerPort", 9000, "does not name port 8080"),
    ("Deployment", f"{WORKER}.startupProbe", GONE, "startupProbe does not ask /livez"),
    ("Deployment", f"{WORKER}.livenessProbe.httpGet.port", "metrics", "livenessProbe does not ask /livez"),
    ("Deployment", f"{WORKER}.readinessProbe.httpGet.path", "/livez", "readinessProbe does not ask /readyz"),
    ("PodMonitor", "spec.podMetricsEndpoints.0.port", "metrics", "does not ask /metrics on a port of the pods"),
    ("NetworkPolicy", "spec.ingress.0.ports.0.port", 9090, "nobody may ask for metrics"),
    ("Deployment", f"{WORKER}.resources.requests.cpu", "1500m", "asks for 1500m CPUs"),
    ("Deployment", f"{WORKER}.resources.limits.cpu", "2", "throttles heartbeats"),
    ("Deployment", f"{WORKER}.resources.limits.memory", GONE, "has no limit of memory"),
    ("Deployment", f"{WORKER}.env.0.valueFrom.resourceFieldRef.resource", "limits.cpu", "are not the CPUs"),
    ("Deployment", "spec.strategy.rollingUpdate.maxSurge", 1, "a rollout takes more than one pod"),
    ("PodDisruptionBudget", "spec.maxUnavailable", 0, "waits for ever"),
    # Kafka and KEDA
    ("KafkaUser", "spec.authorization.acls.0.operations", ["Describe", "DescribeConfigs"], "may not Read topic posts"),
    ("KafkaUser", "spec.authorization.acls.0.operations", ["All"], "may All topic posts, and need not"),
    ("KafkaUser", "spec.authorization.acls.4", GONE, "may not Write transactionalId moderation-worker."),
    ("KafkaUser", "spec.authorization.acls.4.resource.patternType", "literal", "may not Write transactionalId"),
    ("KafkaTopic", "spec.topicName", "other", "topic other: is made, but the worker uses dead-letters, posts"),
    ("KafkaTopic", "spec.config", {"min.insync.replicas": 1}, "records that were acknowledged"),
    ("ScaledObject", "spec.scaleTargetRef.kind", "StatefulSet", "scales what is not here"),
    ("Deployment", "spec.replicas", 2, "undoes its decisions"),
    ("ScaledObject", "spec.minReplicaCount", 0, "may scale to no worker"),
    ("ScaledObject", "spec.maxReplicaCount", 13, "more pods than partitions"),
    ("ScaledObject", "spec.maxReplicaCount", 1, "its least pods are more than its most"),
    ("ScaledObject", "spec.fallback", GONE, "no fallback"),
    ("ScaledObject", "spec.triggers.0.metadata.topic", GONE, "topic is not posts"),
    ("ScaledObject", "spec.triggers.0.metadata.consumerGroup", "other", "consumerGroup is not moderation-worker"),
    ("ScaledObject", "spec.triggers.0.authenticationRef", GONE, "in another way than the worker"),
    ("ScaledObject", "spec.triggers.0.metadata.tls", GONE, "wanted: tls: enable"),
    ("ScaledObject", "spec.triggers.0.metadata.sasl", "plaintext", "wanted: sasl: none"),
    ("ScaledObject", "spec.triggers.0.authenticationRef.name", "other", "TriggerAuthentication other is not here"),
    ("NetworkPolicy", "spec.egress.1", GONE, "port 9093 may not be reached"),
    ("NetworkPolicy", "spec.egress.0", GONE, "port 53 may not be reached"),
    ("NetworkPolicy", "spec.egress.2", GONE, "port 4318 may not be reached"),
    ("Deployment", f"{WORKER}.env.2.value", "http://spans.observability:14318", "port 14318 may not be reached"),
    ("Deployment", f"{WORKER}.env.2.value", "https://spans.example.com", "port 443 may not be reached"),
]


@pytest.mark.parametrize(("kind", "path", "value", "said"), MISTAKES, ids=lambda value: str(value)[:60])
def test_mistake_is_found(sound: list[Object], kind: str, path: str, value: Any, said: str) -> None:
    found = problems(broken(sound, kind, path, value))
    assert any(said in problem for problem in found), found


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("StatefulSet", f"{WORKER}.env.2", GONE, "have no membership of their own"),
        ("StatefulSet", "spec.serviceName", "other", "Service other: nowhere"),
        ("Service", "spec.selector", {"app": "other"}, "Service moderation-worker: selects no pods"),
        ("Service", "spec.ports.0.targetPort", 9000, "its target is no port of the pods"),
        ("ScaledObject", "spec.scaleTargetRef.kind", "Deployment", "scales what is not here"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_mistake_with_static_membership_is_found(
    static: list[Object], kind: str, path: str, value: Any, said: str
) -> None:
    found = problems(broken(static, kind, path, value))
    assert any(said in problem for problem in found), found


def test_pod_that_says_root_is_found_though_its_container_says_another(sound: list[Object]) -> None:
    root = broken(sound, "Deployment", f"{POD}.securityContext.runAsUser", 0)
    found = problems(broken(root, "Deployment", f"{WORKER}.securityContext.runAsUser", 1000))
    assert found == ["moderation-worker: may run as root"]


def test_verdicts_with_other_partitions_than_posts_are_found(sound: list[Object]) -> None:
    changed = copy.deepcopy(sound)
    for topic in named(changed, "KafkaTopic"):
        if topic["spec"]["topicName"] == "verdicts":
            topic["spec"]["partitions"] = 6
    assert any("leave the order" in problem for problem in problems(changed))


def test_command_says_what_is_wrong_and_fails(sound: list[Object], tmp_path: Path) -> None:
    def check(manifests: list[Object], *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "tests.deploy", "-", *arguments],
            input=yaml.safe_dump_all(manifests),
            capture_output=True,
            text=True,
            check=False,
            cwd=ROOT,
        )

    done = check(sound)
    assert (done.returncode, done.stdout) == (0, f"{len(sound)} objects, 0 problems\n")
    done = check(broken(sound, "ScaledObject", "spec.minReplicaCount", 0))
    assert done.returncode == 1
    assert re.search(r"^ScaledObject: may scale to no worker at all$", done.stdout, re.MULTILINE)
    assert check([]).returncode == 1
    more = [*sound, {"apiVersion": "example.com/v1", "kind": "Vault", "metadata": {"name": "a"}, "spec": {"path": "b"}}]
    done = check(more)
    assert done.returncode == 1
    assert "no schema for example.com/v1" in done.stdout
    text: Object = {"type": "string"}
    spec: Object = {"type": "object", "properties": {"path": text}}
    schema: Object = {"properties": {"apiVersion": text, "kind": text, "metadata": {}, "spec": spec}}
    version = {"name": "v1", "schema": {"openAPIV3Schema": schema}}
    definition = {"spec": {"group": "example.com", "names": {"kind": "Vault"}, "versions": [version]}}
    (tmp_path / "vault.yaml").write_text(yaml.safe_dump(definition), encoding="utf-8")
    assert check(more, "--crds", str(tmp_path)).stdout == f"{len(more)} objects, 0 problems\n"
    del more[-1]["spec"]["path"]
    more[-1]["spec"]["pth"] = "b"
    assert "'pth' was unexpected" in check(more, "--crds", str(tmp_path)).stdout


def test_folder_that_cannot_be_rendered_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="kustomization"):
        render(tmp_path)


def test_empty_documents_are_no_objects() -> None:
    assert objects("---\n---\nkind: A\n") == [{"kind": "A"}]
