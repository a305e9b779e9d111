"""Which layers pay for being quantized: each in float32 in turn, and what that brings the scores nearer."""

import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.special import expit

from worker.core.errors import Fatal
from worker.core.types import Window
from worker.model.manifest import Layout
from worker.model.session import Session
from worker.modeling.evaluation.scoring import batches
from worker.modeling.export.arithmetic import Arithmetic, Float32
from worker.modeling.export.electra_graph import build_graph
from worker.modeling.training.network import Classifier


@dataclass(frozen=True, slots=True)
class Effect:
    """One layer kept in float32.

    `mean`: mean difference of a probability from the float32 graph's; `bytes`: by how much the file grows.
    `layer` is "" for the graph with every layer quantized.
    """

    layer: str
    mean: float
    bytes: int


def short(site: str) -> str:
    """A layer's name without what all of them share."""
    return site.removeprefix("electra.").removeprefix("encoder.")


def sites_to_keep(names: Collection[str], sites: Collection[str]) -> frozenset[str]:
    """The sites that `names` mean: a layer's short name or its beginning. Raises Fatal for one that means none."""
    kept = set()
    for name in names:
        found = {site for site in sites if f"{short(site)}.".startswith(f"{name}.")}
        if not found:
            raise Fatal(f"export: --keep-fp32 {name}: the layers are {', '.join(sorted(map(short, sites)))}")
        kept |= found
    return frozenset(kept)


def measure(
    trained: Classifier,
    served: Classifier,
    candidates: Mapping[str, Arithmetic],
    windows: Sequence[Window],
    layout: Layout,
) -> list[Effect]:
    """How far the scores of `served` in each candidate's arithmetic are from those of `trained` in float32.

    In the candidates' order; `bytes` is the whole file's.
    """
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "draft.onnx"

        def scored(weights: Classifier, arithmetic: Arithmetic) -> NDArray[np.float64]:
            onnx.save(build_graph(weights, arithmetic, layout), model)
            session = Session(model, layout, len(trained.config.labels))
            logits = np.zeros((len(windows), len(trained.config.labels)))
            for batch in batches(list(enumerate(windows))):
                logits[[owner for owner, _ in batch]] = session.logits([window for _, window in batch])
            found: NDArray[np.float64] = expit(logits)
            return found

        expected = scored(trained, Float32())
        return [
            Effect(name, float(np.abs(scored(served, arithmetic) - expected).mean()), model.stat().st_size)
            for name, arithmetic in candidates.items()
        ]


def scan(
    trained: Classifier,
    served: Classifier,
    quantized: Callable[[Collection[str]], Arithmetic],
    sites: Collection[str],
    windows: Sequence[Window],
    layout: Layout,
) -> list[Effect]:
    """The effect of each site of `served` on its distance from `trained`, the most helpful first, after that of none.

    `quantized` makes the arithmetic that keeps the given sites in float32.
    """
    candidates = {"": quantized(())} | {short(site): quantized((site,)) for site in sites}
    none, *effects = measure(trained, served, candidates, windows, layout)
    effects = [Effect(each.layer, each.mean, each.bytes - none.bytes) for each in effects]
    return [Effect("", none.mean, 0), *sorted(effects, key=lambda each: each.mean)]


def markdown(effects: Sequence[Effect]) -> str:
    """Effects as a Markdown table."""
    lines = ["| kept in float32 | mean difference | MB more |", "|---|---|---|"]
    lines += [f"| {each.layer or '(none)'} | {each.mean:.5f} | {each.bytes / 1e6:.2f} |" for each in effects]
    return "\n".join(lines) + "\n"
