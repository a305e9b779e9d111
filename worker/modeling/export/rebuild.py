"""A bundle whose graph is built anew from its own constants: as newer code builds it, every score bit for bit as it was."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from worker.core.errors import Fatal
from worker.core.types import Window
from worker.model import manifest as parts
from worker.model.bundle import file_sha256
from worker.model.classifier import Classifier
from worker.model.session import Session
from worker.modeling.bundles import load_named
from worker.modeling.export.arithmetic import (
    Activation,
    Float32,
    Floats,
    activation_of,
    product_of,
    rows_of,
)
from worker.modeling.export.assembly import FILES, REPORT, assembled
from worker.modeling.export.constants import Constants
from worker.modeling.export.electra_graph import EMBEDDINGS, Weights, assemble
from worker.modeling.export.graph import GraphBuilder

WINDOWS = 256
"""Made-up windows of all lengths, scored by both graphs in batches of 1 to 16."""


def rebuild(bundle: Path, out: Path, version: str) -> int:
    """Write the bundle to `out` under another version; returns how many windows both graphs scored alike.

    Raises Fatal where `bundle` is none that `export` wrote, or a score would be another one.
    """
    served = load_named(bundle)
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
            try:
                told = json.loads((bundle / REPORT).read_text(encoding="utf-8"))
                told["bytes"][parts.MODEL] = (work / parts.MODEL).stat().st_size
            except (ValueError, TypeError, KeyError) as error:
                raise Fatal(f"rebuild: {bundle / REPORT}: damaged ({error!r}): remove it or restore it") from error
            (work / REPORT).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        Classifier.load(work)
    return compared


class _Stored:
    """The arithmetic of a graph that is there: its constants as they are, whatever weights it is handed."""

    def __init__(self, constants: Constants) -> None:
        self._tensors = constants.tensors

    def activation(self, graph: GraphBuilder, value: str, site: str) -> Activation:
        """As the graph prepares it."""
        found = self._tensors
        if f"{site}.scale" not in found:
            return Activation(value)
        return activation_of(
            graph, value, site, found[f"{site}.scale"], found[f"{site}.zero"], found.get(f"{site}.factors")
        )

    def linear(self, graph: GraphBuilder, x: Activation, weight: Floats, bias: Floats, name: str) -> str:  # noqa: ARG002
        """The product with the stored weight."""
        found, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        if not x.scale:
            return Float32().linear(graph, x, found, bias, name)
        return product_of(graph, x, name, found, self._tensors[f"{name}.scales"], bias)

    def rows(self, graph: GraphBuilder, table: Floats, indices: str, name: str) -> str:
        """Rows of the stored table, which `table` is."""
        scales = self._tensors.get(f"{name}.scales")
        if scales is None:
            return Float32().rows(graph, table, indices, name)
        return rows_of(graph, indices, name, self._tensors[name], scales)


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
        if old.tobytes() != new.tobytes():
            raise Fatal(f"rebuild: {bundle}: a new graph scores differently, by up to {np.abs(old - new).max():.2g}")
        start, size = start + size, size % 16 + 1
    return len(windows)
