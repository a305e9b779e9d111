"""What users of the Korean bundle may rely on, whoever exports it next."""

import json

import numpy as np
import onnx
import pytest

from worker.core.pooling import pool
from worker.core.types import Scores
from worker.model.classifier import Classifier
from worker.settings import load

MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(load({"MODERATION_BUNDLE": "ko"}, broker=False).bundle)


def scores(classifier: Classifier, text: str) -> Scores:
    windows = classifier.windows([classifier.normalise(text).text])[0]
    return pool(classifier.score(windows))


def test_its_name_chooses_the_korean_bundle(classifier: Classifier) -> None:
    assert classifier.bundle.manifest.language == "ko"
    assert classifier.labels == ("hate", "offensive")


def test_its_model_has_at_most_24_megabytes_and_weights_for_every_cpu(classifier: Classifier) -> None:
    model = classifier.bundle.path / "model.onnx"
    assert model.stat().st_size <= 24 * MEGABYTE
    assert classifier.bundle.manifest.quantization == "int8-static-7bit"
    graph = onnx.load(model).graph
    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    products = [weights[node.input[1]] for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert products
    assert all(np.abs(weight.astype(int)).max() <= 63 for weight in products)


@pytest.mark.parametrize("measured", ["evaluation-all.json", "evaluation.json"])
def test_it_ranks_better_than_tfidf_trained_on_the_same_comments(measured: str, classifier: Classifier) -> None:
    evaluation = json.loads((classifier.bundle.path / measured).read_text())
    [floor] = evaluation["floors"]
    floors = {row["label"]: row["auroc"] for row in floor["rows"]}
    margins = {row["label"]: row["auroc"] - floors[row["label"]] for row in evaluation["rows"]}
    assert margins["hate"] > 0.05
    assert margins["offensive"] > 0.005


def test_its_policy_never_blocks(classifier: Classifier) -> None:
    assert {threshold.block for threshold in classifier.bundle.policy.thresholds} == {None}


def test_its_golden_posts_are_korean_and_cover_the_decisions(classifier: Classifier) -> None:
    golden = classifier.bundle.golden
    assert {post.decision.labels for post in golden} >= {(), ("hate", "offensive")}
    assert {"typed apart", "laughter and tears", "typed control token", "several windows"} <= {p.name for p in golden}


@pytest.mark.parametrize(
    ("plain", "disguised"),
    [
        ("꺼져라 이 미친놈아", "ㄲㅓ져라 이 미치ㄴ놈아"),
        ("꺼져라 이 미친놈아", "꺼\u200b져라 이 미\u200b친놈아"),
        ("개새끼야 꺼져라", "ㄱH새끼야 꺼져라"),
        ("진짜 재미있다 ㅋㅋ", "진짜 재미있다 ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ"),
    ],
)
def test_spelling_tricks_do_not_change_a_score(plain: str, disguised: str, classifier: Classifier) -> None:
    assert scores(classifier, disguised) == scores(classifier, plain)


def test_insult_scores_above_praise(classifier: Classifier) -> None:
    praise, insult = (scores(classifier, text) for text in ("배우님 연기 정말 좋았어요", "꺼져라 이 미친놈아"))
    assert insult[1] > praise[1] + 0.3
