"""The manifests fit their schemas, the worker's settings and each other, in every combination that is offered."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.deploy.checking import problems
from tests.deploy.pods import BEYOND_DRAIN_SECONDS, read
from tests.deploy.rendering import KUBERNETES, ROOT, Object, components, named, render, render_together
from tests.deploy.workload import containers, environment, settings

pytestmark = pytest.mark.timeout(600)
TLS = ["MODERATION_BOOTSTRAP_SERVERS=kafka-kafka-bootstrap.kafka.svc:9093"]
EVERYTHING = [
    "strimzi",
    "exactly-once",
    "policy",
    "model-from-volume",
    "autoscaling",
    "autoscaling-tls",
    "tracing",
    "static-membership",
    "pod-monitor",
    "alerts",
    "dashboard",
    "try",
]
INSTEAD = {"autoscaling-secret"}
"""Components in place of another one; test_overlays.py tries them."""
ALONE = sorted({*EVERYTHING} - {"autoscaling-tls"})


def test_every_component_is_tried_here() -> None:
    assert sorted({*EVERYTHING} | INSTEAD) == components()


def test_base_is_in_order() -> None:
    assert problems(render(KUBERNETES / "base")) == []


@pytest.mark.parametrize("overlay", sorted((KUBERNETES / "overlays").iterdir()), ids=lambda path: path.name)
def test_overlay_is_in_order(overlay: Path) -> None:
    assert problems(render(overlay)) == []


@pytest.mark.parametrize("component", ALONE)
def test_component_alone_is_in_order(component: str) -> None:
    assert problems(render_together([component], TLS)) == []


def test_all_components_together_are_in_order() -> None:
    manifests = render_together(EVERYTHING, TLS)
    assert problems(manifests) == []
    assert {found["kind"] for found in manifests} >= {"StatefulSet", "KafkaUser", "ScaledObject", "PrometheusRule"}
    assert not list(named(manifests, "Deployment"))


def test_one_name_in_the_settings_is_enough_for_topics_permissions_and_scaling() -> None:
    """The checks compare all of these with the settings: a name that went nowhere would be a problem."""
    names = ["INPUT_TOPIC=my.posts", "OUTPUT_TOPIC=my_verdicts", "DEAD_LETTER_TOPIC=my-dead", "GROUP_ID=my-group"]
    manifests = render_together(EVERYTHING, [*TLS, *(f"MODERATION_{name}" for name in names)])
    assert problems(manifests) == []
    granted = {
        user["metadata"]["name"]: [rule["resource"]["name"] for rule in user["spec"]["authorization"]["acls"]]
        for user in named(manifests, "KafkaUser")
    }
    assert granted == {
        "moderation-worker": ["my.posts", "my-group", "my_verdicts", "my-dead", "my-group."],
        "moderation-worker-try": ["my.posts", "my_verdicts", "moderation-worker-try"],
    }


def test_dashboard_is_found_by_its_label_and_is_the_one_that_is_made() -> None:
    [dashboard] = (
        found for found in render_together(["dashboard"]) if found["metadata"]["name"] == "moderation-worker-dashboard"
    )
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    made = (ROOT / "deploy" / "grafana" / "moderation-worker.json").read_text(encoding="utf-8")
    assert dashboard["data"] == {"moderation-worker.json": made}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_spans_go_to_the_collector_of_the_values_and_may_reach_it(kind: str) -> None:
    more = ["static-membership"] if kind == "StatefulSet" else []
    manifests = render_together(["tracing", *more])
    [workload] = named(manifests, kind)
    told = environment(containers(workload)[0], manifests)
    collector = urlsplit(told["OTEL_EXPORTER_OTLP_ENDPOINT"])
    assert (collector.hostname, told["OTEL_TRACES_SAMPLER_ARG"]) == ("otel-collector.observability", "0.01")
    [policy] = named(manifests, "NetworkPolicy")
    out = policy["spec"]["egress"][-1]
    assert out["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "observability"}
    assert out["ports"] == [{"port": collector.port, "protocol": "TCP"}]


def test_script_of_the_trial_is_sound_shell() -> None:
    [job] = named(render_together(["strimzi", "try"], TLS), "Job")
    [console] = containers(job)
    assert console["command"] == ["/bin/bash", "-ec"]
    done = subprocess.run(["bash", "-n", "-c", console["args"][0]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    # The image is Alpine's: BusyBox' grep knows short options only.
    assert "grep -m 1" in console["args"][0]
    assert "grep --" not in console["args"][0]


def test_changed_setting_changes_the_pods() -> None:
    """Else nothing would restart them."""

    def referred(manifests: list[Object]) -> str:
        [deployment] = named(manifests, "Deployment")
        name: str = containers(deployment)[0]["envFrom"][0]["configMapRef"]["name"]
        return name

    assert referred(render_together([], ["MODERATION_BATCH_TOKENS=256"])) != referred(render_together([]))


def test_grace_period_is_that_of_the_readme() -> None:
    manifests = render(KUBERNETES / "base")
    [deployment] = named(manifests, "Deployment")
    grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"grace period of {grace} s" in readme
    assert f"({read(manifests).drain_timeout_seconds:g} s) and at most {BEYOND_DRAIN_SECONDS:g} s more" in readme


def test_rule_of_the_operator_is_the_rule_file() -> None:
    """Generated: `make rules`."""
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yaml").read_text(encoding="utf-8"))
    [rule] = yaml.safe_load_all((KUBERNETES / "components" / "alerts" / "prometheus-rule.yaml").read_text("utf-8"))
    assert rule["spec"] == rules
    assert rule["spec"]["groups"]


def test_settings_of_the_example_are_all_that_a_worker_needs() -> None:
    given = settings(render(KUBERNETES / "overlays" / "example"))
    assert given["MODERATION_BOOTSTRAP_SERVERS"] == "kafka-kafka-bootstrap.kafka.svc:9093"
    assert given["MODERATION_SECURITY_PROTOCOL"] == "SSL"
