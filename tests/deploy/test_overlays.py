"""Overlays of clusters unlike the example's are in order too: what people have differs, and a right overlay is not refused."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.deploy.checking import DOCUMENTED, problems
from tests.deploy.rendering import ROOT, Object, named, render
from tests.deploy.test_kubernetes import EVERYTHING
from tests.deploy.workload import containers, pod

pytestmark = pytest.mark.timeout(600)
Copy: TypeAlias = Callable[..., Path]

SERVERS = "kafka-kafka-bootstrap.kafka.svc:9093"
JOB_LABEL = "app.kubernetes.io/name"
STRIMZI = ("strimzi", "autoscaling-tls")
GROUP_ID = "      - MODERATION_GROUP_ID=moderation-worker\n"
"""The last setting of the example: others go behind it."""
[LOGIN] = re.findall(r"^```yaml\n(.*?)^```$", DOCUMENTED.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
"""By password and a private authority, as deploy/README.md says."""
SCRAM, CA = LOGIN[: LOGIN.index("      - MODERATION_SSL")], LOGIN[LOGIN.index("      - MODERATION_SSL") :]
CERTIFICATE = (
    "      - MODERATION_SSL_CERTIFICATE_FILE=/etc/moderation/secrets/tls.crt\n"
    "      - MODERATION_SSL_KEY_FILE=/etc/moderation/secrets/tls.key\n"
)


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    """Makes overlays as deploy/README.md says: a copy of the example, of which values or components are changed."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")

    def change(
        values: dict[str, str] | None = None,
        without: tuple[str, ...] = (),
        more: tuple[str, ...] = (),
        of: str = "example",
    ) -> Path:
        overlay = tmp_path / "deploy" / "kubernetes" / "overlays" / of
        for file in (overlay / "kustomization.yaml", overlay / "values" / "kustomization.yaml"):
            text = file.read_text(encoding="utf-8")
            for old, new in (values or {}).items():
                text = text.replace(old, new)
            file.write_text(text, encoding="utf-8")
        kustomization = overlay / "kustomization.yaml"
        lines = kustomization.read_text(encoding="utf-8").splitlines()
        for component in without:
            [line] = [one for one in lines if one.split("#")[0].strip() == f"- ../../components/{component}"]
            lines.remove(line)
        for component in more:
            chosen = [one for one in lines if f"- ../../components/{component} " in one or one.endswith(component)]
            if chosen:
                lines[lines.index(chosen[0])] = f"  - ../../components/{component}"
            else:
                last = max(index for index, line in enumerate(lines) if line.startswith("  - ../../components/"))
                lines.insert(last + 1, f"  - ../../components/{component}")
        kustomization.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return overlay

    return change


def uncomment(file: Path, first: str) -> None:
    """Take the comment sign from a line that begins so, and from those under it."""
    before, sign, after = file.read_text(encoding="utf-8").partition(f"# {first}")
    indent = before.rpartition("\n")[2]
    lines = after.split("\n")
    end = next((at for at, line in enumerate(lines[1:], 1) if not line.startswith(f"{indent}# ")), len(lines))
    lines[1:end] = [line.replace("# ", "", 1) for line in lines[1:end]]
    file.write_text(before + sign.removeprefix("# ") + "\n".join(lines), encoding="utf-8")


def only(manifests: list[Object], kind: str) -> Any:
    [found] = named(manifests, kind)
    return found


def test_another_cluster_in_another_namespace(copy: Copy) -> None:
    changed = {
        SERVERS: "main-kafka-bootstrap.streaming.svc:9093",
        "=kafka-cluster-ca-cert": "=main-cluster-ca-cert",
        "kafka-cluster=kafka": "kafka-cluster=main",
        "namespace: kafka": "namespace: streaming",
    }
    manifests = render(copy(changed, more=("try",)))
    assert problems(manifests) == []
    assert {found["metadata"]["namespace"] for found in manifests} == {"streaming"}
    assert {topic["metadata"]["labels"]["strimzi.io/cluster"] for topic in named(manifests, "KafkaTopic")} == {"main"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kafka-cluster=kafka": "kafka-cluster=main"}, "Secret kafka-cluster-ca-cert: nowhere to be found"),
        ({"kafka-cluster=kafka": "kafka-cluster=main"}, "of cluster main, in kafka; the worker uses"),
        ({"namespace: kafka": "namespace: streaming"}, "of cluster kafka, in streaming; the worker uses"),
        ({SERVERS: "kafka-kafka-bootstrap:9093"}, "say <service>.<namespace>.svc:9093"),
    ],
)
def test_cluster_that_is_half_renamed_is_found(copy: Copy, changed: dict[str, str], said: str) -> None:
    found = problems(render(copy(changed)))
    assert any(said in problem for problem in found), found


