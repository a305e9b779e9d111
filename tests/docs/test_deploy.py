"""deploy/README.md lists every value that is yours, where it is, and every component."""

import re
from pathlib import Path

import yaml

from tests.deploy.rendering import KUBERNETES, ROOT, components, render_together

PAGE = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
EXAMPLE = KUBERNETES / "overlays" / "example"
VALUES = EXAMPLE / "values" / "kustomization.yaml"


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first heading is this, by cell."""
    [rows] = re.findall(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows.splitlines()]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def literals(file: Path, generator: str) -> dict[str, str]:
    generators = {one["name"]: one["literals"] for one in yaml.safe_load(file.read_text("utf-8"))["configMapGenerator"]}
    return dict(literal.split("=", 1) for literal in generators[generator])


def test_every_value_of_the_file_is_in_the_table() -> None:
    listed = {name for row in table("value") if VALUES.parent.name in row[1] for name in names(row[0])}
    given = {*literals(VALUES, "moderation-worker-settings"), *literals(VALUES, "deployment-values")}
    assert listed >= given
    others = {"newName", "newTag", "imagePullSecrets", "requests", "limits", "count"}
    assert listed - given == others


def test_every_row_of_the_table_names_what_is_in_its_file() -> None:
    folders = (EXAMPLE, KUBERNETES, ROOT)
    for value, where, _ in table("value"):
        file = next(found for folder in folders if (found := folder / names(where)[0]).is_file())
        text = file.read_text(encoding="utf-8")
        for name in names(value):
            assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text), f"{name}: not in {file}"


def test_example_gives_every_value_that_components_know_as_the_base_does() -> None:
    base = literals(KUBERNETES / "base" / "kustomization.yaml", "deployment-values")
    assert literals(VALUES, "deployment-values") == base


def test_every_component_is_in_the_table_and_the_example_offers_it() -> None:
    listed = [name for row in table("component") for name in names(row[0])]
    assert sorted(listed) == components()
    offered = (EXAMPLE / "kustomization.yaml").read_text(encoding="utf-8")
    assert [name for name in listed if not re.search(rf"\b{name}\b", offered)] == []


def test_what_kubectl_is_told_of_is_in_the_manifests() -> None:
    there = {
        (found["kind"].lower(), found["metadata"]["name"])
        for more in ([], ["static-membership"])
        for found in render_together(["strimzi", *more, "try"])
    }
    told = set(re.findall(r"\b(deployment|statefulset|job)/([a-z-]+)", PAGE))
    told |= {
        (kind, name) for kinds, name in re.findall(r"delete ([a-z,]+) ([a-z-]+)", PAGE) for kind in kinds.split(",")
    }
    assert {kind for kind, _ in told} == {"deployment", "statefulset", "job", "kafkauser"}
    assert told - there == set()
