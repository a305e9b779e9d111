import dataclasses
import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from tests.modeling.tiny import LABELS, MAX_LENGTH, write_posts
from worker.core.errors import Fatal
from worker.model.classifier import Classifier
from worker.model.manifest import TOKENIZER, Layout, Quantization
from worker.model.tokenizer import load_tokenizer
from worker.modeling.evaluation.scoring import of_half, score_set
from worker.modeling.export import quantized
from worker.modeling.export.arithmetic import Activation, Float32, Floats, StaticInt8, quantize
from worker.modeling.export.graph import MICROSOFT, GraphBuilder
from worker.modeling.export.parity import Bounds
from worker.modeling.export.quantize_aware import distil_to_int8
from worker.modeling.export.run import Export, export
from worker.modeling.export.score_calibration import Platt, calibrated
from worker.modeling.posts.examples import read_examples, tokenise
from worker.modeling.training import network


@pytest.fixture(scope="module")
def separating(classifier: Path, posts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier whose scores rise with the truth, and are far too sure of it."""
    path = tmp_path_factory.mktemp("separating")
    shutil.copytree(classifier, path, dirs_exist_ok=True)
    trained = network.Classifier.load(path)
    examples = read_examples(posts, LABELS)
    ids, mask = network.collate(tokenise(load_tokenizer(path / TOKENIZER), examples, MAX_LENGTH))
    with torch.no_grad():
        states = trained.electra(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        for position in range(len(LABELS)):
            known = [i for i, e in enumerate(examples) if e.labels[position] is not None]
            truth = torch.tensor([2.0 * (examples[i].labels[position] or 0) - 1 for i in known])
            direction = ((states[known] - states[known].mean(0)) * truth[:, None]).mean(0)
            trained.out.weight[position] = direction * 40 / direction.norm()
            trained.out.bias[position] = -(trained.out.weight[position] @ states[known].mean(0))
    trained.save(path, classifier / TOKENIZER)
    return path


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


def test_fp32_needs_no_posts_and_reviews_from_one_half(classifier: Path, tmp_path: Path) -> None:
    report = export(Export(classifier, tmp_path, "tiny", "1", quantization="fp32"))
    assert json.loads((tmp_path / "manifest.json").read_text())["overlap"] == 32 // 4  # of windows of 32 tokens
    assert {t["review"] for t in report["policy"]["thresholds"].values()} == {0.5}


def test_only_named_labels_may_block(classifier: Path, posts: Path, tmp_path: Path) -> None:
    report = export(dataclasses.replace(job(classifier, posts, tmp_path), may_block=("hate",)))
    thresholds = report["policy"]["thresholds"]
    assert thresholds["offensive"]["block"] is None
    told = [warning for warning in report["warnings"] if warning.startswith("hate: blocks nothing")]
    assert bool(told) is (thresholds["hate"]["block"] is None)
    with pytest.raises(Fatal, match="--block insult"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), may_block=("insult",)))


def test_graph_that_computes_something_else_is_refused_and_leaves_no_bundle(
    classifier: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(Float32):
        def rows(self, graph: GraphBuilder, table: object, indices: str, name: str) -> str:
            return super().rows(graph, table[::-1], indices, name)  # type: ignore[index]

    monkeypatch.setattr(quantized, "Float32", Wrong)
    out = tmp_path / "bundle"
    with pytest.raises(Fatal, match="probabilities differ"):
        export(dataclasses.replace(job(classifier, posts, out), quantization="fp32"))
    assert list(tmp_path.iterdir()) == []


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


def test_graph_whose_scores_depend_on_the_batch_is_refused_and_the_old_bundle_stays(
    classifier: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantized, "StaticInt8", Dynamic)
    out = tmp_path / "bundle"
    export(dataclasses.replace(job(classifier, posts, out), quantization="fp32"))
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(Fatal, match="in a batch of"):
        export(job(classifier, posts, out))
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before
    assert list(tmp_path.iterdir()) == [out]


def test_bundle_is_replaced_whole_and_what_is_no_bundle_is_left_alone(
    classifier: Path, posts: Path, tmp_path: Path
) -> None:
    wanted = dataclasses.replace(job(classifier, posts, tmp_path / "bundle"), quantization="fp32")
    export(wanted)
    export(dataclasses.replace(wanted, version="2"))
    assert Classifier.load(tmp_path / "bundle").bundle.version == "2"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").touch()
    with pytest.raises(Fatal, match=r"--out .* no bundle"):
        export(dataclasses.replace(wanted, out=tmp_path / "other"))


def test_report_is_kept_with_the_bundle(classifier: Path, posts: Path, tmp_path: Path) -> None:
    report = export(job(classifier, posts, tmp_path))
    assert json.loads((tmp_path / "export.json").read_text()) == report
    methods = report["calibration_methods"]
    assert set(methods) == {
        f"{each}{how}" for each in ("min-max", "percentile", "mse") for how in ("", ", smoothed 0.85")
    }
    assert next(iter(methods)) == min(methods, key=methods.__getitem__)
    assert {(row["file"], row["label"]) for row in report["parity"]} == {("posts.jsonl", label) for label in LABELS}


def test_quantization_aware_classifier_is_served_as_the_one_it_came_from_was_quantized(
    classifier: Path, posts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[Any] = []

    def distil(*arguments: Any, **named: Any) -> Any:
        taught.append(distil_to_int8(*arguments, **named))
        return taught[-1]

    monkeypatch.setattr(quantized, "distil_to_int8", distil)
    wanted = dataclasses.replace(job(classifier, posts, tmp_path / "a"), calibrate=False)
    plain, tuned = export(wanted), export(dataclasses.replace(wanted, out=tmp_path / "b", quantize_aware=3))
    assert tuned["calibration_methods"] == plain["calibration_methods"]
    served = {t.name: onnx.numpy_helper.to_array(t) for t in onnx.load(tmp_path / "b" / "model.onnx").graph.initializer}
    assert served["out.bias"] == pytest.approx(taught[0].out.bias.detach().numpy())
    assert (tmp_path / "a" / "model.onnx").read_bytes() != (tmp_path / "b" / "model.onnx").read_bytes()


def test_quantization_that_costs_more_than_its_bounds_is_refused(
    classifier: Path, posts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    many = tmp_path / "many.jsonl"
    write_posts(many, random.Random(3), 200)
    strict = dataclasses.replace(job(classifier, posts, tmp_path / "out"), dev=(many,), bounds=Bounds(auroc=-1.0))
    with pytest.raises(Fatal, match=r"many\.jsonl hate: AUROC falls by"):
        export(strict)
    assert "| many.jsonl | hate | 200 |" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [many]


def test_layers_kept_in_float32_are_not_quantized(classifier: Path, posts: Path, tmp_path: Path) -> None:
    keep = ("layer.0", "layer.1.output")
    report = export(dataclasses.replace(job(classifier, posts, tmp_path), keep_fp32=keep, sensitivity=True))
    names = {tensor.name: tensor.data_type for tensor in onnx.load(tmp_path / "model.onnx").graph.initializer}
    kept = [name for name, kind in names.items() if name.endswith("dense.weight") and kind == onnx.TensorProto.FLOAT]
    layer = "electra.encoder.layer"
    assert sorted(kept) == [
        f"{layer}.0.attention.output.dense.weight",
        f"{layer}.0.intermediate.dense.weight",
        f"{layer}.0.output.dense.weight",
        f"{layer}.1.output.dense.weight",
    ]
    assert names[f"{layer}.0.attention.self.key.weight"] == onnx.TensorProto.FLOAT
    assert len(report["sensitivity"]) == 1 + 9
    with pytest.raises(Fatal, match=r"--keep-fp32 layer\.7: the layers are .*layer\.0\.attention\.self\.query"):
        export(dataclasses.replace(job(classifier, posts, tmp_path), keep_fp32=("layer.7",)))


def test_calibrated_bundle_serves_the_calibrated_scores(separating: Path, posts: Path, tmp_path: Path) -> None:
    many = tmp_path / "many.jsonl"
    write_posts(many, random.Random(5), 400)
    examples = read_examples(many, LABELS)
    found = []
    for calibrate in (True, False):
        out = tmp_path / str(calibrate)
        wanted = dataclasses.replace(
            job(separating, posts, out), dev=(many,), calibrate=calibrate, bounds=Bounds(1, 1, 1)
        )
        report = export(wanted)
        found.append(score_set(Classifier.load(out), "posts", examples))
        if calibrate:
            lines = [
                Platt(report["calibration"][label]["slope"], report["calibration"][label]["intercept"])
                for label in LABELS
            ]
    assert lines != [Platt(), Platt()]
    expected = np.array(calibrated(found[1], lines).scores)
    np.testing.assert_allclose(np.array(found[0].scores), expected, atol=1e-4)


def test_a_bundle_counts_the_scores_it_was_made_with(separating: Path, posts: Path, tmp_path: Path) -> None:
    (tmp_path / "typical.txt").write_text("a good day\nthe bad rain\n\nwell\n")
    out = tmp_path / "bundle"
    export(dataclasses.replace(job(separating, posts, out), typical=(tmp_path / "typical.txt",)))
    found = json.loads((out / "reference.json").read_text())
    loaded = Classifier.load(out)
    (typical,) = loaded.score([w for windows in loaded.windows(["the bad rain"]) for w in windows])
    bucket = next(i for i, bound in enumerate(found["le"]) if typical[0] <= bound)
    assert found["files"]["typical.txt"]["posts"] == 3
    assert found["files"]["typical.txt"]["scores"]["hate"][bucket] >= 1
    report = of_half(score_set(loaded, posts.name, read_examples(posts, LABELS)), "report")
    counts = found["files"][posts.name]["scores"]["hate"]
    assert sum(counts) == found["files"][posts.name]["posts"] == len(report.scores)
    assert sum(counts[:5]) == sum(scores[0] <= 0.5 for scores in report.scores)


def test_a_bundle_that_is_replaced_loses_the_card_of_the_old_one(separating: Path, posts: Path, tmp_path: Path) -> None:
    export(job(separating, posts, tmp_path))
    for name in ("MODEL_CARD.md", "evaluation.json"):
        (tmp_path / name).write_text("of the first")
    export(dataclasses.replace(job(separating, posts, tmp_path), version="2", dev=()))
    assert {path.name for path in tmp_path.iterdir()} == {
        *("manifest.json", "model.onnx", "tokenizer.json", "golden.jsonl", "export.json")
    }