def test_secret_that_kustomize_makes_is_found_by_the_worker_and_by_keda(copy: Copy) -> None:
    """Its name ends in a digest of what it holds."""
    overlay = copy({GROUP_ID: GROUP_ID + LOGIN}, without=STRIMZI, more=("autoscaling-secret",))
    with (overlay / "kustomization.yaml").open("a", encoding="utf-8") as file:
        literals = "[MODERATION_SASL_USERNAME=a, MODERATION_SASL_PASSWORD=b]"
        file.write(f"secretGenerator:\n  - {{name: moderation-worker-secrets, literals: {literals}}}\n")
    manifests = render(overlay)
    assert problems(manifests) == []
    name = only(manifests, "Secret")["metadata"]["name"]
    assert name.startswith("moderation-worker-secrets-")
    keys = only(manifests, "TriggerAuthentication")["spec"]["secretTargetRef"]
    assert (
        {key["name"] for key in keys}
        == {name}
        == {pod(only(manifests, "Deployment"))["volumes"][0]["secret"]["secretName"]}
    )


@pytest.mark.parametrize("user", ["", "      - MODERATION_SASL_USERNAME=moderation\n"], ids=["secret", "setting"])
def test_login_by_password_from_the_secret(copy: Copy, user: str) -> None:
    changed = {GROUP_ID: GROUP_ID + LOGIN + user, SERVERS: "kafka.example.com:9094,[2001:db8::1]:9094"}
    manifests = render(copy(changed, without=STRIMZI, more=("autoscaling-secret",)))
    assert problems(manifests) == []
    assert only(manifests, "ScaledObject")["spec"]["triggers"][0]["metadata"]["sasl"] == "scram_sha512"


def test_login_by_password_without_the_secret_is_found(copy: Copy) -> None:
    manifests = render(copy({GROUP_ID: GROUP_ID + SCRAM}, without=STRIMZI, more=("autoscaling-secret",)))
    pod(only(manifests, "Deployment"))["volumes"].clear()
    container = containers(only(manifests, "Deployment"))[0]
    container["volumeMounts"].clear()
    container["env"] = [one for one in container["env"] if one["name"] != "MODERATION_SECRETS_DIR"]
    assert any("MODERATION_SASL_PASSWORD: is required" in problem for problem in problems(manifests))


def test_certificates_from_the_secret(copy: Copy) -> None:
    protocol = "      - MODERATION_SECURITY_PROTOCOL=SSL\n"
    changed = {GROUP_ID: GROUP_ID + protocol + CA + CERTIFICATE}
    overlay = copy(changed, without=STRIMZI, more=("autoscaling-secret",))
    [problem] = problems(render(overlay))
    assert problem.endswith("wanted: sasl: none")
    assert problems(render(copy({"keda-sasl=scram_sha512": "keda-sasl=none"}))) == []


@pytest.mark.parametrize("more", [(), ("autoscaling-secret",)])
def test_scaling_that_does_not_log_in_as_the_worker_does_is_found(copy: Copy, more: tuple[str, ...]) -> None:
    changed = {GROUP_ID: GROUP_ID + (SCRAM.replace("SASL_SSL", "SASL_PLAINTEXT") if more else SCRAM)}
    [problem] = problems(render(copy(changed, without=STRIMZI, more=more)))
    assert problem.startswith("ScaledObject: asks the brokers in another way than the worker; wanted: tls: ")
    assert problem.endswith("tls: disable" if more else "tls: enable, sasl: scram_sha512, an authenticationRef")


def test_brokers_without_login(copy: Copy) -> None:
    changed = {SERVERS: "broker-0.brokers.data.svc:9092", "namespace: kafka": "namespace: moderation"}
    assert problems(render(copy(changed, without=STRIMZI))) == []


@pytest.mark.parametrize("names", ["moderation-posts", "moderation-(posts|verdicts)", "moderation-.*"])
def test_topics_that_are_there_already(copy: Copy, names: str) -> None:
    overlay = copy({"name: moderation-posts}": f"name: {names}}}"})
    uncomment(overlay / "kustomization.yaml", "patches:")
    manifests = render(overlay)
    assert problems(manifests) == []
    left = {"moderation-posts": 2, "moderation-(posts|verdicts)": 1, "moderation-.*": 0}
    assert len(list(named(manifests, "KafkaTopic"))) == left[names]


def test_topics_of_ones_own_beside_them(copy: Copy) -> None:
    manifests = render(copy())
    topic = next(named(manifests, "KafkaTopic"))
    own = topic | {"metadata": topic["metadata"] | {"name": "raw"}, "spec": topic["spec"] | {"topicName": "raw"}}
    assert problems([*manifests, own]) == []


