"""The naive peer: what one writes first. aiokafka in, a Hugging Face pipeline in batches of 32, aiokafka out, commit.

The same weights as the worker's model, in torch: the classifier's head is put into ElectraForSequenceClassification, so
that scores agree up to quantization. Posts longer than the model are cut, where the worker scores overlapping windows:
on long posts the peer has less to do.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import orjson
import torch
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from torch import Tensor, nn
from transformers import ElectraForSequenceClassification, PreTrainedTokenizerFast, pipeline

from worker.modeling.training.network import Classifier

BATCH = 32


class _FirstToken(nn.Module):
    """The classifier's head: one linear layer on [CLS]."""

    def __init__(self, out: nn.Linear) -> None:
        super().__init__()
        self.out = out

    def forward(self, states: Tensor) -> Tensor:
        logits: Tensor = self.out(states[:, 0])
        return logits


def load(classifier: Path, tokenizer: Path) -> Any:
    """A `text-classification` pipeline with every label's independent probability."""
    own = Classifier.load(classifier)
    labels = own.config.labels
    encoder: Any = own.electra
    encoder.config.num_labels = len(labels)
    encoder.config.id2label = dict(enumerate(labels))
    model: Any = ElectraForSequenceClassification(encoder.config)
    model.electra = encoder
    model.classifier = _FirstToken(own.out)
    fast_tokenizer: Any = PreTrainedTokenizerFast
    make: Any = pipeline
    return make(
        "text-classification",
        model=model.eval(),
        tokenizer=fast_tokenizer(
            tokenizer_file=str(tokenizer),
            model_max_length=own.config.max_length,
            **{f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")},
            model_input_names=["input_ids", "attention_mask"],
        ),
        device="cpu",
        batch_size=BATCH,
        top_k=None,
        function_to_apply="sigmoid",
        truncation=True,
    )


async def run(classify: Any) -> None:
    """Consume, score, produce, commit, until killed."""
    servers = os.environ["MODERATION_BOOTSTRAP_SERVERS"]
    consumer = AIOKafkaConsumer(
        os.environ["MODERATION_INPUT_TOPIC"],
        bootstrap_servers=servers,
        group_id=os.environ["MODERATION_GROUP_ID"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    async with consumer, producer:
        while True:
            fetched = await consumer.getmany(timeout_ms=500, max_records=BATCH)
            records = [record for batch in fetched.values() for record in batch]
            if not records:
                continue
            posts = [orjson.loads(record.value) for record in records]
            # In a thread, or a slow batch would silence the heartbeats and lose the group.
            scored = await asyncio.to_thread(classify, [post["text"] for post in posts])
            verdicts = []
            for record, post, scores in zip(records, posts, scored, strict=True):
                verdict = {"post_id": post["id"], "scores": {score["label"]: score["score"] for score in scores}}
                topic = os.environ["MODERATION_OUTPUT_TOPIC"]
                verdicts.append(await producer.send(topic, json.dumps(verdict).encode(), key=record.key))
            await asyncio.gather(*verdicts)
            await consumer.commit()


if __name__ == "__main__":
    torch.set_grad_enabled(mode=False)
    asyncio.run(run(load(Path(sys.argv[1]), Path(sys.argv[2]))))
