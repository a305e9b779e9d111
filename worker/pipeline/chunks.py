"""Records are prepared in chunks, so that the first are scored while the next are still tokenised."""

from collections.abc import Iterable, Sequence

from worker.core.ledger import Entry
from worker.pipeline.lane import Lane

CHUNK_RECORDS = 64
CHUNK_BYTES = 256 * 1024


def chunks(opened: Sequence[tuple[Lane, Entry]]) -> Iterable[list[tuple[Lane, Entry]]]:
    """Cut where a chunk has enough records or bytes."""
    chunk: list[tuple[Lane, Entry]] = []
    size = 0
    for pair in opened:
        chunk.append(pair)
        size += pair[1].record.size
        if len(chunk) == CHUNK_RECORDS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