@pytest.mark.parametrize(
    ("replicas", "in_sync", "said"),
    [("3", "2", None), ("1", "1", None), ("2", "3", "so nothing can be written"), ("3", "1", "that were acknowledged")],
)
def test_brokers_of_any_number(copy: Copy, replicas: str, in_sync: str, said: str | None) -> None:
    changed = {"topic-replicas=3": f"topic-replicas={replicas}", "min-insync=2": f"min-insync={in_sync}"}
    manifests = render(copy(changed))
    found = problems(manifests)
    assert {topic["spec"]["replicas"] for topic in named(manifests, "KafkaTopic")} == {int(replicas)}
    assert len(found) == (3 if said else 0)
    assert all(said and said in problem for problem in found)


@pytest.mark.parametrize(
    "without",
    [
        ("autoscaling", "autoscaling-tls"),
        ("pod-monitor", "alerts", "dashboard"),
        ("autoscaling", *STRIMZI, "pod-monitor", "alerts", "dashboard"),
    ],
    ids=["KEDA", "Prometheus operator", "anything"],
)
def test_clusters_without(copy: Copy, without: tuple[str, ...]) -> None:
    manifests = render(copy({"monitoring-namespace=monitoring": "monitoring-namespace=observing"}, without))
    assert problems(manifests) == []
    [rule] = only(manifests, "NetworkPolicy")["spec"]["ingress"]
    assert rule["from"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observing"}


def test_operator_finds_monitor_and_rules_by_the_release(copy: Copy) -> None:
    manifests = render(copy({"monitoring-release=kube-prometheus-stack": "monitoring-release=watch"}))
    assert problems(manifests) == []
    for kind in ("PodMonitor", "PrometheusRule"):
        assert only(manifests, kind)["metadata"]["labels"]["release"] == "watch"


@pytest.mark.parametrize("more", [(), ("static-membership",)], ids=["Deployment", "StatefulSet"])
def test_bundle_in_another_claim(copy: Copy, more: tuple[str, ...]) -> None:
    changed = {"bundle-claim=moderation-worker-bundle": "bundle-claim=bundle-2"}
    manifests = render(copy(changed, more=("model-from-volume", *more)))
    assert problems(manifests) == []
    claims = [
        one["persistentVolumeClaim"]
        for one in pod(only(manifests, "StatefulSet" if more else "Deployment"))["volumes"]
        if "persistentVolumeClaim" in one
    ]
    assert claims == [{"claimName": "bundle-2", "readOnly": True}]


def test_registry_that_asks_for_a_login(copy: Copy) -> None:
    overlay = copy()
    uncomment(overlay / "values" / "kustomization.yaml", "- target: {kind: ServiceAccount")
    manifests = render(overlay)
    assert problems(manifests) == []
    assert only(manifests, "ServiceAccount")["imagePullSecrets"] == [{"name": "registry-login"}]


def test_shadow_beside_the_example_shares_the_posts_alone(copy: Copy) -> None:
    first, second = render(copy()), render(copy(of="shadow"))
    assert not {(one["kind"], one["metadata"]["name"]) for one in first} & {
        (one["kind"], one["metadata"]["name"]) for one in second
    }
    for one, other in ((first, second), (second, first)):
        labels = only(one, "Deployment")["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "PodDisruptionBudget", "PodMonitor"):
            assert not only(other, kind)["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert not only(other, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    jobs = [only(one, "Deployment")["spec"]["template"]["metadata"]["labels"][JOB_LABEL] for one in (first, second)]
    assert jobs == ["moderation-worker", "moderation-worker-shadow"]
    assert {only(one, "PodMonitor")["spec"]["jobLabel"] for one in (first, second)} == {JOB_LABEL}
    made = [topic["spec"]["topicName"] for topic in named([*first, *second], "KafkaTopic")]
    assert sorted(made) == ["dead-letters", "dead-letters-shadow", "posts", "verdicts", "verdicts-shadow"]


def test_shadow_with_everything(copy: Copy) -> None:
    """References follow the suffix, those that only this project's components know included."""
    more = tuple(
        one
        for one in EVERYTHING
        if one not in {"strimzi", "autoscaling", "autoscaling-tls", "pod-monitor", "model-from-volume"}
    )
    manifests = render(copy(more=more, of="shadow"))
    assert problems(manifests) == []
    assert all("-shadow" in found["metadata"]["name"] for found in manifests)


def test_what_the_cluster_has_may_be_said(copy: Copy) -> None:
    overlay = copy({"=kafka-cluster-ca-cert": "=company-ca"})
    command = [sys.executable, "-m", "tests.deploy", str(overlay)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert refused.returncode == 1
    assert (
        "Secret company-ca: nowhere to be found; if the cluster has it: make manifests EXISTS=Secret/company-ca"
        in refused.stdout
    )
    told = subprocess.run(
        [*command, "--exists", "Secret/company-ca"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (told.returncode, told.stdout.splitlines()[-1].split(", ")[1]) == (0, "0 problems")


def test_folder_that_is_no_overlay_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.deploy", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "kustomization" in done.stderr
    assert "Traceback" not in done.stderr
