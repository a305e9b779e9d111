"""aiokafka and a Hugging Face pipeline: float32 torch, batches of 32 in the order of arrival.

Posts longer than the model are cut, where the worker scores overlapping windows: on those the peer has less to do.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerFast, pipeline

from load_tests.peers.loop import BATCH, Scores, run
from load_tests.peers.usual import TOKENIZER
from load_tests.peers.weights import sequence_classifier
from worker.model.bundle import load_bundle


def load(weights: Path, max_length: int) -> Any:
    """A `text-classification` pipeline with every label's independent probability."""
    fast_tokenizer: Any = PreTrainedTokenizerFast
    make: Any = pipeline
    return make(
        "text-classification",
        model=sequence_classifier(weights),
        tokenizer=fast_tokenizer(
            tokenizer_file=str(weights / TOKENIZER),
            model_max_length=max_length,
            **{f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
            model_input_names=["input_ids", "attention_mask"],
        ),
        device="cpu",
        batch_size=BATCH,
        top_k=None,
        function_to_apply="sigmoid",
        truncation=True,
    )


async def main(weights: Path, bundle: Path) -> None:
    classify = load(weights, load_bundle(bundle).manifest.max_length)

    async def score(texts: list[str]) -> list[Scores]:
        # In a thread, or a slow batch would silence the heartbeats and lose the group.
        scored = await asyncio.to_thread(classify, texts)
        return [{row["label"]: row["score"] for row in rows} for rows in scored]

    await run(score)


if __name__ == "__main__":
    torch.set_grad_enabled(mode=False)
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
