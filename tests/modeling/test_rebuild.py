"""A rebuilt bundle: another graph, the same scores, bit for bit."""

import json
from pathlib import Path

import onnx
import pytest

from worker.core.errors import Fatal
from worker.model.bundle import file_sha256
from worker.model.classifier import Classifier
from worker.model.manifest import GOLDEN, MANIFEST, MODEL, TOKENIZER, Layout, Quantization
from worker.modeling.cli import main
from worker.modeling.export.assembly import REPORT
from worker.modeling.export.rebuild import rebuild
from worker.modeling.export.run import Export, export

WINDOWS = [(2, *range(5, 5 + length), 3) for length in range(1, 15)]


def bundle_of(
    classifier: Path, posts: Path, out: Path, quantization: Quantization = "int8-static", layout: Layout = "packed"
) -> Path:
    export(
        Export(classifier, out, "tiny", "1", calibration=(posts,), overlap=8, quantization=quantization, layout=layout)
    )
    return out


def replace_graph(bundle: Path, model: onnx.ModelProto) -> None:
    """With the checksum that belongs to it."""
    onnx.save(model, bundle / MODEL)
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"][MODEL] = file_sha256(bundle / MODEL)
    (bundle / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("quantization", "layout"), [("int8-static", "packed"), ("fp32", "packed"), ("int8-static-7bit", "padded")]
)
def test_scores_stay_bit_for_bit(
    classifier: Path, posts: Path, tmp_path: Path, quantization: Quantization, layout: Layout
) -> None:
    old = bundle_of(classifier, posts, tmp_path / "old", quantization, layout)
    assert main(["rebuild", "--bundle", str(old), "--out", str(tmp_path / "new"), "--version", "2"]) == 0
    before, after = Classifier.load(old), Classifier.load(tmp_path / "new")
    assert before.score(WINDOWS) == after.score(WINDOWS)
    assert (after.bundle.name, after.bundle.version) == ("tiny", "2")
    for name in (TOKENIZER, GOLDEN):
        assert (old / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
    told = json.loads((tmp_path / "new" / REPORT).read_text())
    assert told["bytes"][MODEL] == (tmp_path / "new" / MODEL).stat().st_size


def test_outputs_are_compared(classifier: Path, posts: Path, tmp_path: Path) -> None:
    old = bundle_of(classifier, posts, tmp_path / "old")
    model = onnx.load(old / MODEL)
    norm = next(node for node in model.graph.node if node.op_type == "LayerNormalization")
    next(each for each in norm.attribute if each.name == "epsilon").f = 1e-5  # taken for that of all the others
    replace_graph(old, model)
    with pytest.raises(Fatal, match="scores differently"):
        rebuild(old, tmp_path / "new", "2")
    assert not (tmp_path / "new").exists()


def test_another_graph_is_refused(classifier: Path, posts: Path, tmp_path: Path) -> None:
    old = bundle_of(classifier, posts, tmp_path / "old")
    model = onnx.load(old / MODEL)
    for tensor in model.graph.initializer:
        if tensor.name == "sizes.heads":
            tensor.name = "heads"
    for node in model.graph.node:
        node.input[:] = ["heads" if name == "sizes.heads" else name for name in node.input]
    replace_graph(old, model)
    with pytest.raises(Fatal, match="not a graph of `moderation-model export`"):
        rebuild(old, tmp_path / "new", "2")
