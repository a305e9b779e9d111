"""All checks of manifests together; `python -m tests.deploy` makes them of yours."""

from collections.abc import Iterable
from pathlib import Path

from tests.deploy import kafka, keda, pods, references
from tests.deploy.kinds import CRDS, misfits
from tests.deploy.rendering import ROOT, Object
from worker.core.errors import Fatal

DOCUMENTED = ROOT / "deploy" / "README.md"


def problems(
    manifests: Iterable[Object], crds: Path = CRDS, documented: Path = DOCUMENTED, existing: Iterable[str] = ()
) -> list[str]:
    """What is wrong, a line each: schemas, pods, settings, and what Kafka and the autoscaler are asked for.

    `existing`: what the cluster has already, each as `Secret/its-name`.
    """
    found = list(manifests)
    if wrong := misfits(found, crds):
        return [*wrong, "the other checks were not made: they read what fits its schema"]
    checks = (
        pods.restricted,
        pods.no_token,
        pods.selected,
        references.exist(documented.read_text(encoding="utf-8"), existing),
        pods.settings_hold,
        pods.whole_cpus,
        pods.one_at_a_time,
        pods.ports_asked,
    )
    wrong = [problem for check in checks for problem in check(found)]
    by_settings = (
        pods.time_to_end,
        pods.ports_agree,
        kafka.least_privilege,
        kafka.topics_fit,
        kafka.cluster_is_strimzis,
        keda.scaling_fits,
        kafka.ports_reachable,
    )
    try:
        wrong += [problem for check in by_settings for problem in check(found)]
    except Fatal:
        wrong.append("the checks by settings were not made, because the settings are wrong")
    return wrong
