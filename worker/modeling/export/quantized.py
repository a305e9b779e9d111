"""The way of quantizing whose scores are nearest to those of float32."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tokenizers import Tokenizer

from worker.core.errors import Fatal
from worker.modeling.export import sensitivity
from worker.modeling.export.arithmetic import Arithmetic, Factors, Float32, Range, StaticInt8
from worker.modeling.export.calibrate import activation_ranges, even_sample
from worker.modeling.export.job import Export
from worker.modeling.export.quantize_aware import BATCH_SIZE, distil_to_int8
from worker.modeling.export.smoothing import smoothing_factors
from worker.modeling.posts.examples import Example, tokenise
from worker.modeling.training.network import Classifier

VERIFIED_POSTS = 200


@dataclass(frozen=True, slots=True)
class Quantized:
    """The weights to serve and how their graph computes. `ranges` of the layers that could be quantized."""

    model: Classifier
    bits: int
    ranges: dict[str, Range]
    factors: Factors
    kept: frozenset[str]
    methods: dict[str, float]
    """Where several ways to choose ranges were tried: their mean differences from float32, that of the one used first."""

    @property
    def sites(self) -> Collection[str]:
        """Inputs of layers that could be quantized; none for a float32 graph."""
        return self.ranges.keys()

    def arithmetic(self, also: Collection[str] = ()) -> Arithmetic:
        """Quantized, but for the layers that stay in float32 and those in `also`."""
        return StaticInt8(self.ranges, self.bits, self.kept.union(also), self.factors) if self.ranges else Float32()


def quantized(
    job: Export,
    trained: Classifier,
    tokenizer: Tokenizer,
    posts: Sequence[Example],
    sources: Sequence[Sequence[Example]],
) -> Quantized:
    """As `job` wants it: ranges of `posts`; posts of `sources` to learn from where it wants quantization-aware training.

    Raises Fatal where there are no posts.
    """
    if job.quantization == "fp32":
        return Quantized(trained, job.bits, {}, {}, frozenset(), {})
    if not posts:
        raise Fatal("export: the files given to --calibration hold no posts")
    rows = tokenise(tokenizer, posts, trained.config.max_length, trained.config.normalisation)
    found = _nearest(job, trained, rows)
    if not job.quantize_aware:
        return found
    taught = even_sample(sources, job.quantize_aware * BATCH_SIZE)
    lessons = tokenise(tokenizer, taught, trained.config.max_length, trained.config.normalisation)
    tuned = distil_to_int8(
        trained, lessons, found.ranges, bits=job.bits, keep=found.kept, factors=found.factors, steps=job.quantize_aware
    )
    return replace(found, model=tuned)  # with the ranges that its weights have learnt to live with


def _nearest(job: Export, trained: Classifier, rows: Sequence[Sequence[int]]) -> Quantized:
    ways: dict[str, tuple[dict[str, Range], Factors]] = {}
    for strength in job.smoothing:
        factors = smoothing_factors(trained, rows, strength) if strength else {}
        for method, ranges in activation_ranges(trained, rows, job.methods, job.percentile, factors).items():
            ways[f"{method}, smoothed {strength:g}" if strength else method] = ranges, factors
    first = next(iter(ways))
    kept = sensitivity.sites_to_keep(job.keep_fp32, ways[first][0])
    if len(ways) == 1:
        return Quantized(trained, job.bits, *ways[first], kept, {})
    candidates: dict[str, Arithmetic] = {
        way: StaticInt8(ranges, job.bits, kept, factors) for way, (ranges, factors) in ways.items()
    }
    windows = [tuple(row) for row in rows[:: max(1, len(rows) // VERIFIED_POSTS)]]
    effects = sensitivity.measure(trained, trained, candidates, windows, job.layout)
    tried = {each.layer: each.mean for each in effects}
    best = min(tried, key=tried.__getitem__)
    return Quantized(trained, job.bits, *ways[best], kept, {best: tried[best]} | tried)
