"""Replaced-token detection, ELECTRA's way to pretrain (Clark et al. 2020, arXiv 2003.10555).

A small generator fills masked places; the discriminator says of every token whether it is the author's. Only the
discriminator's encoder is kept.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import ElectraForMaskedLM, ElectraForPreTraining, ElectraModel

NARROWER = 4
"""The generator's width is a quarter of the discriminator's; the paper found 1/4 to 1/2 best."""
DISCRIMINATOR_WEIGHT = 50.0
"""Of the paper: its loss is a small number, a binary one over all tokens."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one batch: the losses (scalars), and float32 scalars over its tokens.

    `correct`: share of tokens judged right. `replaced`: share that differs from the author's. `found`: share of those
    that the discriminator noticed.
    """

    generator: Tensor
    discriminator: Tensor
    correct: Tensor
    replaced: Tensor
    found: Tensor

    @property
    def loss(self) -> Tensor:
        """What is minimised: both together; no gradient passes through the sampling between them."""
        return self.generator + DISCRIMINATOR_WEIGHT * self.discriminator


class ReplacedTokenDetection(nn.Module):
    """Generator and discriminator around `encoder`, sharing its embeddings."""

    def __init__(self, encoder: ElectraModel) -> None:
        super().__init__()
        self.discriminator = ElectraForPreTraining(encoder.config)
        self.discriminator.electra = encoder
        self.generator = ElectraForMaskedLM(_narrower(encoder.config))
        self.generator.electra.embeddings = encoder.embeddings
        self.generator.generator_lm_head.weight = encoder.embeddings.word_embeddings.weight

    def forward(self, ids: Tensor, places: Tensor, mask: int) -> Outcome:
        """Ids int64 [rows, tokens], all of them tokens of texts; places int64 [rows, masked]; mask: id of [MASK]."""
        original = ids.gather(1, places)
        states = self.generator.electra(input_ids=ids.scatter(1, places, mask)).last_hidden_state
        chosen = states.gather(1, places[..., None].expand(-1, -1, states.shape[-1]))
        logits = self.generator.generator_lm_head(self.generator.generator_predictions(chosen)).float()
        with torch.no_grad():
            gumbel = -torch.empty_like(logits).exponential_().log()
            sampled = (logits + gumbel).argmax(-1)
            corrupted = ids.scatter(1, places, sampled)
            replaced = corrupted != ids
        verdicts = self.discriminator(input_ids=corrupted).logits.float()
        with torch.no_grad():
            said = verdicts > 0
            found = (said & replaced).sum() / replaced.sum().clamp(min=1)
        return Outcome(
            cross_entropy(logits.flatten(0, 1), original.flatten()),
            binary_cross_entropy_with_logits(verdicts, replaced.float()),
            (said == replaced).float().mean(),
            replaced.float().mean(),
            found,
        )


def choose_places(ids: Tensor, special: Tensor, share: float) -> Tensor:
    """Random places to mask: int64 [rows, masked], the same number in each row, none of a special token.

    (A row of almost nothing but special tokens may lose one of them.)
    """
    noise = torch.rand(ids.shape, device=ids.device).masked_fill(torch.isin(ids, special), -1.0)
    count = max(1, round(share * ids.shape[1]))
    return noise.topk(count, dim=1).indices


def _narrower(config: Any) -> Any:
    """The generator's shape: the same depth and head size, a quarter of the heads, embeddings of the same size."""
    narrow = copy.deepcopy(config)
    narrow.num_attention_heads = max(1, config.num_attention_heads // NARROWER)
    narrow.hidden_size = config.hidden_size // config.num_attention_heads * narrow.num_attention_heads
    narrow.intermediate_size = max(1, config.intermediate_size // NARROWER)
    return narrow
