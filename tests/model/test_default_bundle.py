"""What users of the bundled model may rely on, whoever exports it next."""

import json
import re

import numpy as np
import onnx
import pytest

from worker.core.policy import Action, decide
from worker.core.pooling import pool
from worker.model.bundle import load_bundle
from worker.model.classifier import Classifier
from worker.settings.fields import BUNDLED_MODEL

INTEGER_PRODUCT = "MatMulIntegerToFloat"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def graph() -> onnx.GraphProto:
    return onnx.load(BUNDLED_MODEL / "model.onnx").graph


def test_bundled_weights_cannot_saturate_on_cpus_without_vnni(graph: onnx.GraphProto) -> None:
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [weights[node.input[1]] for node in graph.node if node.op_type == INTEGER_PRODUCT]
    assert products
    for weight in products:
        assert weight.dtype == np.int8
        assert np.abs(weight.astype(int)).max() <= 63  # 2 * 255 * 63 < 2**15, the kernels' sums of two products


def test_bundled_graph_multiplies_integers_in_no_other_way(graph: onnx.GraphProto) -> None:
    products = {node.op_type for node in graph.node if any(part in node.op_type for part in ("MatMul", "Gemm", "Conv"))}
    integer = {name for name in products if any(part in name for part in ("Integer", "Quantize", "QLinear", "QGemm"))}
    assert integer == {INTEGER_PRODUCT}


def test_bundled_manifest_says_that_weights_are_reduced(classifier: Classifier) -> None:
    assert classifier.bundle.manifest.quantization == "int8-static-7bit"


def test_bundled_policy_never_blocks(classifier: Classifier) -> None:
    policy = classifier.bundle.policy
    assert [threshold.block for threshold in policy.thresholds] == [None, None]
    assert decide((1.0, 1.0), policy).action is Action.REVIEW


@pytest.mark.parametrize("text", ["black people deserve equal rights", "I don't hate women", "kill all immigrants"])
def test_no_sentence_is_blocked_before_somebody_measured(classifier: Classifier, text: str) -> None:
    scores = pool(classifier.score(classifier.windows([classifier.normalise(text).text])[0]))
    assert decide(scores, classifier.bundle.policy).action is not Action.BLOCK


def test_bundled_golden_posts_cover_the_decisions(classifier: Classifier) -> None:
    golden = classifier.bundle.golden
    assert len({post.name for post in golden}) == 15
    assert {post.decision.labels for post in golden} >= {(), ("offensive",), ("hate", "offensive")}


SOURCES = (
    *("HateXplain", "Davidson", "Vidgen", "Kennedy", "ToxiGen", "Toxic Spans", "Reddit top 2.5 million"),
    *("all-MiniLM-L6-v2", "WordPiece", "bge-small-en-v1.5", "e5-small-v2", "BERT-base"),
)


def test_bundled_card_and_notice_name_every_source_and_no_machine() -> None:
    card = (BUNDLED_MODEL / "MODEL_CARD.md").read_text(encoding="utf-8")
    notice = (BUNDLED_MODEL.parents[2] / "NOTICE").read_text(encoding="utf-8")
    for source in SOURCES:
        assert source in card
        assert source in notice
    assert not re.search(r"[\s`(\"'=]/\w", card)


@pytest.mark.parametrize(("name", "size"), [("default", 16_000_000), ("ko", 24_000_000)])
def test_bundles_are_small_and_cost_what_they_may(name: str, size: int) -> None:
    bundle = BUNDLED_MODEL.parent / name
    report = json.loads((bundle / "export.json").read_text())
    assert (bundle / "model.onnx").stat().st_size == report["bytes"]["model.onnx"] <= size
    evaluation = json.loads((bundle / "evaluation-all.json").read_text())
    compared = {(row["file"], row["label"]) for row in report["parity"] if row["auroc_cost"] is not None}
    assert compared == {(row["file"], row["label"]) for row in evaluation["rows"]}
    for row in report["parity"]:
        assert max(row["flips"], row["review_flips"]) <= 0.02
        assert row["clear_flips"] <= 0.01
        assert (row["auroc_cost"] or 0) <= 0.003


@pytest.mark.parametrize(
    ("measured", "most"),
    [
        ("evaluation-all.json", 0.03),
        ("evaluation.json", 0.041),
    ],  # half as many posts, which calibrated nothing; perfect scores would show .02. From .034 to .043 so far: 2.7.0 would not pass.
)
def test_bundled_scores_mean_what_they_say(measured: str, most: float) -> None:
    evaluation = json.loads((BUNDLED_MODEL / measured).read_text())
    errors = {row["label"]: row["ece"] for row in evaluation["pooled"]}
    assert errors.keys() == {"hate", "offensive"}
    assert max(errors.values()) <= most


@pytest.mark.parametrize("measured", ["evaluation-all.json", "evaluation.json"])
def test_bundled_model_ranks_better_than_tfidf_trained_on_the_same_posts_or_on_one_source_of_them(
    measured: str,
) -> None:
    evaluation = json.loads((BUNDLED_MODEL / measured).read_text())
    rows = {(row["file"], row["label"]): row["auroc"] for row in evaluation["rows"]}
    stands = set()
    for floor in evaluation["floors"]:
        found = {(row["file"], row["label"]): row["auroc"] for row in floor["rows"]}
        assert found.keys() == rows.keys() or floor["name"] != "mixed"
        stands |= {(floor["name"], *key) for key, auroc in found.items() if rows[key] <= auroc}
    assert {floor["name"] for floor in evaluation["floors"]} > {"mixed", "davidson", "mhs"}
    assert stands == {("mhs", "mhs.dev.jsonl", "hate")}  # docs/experiments.md says what it would cost


@pytest.mark.parametrize("name", ["default", "ko"])
def test_measurements_beside_a_bundle_are_of_that_bundle(name: str) -> None:
    bundle = BUNDLED_MODEL.parent / name
    sha256 = load_bundle(bundle).sha256
    card = (bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    for file in bundle.glob("evaluation*.json"):
        content = json.loads(file.read_text())
        assert f"sha256 {sha256[:12]}" in content["note"]
        assert content["note"] in card
        for row in content["rows"]:
            assert (
                f"| {row['file']} | {row['label']} | {row['posts']:,} | {row['positive']:.1%} | {row['auroc']:.3f} |"
                in card
            )
