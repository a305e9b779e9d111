"""A made-up file of 4-bit weights, as `worker.modeling.encoders.multilingual.packed` reads it."""

import struct
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

HIDDEN, WIDE, POSITIONS = 32, 64, 64
SHAPE: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": WIDE,
    "max_position_embeddings": POSITIONS,
    "layer_norm_eps": 1e-6,
}
_WORDS = "▁ a b [ ] < > / s ! ▁a ab S EP CLS PAD UNK MASK unk mask ▁the fruit 蘋果 яблоко 🍎 ▁사 사 과 는 ▁사과 사과 \u110f \u110f\u110f \u1100"
PIECES: list[tuple[str, float]] = [
    *((name, 0.0) for name in ("<s>", "<pad>", "</s>", "<unk>")),
    *((piece, -3.0 - 0.25 * number / len(piece)) for number, piece in enumerate(_WORDS.split())),
    ("<mask>", 0.0),
]
Weights: TypeAlias = dict[str, NDArray[np.float32]]


def random_weights(draw: np.random.Generator) -> Weights:
    """Tensors by their names in the file; those to be packed lie on the grid that 4 bits can hold."""

    def matrix(rows: int, columns: int) -> NDArray[np.float32]:
        return (draw.integers(-8, 8, (rows, columns)) * 0.03125).astype(np.float32)

    def vector(size: int, mean: float = 0.0) -> NDArray[np.float32]:
        return draw.normal(mean, 0.1, size).astype(np.float32)

    found = {"emb.word": matrix(len(PIECES) + 3, HIDDEN)}
    found["emb.pos"] = draw.normal(0, 0.1, (POSITIONS, HIDDEN)).astype(np.float32)
    found["emb.type"] = draw.normal(0, 0.1, (2, HIDDEN)).astype(np.float32)
    found |= {"emb.ln.w": vector(HIDDEN, 1), "emb.ln.b": vector(HIDDEN)}
    for layer in range(2):
        for part, (outputs, inputs) in {"fi": (WIDE, HIDDEN), "fo": (HIDDEN, WIDE)}.items():
            found[f"l{layer}.{part}.w"], found[f"l{layer}.{part}.b"] = matrix(outputs, inputs), vector(outputs)
        for part in ("q", "k", "v", "ao"):
            found[f"l{layer}.{part}.w"], found[f"l{layer}.{part}.b"] = matrix(HIDDEN, HIDDEN), vector(HIDDEN)
        for part in ("aln", "oln"):
            found[f"l{layer}.{part}.w"], found[f"l{layer}.{part}.b"] = vector(HIDDEN, 1), vector(HIDDEN)
    return found


def write_packed(path: Path, weights: Weights) -> None:
    """Write the file: matrices but the position and type embeddings in blocks, the rest as float32."""
    encoded = [piece.encode() for piece, _ in PIECES]
    starts = np.cumsum([0, *map(len, encoded)]).astype("<u4")
    head = b"E5S1" + struct.pack("<I", 1)
    head += struct.pack("<7ifi", HIDDEN, 2, 4, WIDE, len(PIECES) + 3, POSITIONS, 2, SHAPE["layer_norm_eps"], 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, encoded)))
    head += starts.tobytes() + np.array([score for _, score in PIECES], "<f4").tobytes() + b"".join(encoded)
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 9, 1, 32)  # a tab is a blank
    blobs = {name: _stored(name, value) for name, value in weights.items()}
    directory = sum(2 + len(name) + 1 + 20 for name in blobs)
    offset = len(head) + 4 + directory
    table = struct.pack("<i", len(blobs))
    for name, blob in blobs.items():
        table += (
            struct.pack("<H", len(name))
            + name.encode()
            + struct.pack("<BIQQ", 0, weights[name].size, offset, len(blob))
        )
        offset += len(blob)
    path.write_bytes(head + table + b"".join(blobs.values()))


def _stored(name: str, value: NDArray[np.float32]) -> bytes:
    if value.ndim == 1 or name in {"emb.pos", "emb.type"}:
        return value.astype("<f4").tobytes()
    blocks = b""
    for block in value.reshape(-1, 32):
        scale = np.float16(0.25 if np.abs(block).max() > 0.25 else 0.03125)
        steps = np.round(block / np.float32(scale) + 8).astype(np.uint8)
        blocks += scale.tobytes() + (steps[:16] | steps[16:] << 4).tobytes()
    return blocks
