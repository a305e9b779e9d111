"""Kubernetes manifests as kustomize renders them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import yaml

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
BUILT = ROOT / ".cache" / "bin" / "kustomize"
RENDER_SECONDS = 60

Object: TypeAlias = dict[str, Any]


class RenderError(Exception):
    """There is nothing to render with, or the folder cannot be rendered."""


def render(folder: Path) -> list[Object]:
    """All objects of a kustomization, by `kubectl kustomize` or the kustomize of `make ci-tools`. Raises RenderError."""
    if kubectl := shutil.which("kubectl"):
        command = [kubectl, "kustomize", str(folder)]
    elif BUILT.is_file():
        command = [str(BUILT), "build", str(folder)]
    else:
        raise RenderError("neither kubectl nor kustomize: make ci-tools builds kustomize")
    done = subprocess.run(command, capture_output=True, text=True, timeout=RENDER_SECONDS, check=False)
    if done.returncode != 0:
        raise RenderError(done.stderr)
    return objects(done.stdout)


def render_together(components: Iterable[str], settings: Iterable[str] = ()) -> list[Object]:
    """The base with these settings (`NAME=value`) and components, in this order, as an overlay would."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        _write(
            folder / "values",
            {
                "apiVersion": "kustomize.config.k8s.io/v1alpha1",
                "kind": "Component",
                "configMapGenerator": [
                    {"name": "moderation-worker-settings", "behavior": "merge", "literals": list(settings)}
                ],
            },
        )
        _write(
            folder,
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [os.path.relpath(KUBERNETES / "base", folder)],
                "components": [
                    "values",
                    *(os.path.relpath(KUBERNETES / "components" / component, folder) for component in components),
                ],
            },
        )
        return render(folder)


def _write(folder: Path, kustomization: Object) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization), encoding="utf-8")


def components() -> list[str]:
    """Names of all components."""
    return sorted(path.parent.name for path in (KUBERNETES / "components").glob("*/kustomization.yaml"))


def objects(text: str) -> list[Object]:
    """The objects of a YAML stream. Raises yaml.YAMLError."""
    return [found for found in yaml.safe_load_all(text) if found]


def named(manifests: Iterable[Object], kind: str) -> Iterator[Object]:
    """Those of a kind."""
    return (found for found in manifests if found["kind"] == kind)
