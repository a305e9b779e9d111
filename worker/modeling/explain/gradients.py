"""Integrated gradients on a checkpoint's word embeddings (Sundararajan, Taly and Yan 2017, arXiv 1703.01365)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from worker.core.types import Scores, Window
from worker.explain.passages import Passage, Reader
from worker.model.tokenizer import load_tokenizer
from worker.modeling.training.network import Classifier, collate

OVERLAP = 32
"""Tokens that adjacent windows share: export's default, or a quarter of a window where that is less."""
_TOKENS = 1024
"""Padded tokens of one pass through the network."""


class IntegratedGradients:
    """Weighs words by the gradients of a label's log-odds along the straight path from a text of [PAD]. Implements Method.

    The path runs through the word embeddings of all tokens but [CLS] and [SEP], with positions as they are, at the
    nodes of a Gauss-Legendre quadrature. A word's weight is the sum over its tokens and their dimensions. In theory
    the weights add up to what the text has more than the baseline (completeness); `gaps` collects, for each passage
    weighed, how far they miss it: |sum of weights - difference|, in log-odds. `steps`: nodes of the quadrature.
    """

    def __init__(self, directory: Path, steps: int) -> None:
        self._model = Classifier.load(directory)
        self._model.requires_grad_(False)
        self._table: nn.Module = self._model.electra.get_input_embeddings()  # type: ignore[operator]
        config = self._model.config
        self.labels = config.labels
        overlap = min(OVERLAP, config.max_length // 4)
        tokenizer = load_tokenizer(directory / "tokenizer.json")
        self.reader = Reader(tokenizer, config.max_length, overlap, config.normalisation)
        self._pad = self.reader.token("[PAD]")
        nodes, shares = np.polynomial.legendre.leggauss(steps)
        self._nodes = torch.tensor((nodes + 1) / 2, dtype=torch.float32)
        self._shares = torch.tensor(shares / 2, dtype=torch.float32)
        self.gaps: list[float] = []

    @torch.no_grad()
    def score(self, windows: Sequence[Window]) -> list[Scores]:
        """See Method: in float32."""
        found: list[Scores] = []
        size = max(_TOKENS // max(map(len, windows), default=1), 1)
        for start in range(0, len(windows), size):
            logits: Tensor = self._model(*collate(windows[start : start + size]))
            found += map(tuple, logits.sigmoid().tolist())
        return found

    def weigh(self, passage: Passage, label: int) -> list[float]:
        """See Method."""
        ids = torch.tensor([passage.window])
        ends = self._table(ids)
        baseline = ends.clone()
        baseline[:, 1:-1] = self._table(torch.tensor(self._pad))
        path = ends - baseline
        total = torch.zeros_like(path)
        size = max(_TOKENS // ids.shape[1], 1)
        for nodes, shares in zip(torch.split(self._nodes, size), torch.split(self._shares, size), strict=True):
            points = (baseline + nodes[:, None, None] * path).requires_grad_()
            logits = self._logits(ids, points)[:, label]
            (gradients,) = torch.autograd.grad(logits.sum(), points)
            total += (shares[:, None, None] * gradients).sum(dim=0, keepdim=True)
        by_token = (path * total)[0].sum(dim=1)
        with torch.no_grad():
            from_, to = self._logits(ids, torch.cat((baseline, ends)))[:, label].tolist()
        self.gaps.append(abs(by_token.sum().item() - (to - from_)))
        return [by_token[word.first : word.last].sum().item() for word in passage.words]

    def _logits(self, ids: Tensor, embedded: Tensor) -> Tensor:
        """Logits float32 [points, labels] of the same ids with other word embeddings [points, tokens, dimensions]."""
        ids = ids.expand(len(embedded), -1)
        hook = self._table.register_forward_hook(lambda *_: embedded)
        try:
            logits: Tensor = self._model(ids, torch.ones_like(ids))
        finally:
            hook.remove()
        return logits
