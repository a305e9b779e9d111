import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from tests.modeling.tiny import LABELS
from worker.core.errors import Fatal
from worker.model.classifier import Classifier
from worker.model.manifest import MANIFEST, Layout, Quantization
from worker.modeling import export as module
from worker.modeling.arithmetic import Activation, Float32, Floats, StaticInt8, quantize
from worker.modeling.export import Export, export
from worker.modeling.graph import MICROSOFT, GraphBuilder


def job(classifier: Path, posts: Path, out: Path) -> Export:
    return Export(classifier, out, "tiny", "1", calibration=(posts,), dev=(posts,), overlap=8)


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("quantization", ["int8-static", "int8-static-7bit", "fp32"])
def test_export_agrees_with_torch_and_is_batch_invariant(
    classifier: Path, posts: Path, tmp_path: Path, layout: Layout, quantization: Quantization
) -> None:
    wanted = dataclasses.replace(job(classifier, posts, tmp_path), layout=layout, quantization=quantization)
    report = export(wanted)  # refuses a graph whose scores depend on the batch
    assert report["torch"]["mean"] < (1e-5 if quantization == "fp32" else 0.05)
    assert report["batch_invariant_comparisons"] > 0
    loaded = Classifier.load(tmp_path)
    assert loaded.labels == LABELS
    assert loaded.bundle.manifest.layout == layout
    assert loaded.bundle.manifest.quantization == quantization


def test_packed_and_padded_graphs_give_the_same_scores(classifier: Path, posts: Path, tmp_path: Path) -> None:
    texts = ["good", "the rain " * 30, "bad, BAD!"]
    found = []
    for layout in ("packed", "padded"):
        wanted = dataclasses.replace(job(classifier, posts, tmp_path / layout), layout=layout)
        export(wanted)
        loaded = Classifier.load(tmp_path / layout)
        found.append(loaded.score([window for windows in loaded.windows(texts) for window in windows]))
    assert found[0] == found[1]


def test_seven_bit_weights_fit_sixteen_bit_sums(classifier: Path, posts: Path, tmp_path: Path) -> None:
    export(dataclasses.replace(job(classifier, posts, tmp_path), quantization="int8-static-7bit"))
    graph = onnx.load(tmp_path / "model.onnx").graph
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer}
    largest = [abs(tensors[n.input[1]].astype(int)).max() for n in graph.node if n.op_type == "MatMulIntegerToFloat"]
    assert len(largest) == 2 * 6 + 1
    assert 2 * 255 * max(largest) < 2**15


def test_int8_without_calibration_posts_is_refused(classifier: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="--calibration"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), calibration=()))


def test_fp32_needs_no_posts_and_reviews_from_one_half(classifier: Path, tmp_path: Path) -> None:
    report = export(Export(classifier, tmp_path, "tiny", "1", quantization="fp32", overlap=8))
    assert {t["review"] for t in report["policy"]["thresholds"].values()} == {0.5}


def test_only_named_labels_may_block(classifier: Path, posts: Path, tmp_path: Path) -> None:
    report = export(dataclasses.replace(job(classifier, posts, tmp_path), may_block=("hate",)))
    assert report["policy"]["thresholds"]["offensive"]["block"] is None
    with pytest.raises(Fatal, match="--block insult"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), may_block=("insult",)))


def test_graph_that_computes_something_else_is_refused_and_leaves_no_bundle(
    classifier: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(Float32):
        def rows(self, graph: GraphBuilder, table: object, indices: str, name: str) -> str:
            return super().rows(graph, table[::-1], indices, name)  # type: ignore[index]

    export(job(classifier, posts, tmp_path))
    monkeypatch.setattr(module, "Float32", Wrong)
    with pytest.raises(Fatal, match="probabilities differ"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), quantization="fp32"))
    assert not (tmp_path / MANIFEST).exists()


def test_directory_that_is_no_classifier_is_refused(encoder: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match=r"classifier\.json"):
        export(job(encoder, posts, tmp_path))


def test_overlap_that_leaves_no_room_is_refused(classifier: Path, posts: Path, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="overlap"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), overlap=30))


def test_single_label_classifier_is_served_with_softmax(classifier: Path, posts: Path, tmp_path: Path) -> None:
    copy = tmp_path / "classifier"
    copy.mkdir()
    for file in classifier.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    config = json.loads((copy / "classifier.json").read_text())
    (copy / "classifier.json").write_text(json.dumps({**config, "problem_type": "single_label_classification"}))
    export(job(copy, posts, tmp_path / "bundle"))
    loaded = Classifier.load(tmp_path / "bundle")
    scores = loaded.score([window for windows in loaded.windows(["good", "bad bad"]) for window in windows])
    assert all(sum(row) == pytest.approx(1, abs=1e-6) for row in scores)


class Dynamic(StaticInt8):
    """What most quantized exports do: one activation scale for all rows of a batch, computed as it runs."""

    def activation(self, graph: GraphBuilder, value: str, site: str) -> Activation:  # noqa: ARG002
        return Activation(value)

    def linear(self, graph: GraphBuilder, x: Activation, weight: Floats, bias: Floats, name: str) -> str:
        quantized, scales = quantize(weight, axis=0, largest=127)
        inputs: dict[str, NDArray[Any]] = {"weight": quantized, "scales": scales.reshape(-1)}
        inputs |= {"zeros": np.zeros(scales.size, np.int8), "bias": bias}
        constants = [graph.constant(f"{name}.{key}", value) for key, value in inputs.items()]
        return graph.op("DynamicQuantizeMatMul", x.value, *constants, domain=MICROSOFT)


def test_graph_whose_scores_depend_on_the_batch_is_refused(
    classifier: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "StaticInt8", Dynamic)
    with pytest.raises(Fatal, match="in a batch of"):
        export(job(classifier, posts, tmp_path))
    assert not (tmp_path / MANIFEST).exists()
