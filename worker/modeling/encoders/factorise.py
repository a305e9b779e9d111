"""Narrow embeddings for an encoder that has wide ones: ELECTRA's factorisation, fitted to the original.

The original normalises word + position + type embeddings at its hidden size. A factorised ELECTRA sums them in
`dimensions`, normalises there and projects afterwards, so that no factorisation of the tables is exact: the norm is
taken before the part left out is missing. So the tables start from a singular value decomposition weighted by
token frequency, and tables, LayerNorm and projection are then fitted to the original normalised embeddings of
(token, position) pairs as they occur in texts. Deterministic; about a minute on one thread.

Energy lost: the sum of squared differences over the sum of squared deviations from the mean, over occurrences.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.functional import cosine_similarity
from transformers import ElectraModel

from worker.core.errors import Fatal
from worker.model.tokenizer import encode, special_token
from worker.modeling.posts.texts import read_texts
from worker.text.normalise import normalise
from worker.text.options import AS_WRITTEN, Normalisation

TOKENS = 2_000_000
"""Tokens read of the texts, a like share of each file: enough to know what matters, a minute of reading."""

_STEPS, _BATCH, _RATE = 600, 4096, 0.02
_UNIFORM = 0.05
"""Share of pairs drawn evenly over tokens and positions, so that those the texts lack are not left behind."""
_SOLVED = 32_768
"""Pairs drawn to solve for the projection and to measure."""
_CLS_POSTS = 64
_TABLES = ("word_embeddings", "position_embeddings", "token_type_embeddings")


@dataclass(frozen=True, slots=True)
class Factorised:
    """How much factorising lost. All but the cosine are shares of energy over occurrences in the texts, 0 to 1.

    `word_table_plain`, `word_table_weighted`: of the word embeddings alone, cut by a plain SVD and by the weighted
    one. `projected`: of the normalised embeddings, after the weighted SVD and the best projection of it. `fitted`:
    after the fit. `cls_cosine`: mean cosine between the [CLS] states of the factorised encoder and of the original.
    """

    dimensions: int
    tokens: int
    word_table_plain: float
    word_table_weighted: float
    projected: float
    fitted: float
    cls_cosine: float


def count_tokens(
    tokenizer: Tokenizer, texts: Sequence[Path], model: ElectraModel, normalisation: Normalisation = AS_WRITTEN
) -> list[list[int]]:
    """Token ids of the posts in `texts`, `[CLS]` … `[SEP]`, as a worker that normalises so sees them, up to TOKENS in all.

    Raises Fatal where the files hold no text.
    """
    cls, sep = special_token(tokenizer, "[CLS]"), special_token(tokenizer, "[SEP]")
    longest = model.config.max_position_embeddings - 2
    rows: list[list[int]] = []
    for number, path in enumerate(texts, 1):
        lines = read_texts([path])
        while sum(map(len, rows)) < TOKENS * number / len(texts) and (some := list(islice(lines, 1000))):
            found = encode(tokenizer, [normalise(text, normalisation).text for text in some])
            rows += [[cls, *ids[:longest], sep] for ids in found if ids]
    if not rows:
        raise Fatal("warm-start: the files given to --texts hold no text")
    return rows


def factorise(model: ElectraModel, dimensions: int, rows: Sequence[Sequence[int]]) -> tuple[ElectraModel, Factorised]:
    """Return an encoder like `model` whose embeddings have `dimensions`, fitted to those of `model` over `rows`.

    Raises Fatal where its embeddings are not wider than that.
    """
    width = model.config.embedding_size
    if not 2 <= dimensions < width:
        raise Fatal(
            f"warm-start: --factorise {dimensions}: the embeddings have {width} dimensions: want 2 to {width - 1}"
        )
    pairs = _Pairs(rows, model)
    words = model.embeddings.word_embeddings.weight.detach()
    plain, weighted = (_basis(words, weight, dimensions) for weight in (torch.ones(len(words)), pairs.frequency))
    narrow = _start(model, weighted)
    _project(narrow, model, pairs)
    projected = _lost(narrow, model, pairs)
    _fit(narrow, model, pairs)
    report = Factorised(
        dimensions,
        sum(map(len, rows)),
        _table_lost(words, plain, pairs.frequency),
        _table_lost(words, weighted, pairs.frequency),
        projected,
        _lost(narrow, model, pairs),
        _cls_cosine(narrow, model, rows),
    )
    return narrow, report


class _Pairs:
    """(token, position) pairs as they occur in `rows`, to draw from."""

    def __init__(self, rows: Sequence[Sequence[int]], model: ElectraModel) -> None:
        self.tokens = torch.from_numpy(np.concatenate([np.asarray(row, np.int64) for row in rows]))
        self.positions = torch.from_numpy(np.concatenate([np.arange(len(row)) for row in rows]))
        self.sizes = (model.config.vocab_size, model.config.max_position_embeddings)
        count = torch.bincount(self.tokens, minlength=self.sizes[0]).float()
        self.frequency = (1 - _UNIFORM) * count / count.sum() + _UNIFORM / self.sizes[0]
        self._generator = torch.Generator().manual_seed(0)

    def draw(self, count: int, uniform: float = _UNIFORM) -> tuple[Tensor, Tensor]:
        """Tokens and positions, int64 [count] each."""
        rest = int(count * uniform)
        chosen = torch.randint(len(self.tokens), (count - rest,), generator=self._generator)
        evenly = [torch.randint(size, (rest,), generator=self._generator) for size in self.sizes]
        return torch.cat([self.tokens[chosen], evenly[0]]), torch.cat([self.positions[chosen], evenly[1]])


def _basis(table: Tensor, weight: Tensor, dimensions: int) -> Tensor:
    """The strongest directions of a table's rows, float64 [width, dimensions].

    One direction fewer than dimensions, spread over coordinates that add up to nothing, because LayerNorm takes the
    mean of a row away: the original's of the rows before, the new one's of the coordinates after.
    """
    rows = table.double() - table.double().mean(1, keepdim=True)
    values, vectors = torch.linalg.eigh(rows.T @ ((weight / weight.sum()).double()[:, None] * rows))
    strongest = vectors[:, values.argsort(descending=True)[: dimensions - 1]]
    ones_first = torch.cat([torch.ones(dimensions, 1), torch.eye(dimensions)[:, 1:]], 1).double()
    spread, _ = torch.linalg.qr(ones_first)
    found: Tensor = strongest @ spread[:, 1:].T
    return found


def _table_lost(table: Tensor, basis: Tensor, weight: Tensor) -> float:
    rows = table.double() - table.double().mean(1, keepdim=True)
    left = (rows - rows @ basis @ basis.T).square().sum(1)
    return float((weight @ left.float()) / (weight @ rows.square().sum(1).float()))


def _start(model: ElectraModel, basis: Tensor) -> ElectraModel:
    """`model` with its embedding tables in the basis, larger so that a step of the fit means the same for any model."""
    config = copy.deepcopy(model.config)
    config.embedding_size = basis.shape[1]
    narrow = ElectraModel(config)
    narrow.encoder.load_state_dict(model.encoder.state_dict())
    scale = 1 / (model.embeddings.word_embeddings.weight.double() @ basis).std()
    for name in _TABLES:
        table = getattr(model.embeddings, name).weight.detach().double()
        getattr(narrow.embeddings, name).weight.data.copy_(table @ basis * scale)
    narrow.eval()  # type: ignore[no-untyped-call]
    return narrow


def _first_states(model: ElectraModel, tokens: Tensor, positions: Tensor) -> Tensor:
    """What the first layer reads: float32 [pairs, hidden]."""
    found: Tensor = model.embeddings(input_ids=tokens[:, None], position_ids=positions[:, None])
    if hasattr(model, "embeddings_project"):
        found = model.embeddings_project(found)
    return found[:, 0]


def _project(narrow: ElectraModel, model: ElectraModel, pairs: _Pairs) -> None:
    """Set the projection to the one with least squares."""
    drawn = pairs.draw(_SOLVED)
    with torch.no_grad():
        target = _first_states(model, *drawn).double()
        tokens, positions = drawn
        inputs = narrow.embeddings(input_ids=tokens[:, None], position_ids=positions[:, None])[:, 0].double()
        inputs = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], 1)
        gram = inputs.T @ inputs
        gram += 1e-8 * gram.diagonal().mean() * torch.eye(len(gram))  # the coordinates' mean is nought: one is spare
        solution = torch.linalg.solve(gram, inputs.T @ target)
        narrow.embeddings_project.weight.copy_(solution[:-1].T)
        narrow.embeddings_project.bias.copy_(solution[-1])


def _fit(narrow: ElectraModel, model: ElectraModel, pairs: _Pairs) -> None:
    """Fit tables, LayerNorm and projection by gradient descent; the types stay, since segment 0 alone is drawn."""
    embeddings = narrow.embeddings
    tables = [embeddings.word_embeddings.weight, embeddings.position_embeddings.weight]
    rest = [*embeddings.LayerNorm.parameters(), *narrow.embeddings_project.parameters()]
    groups = [{"params": tables, "lr": _RATE}, {"params": rest, "lr": _RATE / 20}]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / _STEPS)
    for _ in range(_STEPS):
        drawn = pairs.draw(_BATCH)
        with torch.no_grad():
            target = _first_states(model, *drawn)
        loss = (_first_states(narrow, *drawn) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


@torch.no_grad()
def _lost(narrow: ElectraModel, model: ElectraModel, pairs: _Pairs) -> float:
    drawn = pairs.draw(_SOLVED, uniform=0)
    target = _first_states(model, *drawn)
    left = (_first_states(narrow, *drawn) - target).square().sum()
    return float(left / (target - target.mean(0)).square().sum())


@torch.no_grad()
def _cls_cosine(narrow: ElectraModel, model: ElectraModel, rows: Sequence[Sequence[int]]) -> float:
    chosen = rows[:: max(1, len(rows) // _CLS_POSTS)][:_CLS_POSTS]
    found = []
    for row in chosen:
        ids = torch.tensor([row])
        ours, theirs = (m(input_ids=ids).last_hidden_state[0, 0] for m in (narrow, model))
        found.append(float(cosine_similarity(ours, theirs, dim=0)))
    return sum(found) / len(found)
