"""Texts to scores through a bundle: the one path that serving, evaluation and export take."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.core.policy import decide
from worker.core.pooling import pool
from worker.core.types import Scores, Window
from worker.model.bundle import REMEDY, Bundle, Golden, load_bundle
from worker.model.cpu import cpu_name, has_vnni
from worker.model.manifest import MODEL, TOKENIZER
from worker.model.session import Session
from worker.model.tokenizer import encode, load_tokenizer, special_token
from worker.text.normalise import Normalised, normalise
from worker.text.windows import windows as split

TOLERANCE = 0.02
"""How far a golden score may be from the one in the bundle: CPUs round differently, wrong kernels differ by more."""


class Classifier:
    """A loaded bundle. Thread-safe. A window's scores do not depend on the batch it is scored in."""

    def __init__(self, bundle: Bundle, tokenizer: Tokenizer, session: Session) -> None:
        self.bundle = bundle
        self.labels = bundle.labels
        self._tokenizer = tokenizer
        self._session = session
        self._cls = special_token(tokenizer, "[CLS]")
        self._sep = special_token(tokenizer, "[SEP]")
        single = bundle.manifest.problem_type == "single_label_classification"
        self._probabilities = _softmax if single else _sigmoids

    @classmethod
    def load(cls, path: Path, *, verify_golden: bool = True, remedy: str = REMEDY) -> "Classifier":
        """Load and verify the bundle at `path`. Raises Fatal saying what is wrong and, by `remedy`, what to change."""
        bundle = load_bundle(path, remedy)
        manifest = bundle.manifest
        try:
            tokenizer = load_tokenizer(path / TOKENIZER)
            session = Session(path / MODEL, manifest.layout, len(manifest.labels))
            classifier = cls(bundle, tokenizer, session)
        except Fatal as error:
            raise Fatal(f"bundle {path}: {error}; {remedy}") from error
        if verify_golden:
            classifier.verify_golden()
        return classifier

    def normalise(self, text: str) -> Normalised:
        """`text` as the model was trained to see it: what `windows` takes."""
        return normalise(text, self.bundle.manifest.normalisation)

    def windows(self, texts: Sequence[str]) -> list[tuple[Window, ...]]:
        """Model inputs for each normalised text, `[CLS]` … `[SEP]`; () for a text without a token."""
        manifest = self.bundle.manifest
        return [
            tuple(split(ids, cls=self._cls, sep=self._sep, max_length=manifest.max_length, overlap=manifest.overlap))
            for ids in encode(self._tokenizer, texts)
        ]

    def score(self, windows: Sequence[Window]) -> list[Scores]:
        """Probabilities of each window in one model call: floats that are exact float32 values.

        Each row is computed in scalar float64: elementwise vector functions may round differently by position.
        Raises onnxruntime's errors, or ArithmeticError, where the model fails.
        """
        if not windows:
            return []
        rows = [self._probabilities(row) for row in self._session.logits(windows).tolist()]
        scores = np.array(rows, np.float64).astype(np.float32)
        if not np.isfinite(scores).all():
            raise ArithmeticError("the model returned a score that is not a number")  # compared, it would pass as low
        return list(map(tuple, scores.tolist()))

    def verify_golden(self) -> None:
        """Score the golden posts. Raises Fatal where a decision differs, or a score by more than TOLERANCE."""
        golden = self.bundle.golden
        prepared = self.windows([self.normalise(post.text).text for post in golden])
        try:
            scored = self.score([window for windows in prepared for window in windows])
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise self._golden_failed(f"the model failed on them: {error}") from error
        position = 0
        for post, windows in zip(golden, prepared, strict=True):
            rows = scored[position : position + len(windows)]
            position += len(windows)
            if not rows:
                raise self._golden_failed(f"{post.name!r} has no tokens")
            self._compare(post, pool(rows))

    def _compare(self, post: Golden, scores: Scores) -> None:
        differences = [abs(a - b) for a, b in zip(scores, post.scores, strict=True)]
        difference = max(differences)
        decision = decide(scores, self.bundle.policy)
        if decision != post.decision:
            raise self._golden_failed(
                f"{post.name!r} is {decision.action} {list(decision.labels)}, "
                f"not {post.decision.action} {list(post.decision.labels)}; its scores differ by {difference:.3f}"
            )
        if not all(d <= TOLERANCE for d in differences):  # written so that a NaN in the file fails too
            raise self._golden_failed(f"{post.name!r}: scores differ by {difference:.3f}, over {TOLERANCE}")

    def _golden_failed(self, what: str) -> Fatal:
        made = self.bundle.manifest.made_with
        return Fatal(
            f"bundle {self.bundle.path}: golden posts: {what}. This CPU is {cpu_name()!r} "
            f"{'with' if has_vnni() else 'without'} VNNI; the bundle ({self.bundle.manifest.quantization}) was made on "
            f"{made.cpu!r} {'with' if made.vnni else 'without'} VNNI. If the files are the right ones, this CPU "
            "computes them differently: export a reduced-range bundle (`moderation-model export --quantization "
            "int8-7bit`) or a float one (`--quantization fp32`) and use that one (MODERATION_BUNDLE or --bundle)"
        )


def _sigmoids(logits: Sequence[float]) -> list[float]:
    # Both forms are exact where the other overflows.
    return [1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x)) for x in logits]


def _softmax(logits: Sequence[float]) -> list[float]:
    highest = max(logits)
    powers = [math.exp(x - highest) for x in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]
