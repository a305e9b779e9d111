"""manifest.json of a bundle (schemas/bundle.v1.json): what the files beside it are and how to use them."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from worker.core.errors import Fatal
from worker.core.policy import Policy, Threshold
from worker.text.options import AS_WRITTEN, Normalisation

MANIFEST = "manifest.json"
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
GOLDEN = "golden.jsonl"
CARD = "MODEL_CARD.md"
REFERENCE = "reference.json"
"""Optional: how the scores were distributed when the bundle was made; for people, never read by the worker."""

ProblemType = Literal["multi_label_classification", "single_label_classification"]
"""Sigmoid for each label, or softmax over all. Never guessed: the wrong one gives plausible, wrong scores."""
Layout = Literal["packed", "padded"]
"""Inputs of the graph: tokens of a batch end to end, or a rectangle filled up with padding."""
Quantization = Literal["int8-static", "int8-static-7bit", "fp32"]
"""`7bit` weights cannot saturate the 8-bit kernels of CPUs without VNNI."""

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Probability = Annotated[float, Field(gt=0, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")  # v1 grows by optional fields


class Thresholds(_Part):
    """Probabilities from which a label asks for review and for blocking; `block` null: never by this label."""

    review: _Probability
    block: _Probability | None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.block is not None and self.block < self.review:
            raise ValueError(f"block ({self.block}) is below review ({self.review})")
        return self


class BundlePolicy(_Part):
    """Thresholds for each label, under a version that appears in every verdict."""

    version: _Name
    thresholds: dict[str, Thresholds]


class MadeWith(_Part):
    """The CPU and the libraries that computed the golden scores."""

    cpu: str
    vnni: bool
    onnxruntime: str
    tokenizers: str


class Manifest(_Part):
    """A bundle's manifest. `labels` are in the order of the graph's output; lengths are in tokens."""

    format: Literal["bundle.v1"] = Field(alias="schema")
    name: _Name
    version: _Name
    language: Annotated[str, StringConstraints(min_length=2)]
    labels: Annotated[tuple[_Name, ...], Field(min_length=1)]
    problem_type: ProblemType
    max_length: Annotated[int, Field(ge=8, le=4096)]
    overlap: Annotated[int, Field(ge=0)]
    layout: Layout
    quantization: Quantization
    policy: BundlePolicy
    files: dict[_Name, _Sha256]
    made_with: MadeWith
    normalisation: Annotated[Normalisation, BeforeValidator(Normalisation.of)] = AS_WRITTEN

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: a label is named twice")
        if self.problem_type == "single_label_classification" and len(self.labels) == 1:
            raise ValueError("labels: single_label_classification needs at least two")
        if set(self.policy.thresholds) != set(self.labels):
            raise ValueError("policy.thresholds: must name exactly the labels")
        if self.overlap > (self.max_length - 2) // 2:
            raise ValueError("overlap: more than half of a window's tokens; windows would hardly advance")
        missing = {MODEL, TOKENIZER, GOLDEN}.difference(self.files)
        if missing:
            raise ValueError(f"files: no checksum for {', '.join(sorted(missing))}")
        return self

    def as_policy(self) -> Policy:
        """The thresholds in the order of the labels."""
        chosen = [self.policy.thresholds[label] for label in self.labels]
        return Policy(self.policy.version, self.labels, tuple(Threshold(t.review, t.block) for t in chosen))


def parse_manifest(raw: bytes) -> Manifest:
    """Parse manifest.json. Raises Fatal naming every field that is wrong."""
    try:
        return Manifest.model_validate_json(raw)
    except ValidationError as error:
        wrong = [": ".join([*map(str, e["loc"]), e["msg"]]) for e in error.errors(include_url=False)]
        raise Fatal(f"{MANIFEST}: {'; '.join(wrong)}") from error
