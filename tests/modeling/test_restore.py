import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.modeling.tiny import LABELS, MAX_LENGTH
from worker.core.errors import Fatal
from worker.model.classifier import Classifier as Served
from worker.model.manifest import MODEL, Quantization, parse_manifest
from worker.modeling.export.restore import restore
from worker.modeling.export.run import Export, export
from worker.modeling.export.score_calibration import Platt, fold
from worker.modeling.training.network import Classifier, load_encoder, predict
from worker.text.options import Normalisation

IDS = [[2, 7, 9, 11, 3], [2, 8, 3]]


def bundle_of(classifier: Path, posts: Path, out: Path, quantization: Quantization) -> Export:
    job = Export(classifier, out, "tiny", "1", calibration=(posts,), overlap=8, quantization=quantization)
    export(job)
    return job


def test_float32_bundle_is_restored_weight_for_weight(classifier: Path, posts: Path, tmp_path: Path) -> None:
    bundle_of(classifier, posts, tmp_path / "bundle", "fp32")
    made = restore(tmp_path / "bundle", tmp_path / "restored")
    assert (made.name, made.version, made.quantization) == ("tiny", "1", "fp32")
    old, new = Classifier.load(classifier), Classifier.load(tmp_path / "restored")
    assert torch.allclose(predict(old, IDS), predict(new, IDS), atol=1e-6)
    assert new.config.labels == LABELS
    assert new.config.max_length == MAX_LENGTH
    assert load_encoder(tmp_path / "restored").config.embedding_size == 16


@pytest.mark.parametrize("smoothing", [0.0, 0.85])
def test_int8_bundle_is_restored_as_its_graph_holds_it(
    classifier: Path, posts: Path, tmp_path: Path, smoothing: float
) -> None:
    job = bundle_of(classifier, posts, tmp_path / "bundle", "int8-static")
    export(dataclasses.replace(job, smoothing=(smoothing,)))
    restore(tmp_path / "bundle", tmp_path / "restored")
    old, new = Classifier.load(classifier), Classifier.load(tmp_path / "restored")
    for name, value in old.state_dict().items():
        if value.ndim == 2 and ".layer." in name:
            found = new.state_dict()[name]
            assert not torch.equal(found, value)
            assert (found - value).abs().max() < value.abs().max() / 50  # half a step of 127 that smoothing may widen
    again = dataclasses.replace(job, classifier=tmp_path / "restored", out=tmp_path / "again", smoothing=(smoothing,))
    export(again)
    windows = [tuple(row) for row in IDS]
    before, after = (np.array(Served.load(tmp_path / name).score(windows)) for name in ("bundle", "again"))
    assert np.abs(before - after).max() < 0.02


def test_bundle_of_one_layer_is_restored(classifier: Path, posts: Path, tmp_path: Path) -> None:
    model = Classifier.load(classifier)
    model.electra.encoder.layer = model.electra.encoder.layer[:1]  # type: ignore[union-attr, index]
    model.electra.config.num_hidden_layers = 1  # type: ignore[union-attr]
    model.save(tmp_path / "one", classifier / "tokenizer.json")
    bundle_of(tmp_path / "one", posts, tmp_path / "bundle", "fp32")
    restore(tmp_path / "bundle", tmp_path / "restored")
    assert torch.allclose(predict(model, IDS), predict(Classifier.load(tmp_path / "restored"), IDS), atol=1e-6)


def test_restored_classifier_keeps_calibration_and_normalisation(classifier: Path, posts: Path, tmp_path: Path) -> None:
    moved = fold(Classifier.load(classifier), [Platt(0.5, 0.3) for _ in LABELS])
    moved.config = dataclasses.replace(moved.config, normalisation=Normalisation(repeats="squeeze"))
    moved.save(tmp_path / "moved", classifier / "tokenizer.json")
    bundle_of(tmp_path / "moved", posts, tmp_path / "bundle", "fp32")
    restore(tmp_path / "bundle", tmp_path / "restored")
    found = Classifier.load(tmp_path / "restored")
    assert torch.allclose(predict(found, IDS), predict(moved.eval(), IDS), atol=1e-6)
    assert found.config.normalisation.repeats == "squeeze"


def test_graph_that_export_did_not_write_is_refused(classifier: Path, posts: Path, tmp_path: Path) -> None:
    bundle_of(classifier, posts, tmp_path / "bundle", "fp32")
    path = tmp_path / "bundle" / MODEL
    model = onnx.load(str(path))
    for node in model.graph.node:
        node.input[:] = ["renamed" if name == "sizes.heads" else name for name in node.input]
    next(t for t in model.graph.initializer if t.name == "sizes.heads").name = "renamed"
    onnx.save(model, str(path))
    manifest = tmp_path / "bundle" / "manifest.json"
    known = parse_manifest(manifest.read_bytes()).files[MODEL]
    manifest.write_text(manifest.read_text().replace(known, hashlib.sha256(path.read_bytes()).hexdigest()))
    with pytest.raises(Fatal, match=r"model\.onnx is not a graph of `moderation-model export`"):
        restore(tmp_path / "bundle", tmp_path / "restored")
    assert not (tmp_path / "restored").exists()


def test_directory_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("notes")
    with pytest.raises(Fatal, match="not an empty directory"):
        restore(tmp_path, tmp_path)
