"""Objects against the schemas of their kinds, strictly: a field that a schema does not know is a mistake."""

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import yaml

from tests.deploy.rendering import Object

CRDS = Path(__file__).with_name("crds")
OLDEST, NEWEST = "1.29", "1.37"
"""Versions of Kubernetes that the manifests are for: the ends of the range."""


def misfits(manifests: Iterable[Object], crds: Path = CRDS) -> list[str]:
    """What does not fit, a line each. `crds`: a folder of CustomResourceDefinitions, for kinds that are not known here."""
    return [problem for found in manifests for problem in _misfits(json.dumps(found), crds)]


@cache  # Kubernetes' schemas are read anew for each object
def _misfits(text: str, crds: Path) -> list[str]:
    found = json.loads(text)
    name = f"{found.get('kind')}/{found.get('metadata', {}).get('name')}"
    if validator := (_validators(CRDS) | _validators(crds)).get((found.get("apiVersion"), found.get("kind"))):
        errors = validator.iter_errors(found)
        return [f"{name}: {'.'.join(map(str, error.instance_path))}: {error.message}" for error in errors]
    problems = []
    for version in (OLDEST, NEWEST):
        try:
            kubernetes_validate.validate(found, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            problems.append(
                f"{name}: no schema for {found['apiVersion']} in Kubernetes {version} or the definitions given; make manifests CRDS=folder"
            )
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{name}: Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message}")
    return problems


@cache
def _validators(crds: Path) -> dict[tuple[str, str], jsonschema_rs.Draft4Validator]:
    found = {}
    for file in sorted(crds.glob("*.yaml")):
        for definition in filter(None, yaml.safe_load_all(file.read_text(encoding="utf-8"))):
            spec = definition["spec"]
            for version in spec["versions"]:
                key = f"{spec['group']}/{version['name']}", spec["names"]["kind"]
                schema = _strict(version["schema"]["openAPIV3Schema"])
                # Kubernetes prunes and checks metadata itself, so definitions leave it empty.
                schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
                found[key] = jsonschema_rs.Draft4Validator(schema)
    return found


def _strict(schema: Any) -> Any:
    """OpenAPI 3.0 as Kubernetes uses it, as a JSON Schema that knows no other fields than those named."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strict(part) for key, part in schema.items()}
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        strict.setdefault("additionalProperties", False)
    if schema.get("x-kubernetes-int-or-string"):
        strict.pop("type", None)
    if isinstance(schema.get("pattern"), str):  # Go's flag for any case, which JSON Schema lacks: lower case passes
        strict["pattern"] = schema["pattern"].replace("(?i)", "")
    return strict
