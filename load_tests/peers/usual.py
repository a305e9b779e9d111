"""The usual setup: aiokafka and onnxruntime with `quantize_dynamic`, batches of 32 in the order of arrival."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from load_tests.peers.loop import Scores, run
from worker.model.bundle import load_bundle

INT8, TOKENIZER = "int8.onnx", "tokenizer.json"


class Usual:
    """Texts to probabilities: padded to the longest of the batch, cut at the model's length. `threads` 0: onnxruntime's default."""

    def __init__(self, weights: Path, bundle: Path, threads: int = 0) -> None:
        manifest = load_bundle(bundle).manifest
        self._labels = manifest.labels
        self._tokenizer = Tokenizer.from_file(str(weights / TOKENIZER))
        self._tokenizer.enable_truncation(manifest.max_length)
        self._tokenizer.enable_padding(pad_id=self._tokenizer.token_to_id("[PAD]"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(weights / INT8), options, providers=["CPUExecutionProvider"])

    def __call__(self, texts: Sequence[str]) -> list[Scores]:
        encoded = self._tokenizer.encode_batch(list(texts))
        feed = {
            "input_ids": np.array([one.ids for one in encoded], np.int64),
            "attention_mask": np.array([one.attention_mask for one in encoded], np.int64),
        }
        probabilities = 1 / (1 + np.exp(-self._session.run(["logits"], feed)[0]))
        return [dict(zip(self._labels, row, strict=True)) for row in probabilities.tolist()]


async def main(weights: Path, bundle: Path) -> None:
    usual = Usual(weights, bundle)

    async def score(texts: list[str]) -> list[Scores]:
        return await asyncio.to_thread(usual, texts)

    await run(score)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
