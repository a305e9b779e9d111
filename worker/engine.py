"""Posts to verdicts without Kafka: the parts that `run`, `demo` and `classify` share, built from the settings."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import worker
from worker.core.errors import Fatal
from worker.core.policy import Decision, Policy, Threshold
from worker.core.ports import Encode, Prepare, Score
from worker.core.types import Channel, Post, Record, Scores, Tombstone
from worker.model.bundle import Bundle
from worker.model.classifier import Classifier
from worker.model.cpu import available_cpus
from worker.prepare import Preparer
from worker.settings import Settings
from worker.wire.decode import Decoder
from worker.wire.encode import Encoder, Model
from worker.wire.fields import FieldMap


@dataclass(frozen=True, slots=True)
class Engine:
    """A verified model with the code around it; `prepare`, `score` and `encode` are what a pipeline is made of."""

    bundle: Bundle
    policy: Policy
    classifier: Classifier
    decode: Callable[[Record], Post | Tombstone]
    scoring_threads: int
    prepare: Prepare
    score: Score
    encode: Encode


def build_engine(
    settings: Settings,
    *,
    limits: Mapping[Channel, int],
    decided: Callable[[Decision, Scores], None] | None = None,
) -> Engine:
    """Load and verify the bundle. `limits`: largest record in bytes for each topic. Raises Fatal."""
    classifier = Classifier.load(settings.bundle)
    bundle = classifier.bundle
    policy = load_policy(settings.policy_file, bundle.policy) if settings.policy_file else bundle.policy
    fields = FieldMap(
        id=settings.field_id,
        text=settings.field_text,
        title=settings.field_title,
        language=settings.field_language,
        revision=settings.field_revision,
        created_at=settings.field_created_at,
    )
    decoder = Decoder(
        fields,
        schema_registry_header=settings.schema_registry_header,
        max_record_bytes=settings.max_record_bytes,
    )
    return Engine(
        bundle=bundle,
        policy=policy,
        classifier=classifier,
        decode=decoder.decode,
        scoring_threads=settings.scoring_threads or available_cpus(),
        prepare=Preparer(decoder, classifier, settings.max_text_length, settings.expiry_seconds),
        score=classifier.score,
        encode=Encoder(
            policy=policy,
            model=Model(bundle.name, bundle.version, bundle.sha256),
            worker_version=worker.__version__,
            limits=limits,
            decided=decided,
        ),
    )


def load_policy(path: Path, default: Policy) -> Policy:
    """Read `{"version": …, "thresholds": {label: {"review": p, "block": p or null}}}` for the labels of `default`.

    Raises Fatal naming MODERATION_POLICY_FILE where the file is anything else.
    """
    try:
        return _policy(json.loads(path.read_text(encoding="utf-8")), default.labels)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise Fatal(
            f"MODERATION_POLICY_FILE={path}: {error!r}; it must hold"
            ' {"version": "...", "thresholds": {label: {"review": 0.5, "block": 0.9 or null}}}'
            f" with a threshold for each of {', '.join(default.labels)}"
        ) from error


def _policy(raw: Mapping[str, Any], labels: tuple[str, ...]) -> Policy:
    if not isinstance(raw["version"], str) or not raw["version"]:
        raise ValueError("version must be a text")
    if unknown := set(raw["thresholds"]) - set(labels):
        raise ValueError(f"the model has no label {', '.join(sorted(unknown))}")
    return Policy(raw["version"], labels, tuple(_threshold(raw["thresholds"][label]) for label in labels))


def _threshold(raw: Mapping[str, float | None]) -> Threshold:
    if set(raw) != {"review", "block"} or any(isinstance(value, bool) for value in raw.values()):
        raise ValueError(f"a threshold has review and block, both numbers (block may be null), not {dict(raw)}")
    review, block = raw["review"], raw["block"]
    if review is None or not 0 <= review <= 1 or not (block is None or review <= block <= 1):
        raise ValueError(f"thresholds must satisfy 0 <= review <= block <= 1, not review {review}, block {block}")
    return Threshold(float(review), None if block is None else float(block))
