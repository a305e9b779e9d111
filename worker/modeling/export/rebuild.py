"""A bundle whose graph is built anew from its own constants: as newer code builds it, every score bit for bit as it was."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from worker.core.errors import Fatal
from worker.core.types import Window
from worker.model import manifest as parts
from worker.model.bundle import file_sha256
from worker.model.classifier import Classifier
from worker.model.session import Session
from worker.modeling.export.arithmetic import Activation, Float32, Floats
from worker.modeling.export.assembly import FILES, REPORT, assembled
from worker.modeling.export.constants import Constants
from worker.modeling.export.electra_graph import EMBEDDINGS, Weights, assemble
from worker.modeling.export.graph import MICROSOFT, GraphBuilder

WINDOWS = 256
"""Made-up windows of all lengths, scored by both graphs in batches of 1 to 16."""


def rebuild(bundle: Path, out: Path, version: str) -> int:
    """Write the bundle to `out` under another version; returns how many windows both graphs scored alike.

    Raises Fatal where `bundle` is none that `export` wrote, or a score would be another one.
    """
    served = Classifier.load(bundle)
    manifest = served.bundle.manifest
    constants = Constants(onnx.load(str(bundle / parts.MODEL)).graph)
    try:
        graph = assemble(
            _weights(constants),
            constants.shape(),
            _Stored(constants),
            manifest.layout,
            manifest.max_length,
            len(manifest.labels),
        )
    except (KeyError, StopIteration, ValueError) as error:
        raise Fatal(
            f"rebuild: {bundle}: {parts.MODEL} is not a graph of `moderation-model export`: {error!r}"
        ) from error
    with assembled(out) as work:
        for name in FILES:
            if (bundle / name).exists() and name != parts.MODEL:
                shutil.copyfile(bundle / name, work / name)
        onnx.save(graph, work / parts.MODEL)
        sessions = [Session(path / parts.MODEL, manifest.layout, len(manifest.labels)) for path in (bundle, work)]
        compared = _compare(sessions, _windows(served), bundle)
        files = manifest.files | {parts.MODEL: file_sha256(work / parts.MODEL)}
        changed = manifest.model_copy(update={"version": version, "files": files})
        (work / parts.MANIFEST).write_text(changed.model_dump_json(indent=2, by_alias=True) + "\n", encoding="utf-8")
        if (bundle / REPORT).exists():  # what was measured on the way is true of the same scores
            told = json.loads((bundle / REPORT).read_text(encoding="utf-8"))
            told["bytes"][parts.MODEL] = (work / parts.MODEL).stat().st_size
            (work / REPORT).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        Classifier.load(work)
    return compared


class _Stored:
    """The arithmetic of a graph that is there: its constants as they are, whatever weights it is handed."""

    def __init__(self, constants: Constants) -> None:
        self._tensors = constants.tensors

    def activation(self, graph: GraphBuilder, value: str, site: str) -> Activation:
        """As the graph prepares it."""
        if f"{site}.scale" not in self._tensors:
            return Activation(value)
        if f"{site}.factors" in self._tensors:
            value = graph.op("Mul", value, self._constant(graph, f"{site}.factors"))
        scale, zero = (self._constant(graph, f"{site}.{part}") for part in ("scale", "zero"))
        return Activation(graph.op("QuantizeLinear", value, scale, zero), scale, zero)

    def linear(self, graph: GraphBuilder, x: Activation, weight: Floats, bias: Floats, name: str) -> str:  # noqa: ARG002
        """The product with the stored weight."""
        stored = {part: f"{name}.{part}" for part in ("weight", "scales", "bias")}
        if not x.scale:
            return Float32().linear(graph, x, self._tensors[stored["weight"]], self._tensors[stored["bias"]], name)
        constants = {part: self._constant(graph, each) for part, each in stored.items()}
        inputs = (x.value, constants["weight"], x.scale, constants["scales"], x.zero, "", constants["bias"])
        return graph.op("MatMulIntegerToFloat", *inputs, domain=MICROSOFT)

    def rows(self, graph: GraphBuilder, table: Floats, indices: str, name: str) -> str:
        """Rows of the stored table."""
        if f"{name}.scales" not in self._tensors:
            return Float32().rows(graph, table, indices, name)
        values = graph.op("Gather", self._constant(graph, name), indices)
        steps = graph.op("Gather", self._constant(graph, f"{name}.scales"), indices)
        return graph.op("Mul", graph.op("Cast", values, to=1), steps)

    def _constant(self, graph: GraphBuilder, name: str) -> str:
        return graph.constant(name, self._tensors[name])


def _weights(constants: Constants) -> Weights:
    """By a classifier's names; token types are a part of the positions."""
    tensors = constants.tensors
    words, positions = tensors["words"], tensors["positions.weight"]
    return {
        **tensors,
        f"{EMBEDDINGS}.word_embeddings.weight": words,
        f"{EMBEDDINGS}.position_embeddings.weight": positions,
        f"{EMBEDDINGS}.token_type_embeddings.weight": np.zeros((1, positions.shape[1]), np.float32),
        "out.weight": tensors["out.weight"].T,
    }


def _windows(served: Classifier) -> list[Window]:
    """Windows of the golden posts, and random ones of every length."""
    golden = served.windows([served.normalise(post.text).text for post in served.bundle.golden])
    known = [window for windows in golden for window in windows]
    pieces = sorted({piece for window in known for piece in window[1:-1]})
    draw, most = random.Random(0), served.bundle.manifest.max_length
    lengths = [3 + number % (most - 2) for number in range(WINDOWS)]
    made_up = [(known[0][0], *draw.choices(pieces, k=length - 2), known[0][-1]) for length in lengths]
    draw.shuffle(made_up)
    return known + made_up


def _compare(sessions: Sequence[Session], windows: Sequence[Window], bundle: Path) -> int:
    start, size = 0, 1
    while start < len(windows):
        batch = windows[start : start + size]
        old, new = (session.logits(batch) for session in sessions)
        if not _same(old, new):
            raise Fatal(f"rebuild: {bundle}: a new graph scores differently, by up to {np.abs(old - new).max():.2g}")
        start, size = start + size, size % 16 + 1
    return len(windows)


def _same(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    return one.tobytes() == other.tobytes()
