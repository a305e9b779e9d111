import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from worker.core.errors import Fatal
from worker.model.bundle import load_bundle
from worker.model.classifier import Classifier
from worker.settings.fields import BUNDLED_MODEL


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the bundled model, to be spoilt."""
    return Path(shutil.copytree(BUNDLED_MODEL, tmp_path / "bundle"))


def edit_manifest(bundle: Path, **changes: Any) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def sign(bundle: Path, name: str) -> None:
    """Make the manifest vouch for a file as it is now."""
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    edit_manifest(bundle, files={**files, name: hashlib.sha256((bundle / name).read_bytes()).hexdigest()})


def edit_golden(bundle: Path, **changes: Any) -> None:
    path = bundle / "golden.jsonl"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **changes}), *others]) + "\n")
    sign(bundle, "golden.jsonl")


def refused(bundle: Path) -> str:
    """The message with which the bundle is refused; it always names the bundle and the setting."""
    with pytest.raises(Fatal) as failure:
        Classifier.load(bundle)
    message = str(failure.value)
    assert str(bundle) in message
    assert "MODERATION_BUNDLE" in message
    return message


def test_bundled_model_loads_with_its_golden_posts() -> None:
    classifier = Classifier.load(BUNDLED_MODEL)
    assert classifier.labels == ("hate", "offensive")
    assert classifier.bundle.policy.labels == classifier.labels
    assert (BUNDLED_MODEL / "model.onnx").stat().st_size <= 26_000_000
    assert {post.decision.action for post in classifier.bundle.golden} == {"allow", "review"}


def test_sha256_covers_graph_and_tokenizer() -> None:
    bundle = load_bundle(BUNDLED_MODEL)
    digests = [hashlib.sha256((bundle.path / n).read_bytes()).hexdigest() for n in ("model.onnx", "tokenizer.json")]
    assert bundle.sha256 == hashlib.sha256("".join(digests).encode()).hexdigest()


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "golden.jsonl"])
def test_one_flipped_bit_is_refused(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    message = refused(bundle)
    assert f"{name} is corrupt or was replaced" in message


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "golden.jsonl", "manifest.json"])
def test_missing_file_is_refused_by_name(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    assert f"{name} cannot be read: No such file" in refused(bundle)


def test_missing_directory_is_refused(tmp_path: Path) -> None:
    assert "manifest.json cannot be read" in refused(tmp_path / "nowhere")


def test_wrong_checksum_in_the_manifest_is_refused(bundle: Path) -> None:
    files = json.loads((bundle / "manifest.json").read_text())["files"]
    edit_manifest(bundle, files={**files, "model.onnx": "0" * 64})
    assert "the manifest says 0000" in refused(bundle)


def test_unknown_problem_type_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, problem_type="regression")
    assert "problem_type" in refused(bundle)


def test_labels_that_do_not_fit_the_graph_are_refused(bundle: Path) -> None:
    threshold = {"review": 0.5, "block": None}
    policy = {"version": "t", "thresholds": {"hate": threshold}}
    edit_manifest(bundle, labels=["hate"], policy=policy)
    text = "".join(
        json.dumps({"name": "n", "text": "x", "scores": {"hate": 0.1}, "action": "allow", "labels": []}) + "\n"
        for _ in range(2)
    )
    (bundle / "golden.jsonl").write_text(text)
    sign(bundle, "golden.jsonl")
    assert "1 labels" in refused(bundle)


def test_layout_that_is_not_the_graphs_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, layout="padded")
    assert "layout 'padded'" in refused(bundle)


def test_file_that_is_no_graph_is_refused(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"not a graph")
    sign(bundle, "model.onnx")
    assert "onnxruntime cannot load it" in refused(bundle)


def test_tampered_golden_score_is_refused_naming_the_cpu_and_the_remedy(bundle: Path) -> None:
    golden = load_bundle(bundle).golden[0]
    scores = dict(zip(("hate", "offensive"), golden.scores, strict=True))
    edit_golden(bundle, scores={**scores, "hate": scores["hate"] + 0.03})
    message = refused(bundle)
    assert "scores differ by 0.030" in message
    assert "This CPU is" in message
    assert "VNNI" in message
    assert "--quantization int8-7bit" in message


def test_small_difference_of_another_cpu_is_tolerated(bundle: Path) -> None:
    golden = load_bundle(bundle).golden[0]
    scores = dict(zip(("hate", "offensive"), golden.scores, strict=True))
    edit_golden(bundle, scores={**scores, "hate": scores["hate"] + 0.015})
    Classifier.load(bundle)


def test_not_a_number_among_the_golden_scores_is_refused(bundle: Path) -> None:
    edit_golden(bundle, scores={"hate": float("nan"), "offensive": 0.0}, action="allow", labels=[])
    assert "golden" in refused(bundle)


def test_golden_decision_that_does_not_follow_from_its_scores_is_refused(bundle: Path) -> None:
    edit_golden(bundle, action="block", labels=["hate"])
    assert "do not give its decision" in refused(bundle)


@pytest.mark.parametrize("content", ["", "{}\n", "[]\n", "nonsense\n", '{"name": "a", "text": "b"}\n'])
def test_golden_file_without_usable_posts_is_refused(bundle: Path, content: str) -> None:
    (bundle / "golden.jsonl").write_text(content)
    sign(bundle, "golden.jsonl")
    assert "golden.jsonl" in refused(bundle)


def test_graph_with_spoilt_weights_fails_its_golden_posts(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    scales = next(t for t in model.graph.initializer if t.name.endswith("layer.0.intermediate.dense.scales"))
    scales.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(scales) * 2, scales.name))
    onnx.save(model, bundle / "model.onnx")
    sign(bundle, "model.onnx")
    assert "golden posts" in refused(bundle)
    Classifier.load(bundle, verify_golden=False)


def test_graph_with_weights_in_another_file_is_refused_although_its_checksum_is_right(bundle: Path) -> None:
    model = onnx.load(bundle / "model.onnx")
    onnx.save(model, bundle / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=64)
    sign(bundle, "model.onnx")
    assert "external data" in refused(bundle)


def test_graph_with_one_hidden_path_is_refused_however_it_is_written(bundle: Path) -> None:
    tensor = onnx.TensorProto(
        name="w", dims=[1], data_type=onnx.TensorProto.FLOAT, data_location=onnx.TensorProto.EXTERNAL
    )
    tensor.external_data.add(key="location", value="/etc/hostname")
    attribute = onnx.helper.make_attribute("value", tensor)
    model = onnx.load(bundle / "model.onnx")
    model.graph.node.append(onnx.NodeProto(op_type="Constant", output=["w"], attribute=[attribute]))
    onnx.save(model, bundle / "model.onnx")
    sign(bundle, "model.onnx")
    assert "external data" in refused(bundle)
    content = (bundle / "model.onnx").read_bytes()
    padded = content.replace(b"\x08location", b"\x88\x00location")  # the same length, one byte longer
    (bundle / "model.onnx").write_bytes(padded)
    sign(bundle, "model.onnx")
    assert "external data" in refused(bundle)
