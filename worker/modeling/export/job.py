"""What `moderation-model export` is asked for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from worker.core.errors import Fatal
from worker.model import manifest as parts
from worker.modeling.export.histogram import METHODS, Method
from worker.modeling.export.parity import Bounds
from worker.modeling.export.smoothing import STRENGTH
from worker.modeling.training.network import Classifier

CALIBRATION_POSTS = 2400
"""As many of each source. Ranges need the rare large values: 2,000 are wanted at the least."""


@dataclass(frozen=True, slots=True)
class Export:
    """What to make of a classifier directory. `calibration` may be empty for fp32.

    Without `dev` thresholds stay at 0.5, scores are not calibrated and parity is not measured. `keep_fp32` names
    layers, or beginnings of their names, that are not quantized; `smoothing` moves outliers of activations into weights;
    `quantize_aware` is a number of training steps.
    `typical` are unlabelled posts as they come, whose scores are counted beside those of `dev` for reference.
    `calibration_method` "auto" and several `smoothing` strengths (0: none) take the one whose graph agrees best with
    float32 on posts of `calibration`. `overlap` None: a quarter of a window.
    """

    classifier: Path
    out: Path
    name: str
    version: str
    calibration: tuple[Path, ...] = ()
    dev: tuple[Path, ...] = ()
    typical: tuple[Path, ...] = ()
    may_block: tuple[str, ...] = ()
    quantization: parts.Quantization = "int8-static-7bit"
    layout: parts.Layout = "packed"
    language: str = "en"
    overlap: int | None = None
    calibration_posts: int = CALIBRATION_POSTS
    calibration_method: Method | Literal["auto"] = "auto"
    percentile: float = 99.99
    keep_fp32: tuple[str, ...] = ()
    smoothing: tuple[float, ...] = (0.0, STRENGTH)
    calibrate: bool = True
    bounds: Bounds = field(default_factory=Bounds)
    sensitivity: bool = False
    quantize_aware: int = 0

    @property
    def methods(self) -> tuple[Method, ...]:
        """The ways to choose ranges that are tried."""
        return METHODS if self.calibration_method == "auto" else (self.calibration_method,)

    @property
    def bits(self) -> int:
        """Of a quantized weight."""
        return 7 if self.quantization == "int8-static-7bit" else 8

    def check(self, trained: Classifier) -> None:
        """Raise Fatal where the classifier cannot be exported like this."""
        labels = trained.config.labels
        unknown = sorted(set(self.may_block).difference(labels))
        if unknown:
            raise Fatal(f"export: --block {' '.join(unknown)}: the labels are {', '.join(labels)}")
        if self.may_block and not self.dev:
            raise Fatal("export: --block: from which score on is chosen on development posts: give --dev")
        head = getattr(trained.config, "head", "cls")
        if head != "cls":
            raise Fatal(
                f"export: {self.classifier} has a head of the kind {head!r}, which no serving graph has: "
                "train it with the [CLS] head, or distil it into a student that has one"
            )
        needless = {
            "--keep-fp32": self.keep_fp32,
            "--sensitivity": self.sensitivity,
            "--quantize-aware": self.quantize_aware,
        }
        if self.quantization == "fp32" and (given := [option for option, value in needless.items() if value]):
            raise Fatal(f"export: {given[0]} is about int8: leave it out with --quantization fp32")
        if self.quantization != "fp32" and not self.calibration:
            raise Fatal("export: int8 needs posts to calibrate on: give --calibration labelled files of typical posts")
        if not 90 < self.percentile <= 100:
            raise Fatal(f"export: --percentile {self.percentile}: give more than 90 and at most 100 per cent")
        if not self.smoothing or not all(0 <= strength <= 1 for strength in self.smoothing):
            raise Fatal(f"export: --smoothing {' '.join(map(str, self.smoothing))}: give strengths from 0 (none) to 1")
