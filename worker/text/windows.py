"""Long posts as overlapping windows of the model's maximum length: nothing is cut silently."""

from array import array
from collections.abc import Sequence

from worker.core.types import Window


def windows(ids: Sequence[int], *, cls: int, sep: int, max_length: int, overlap: int) -> tuple[Window, ...]:
    """Split token ids (without special tokens) into windows of at most `max_length`, [CLS] and [SEP] included.

    Every token is in a window and adjacent windows share at least `overlap` tokens, so that a phrase no longer
    than `overlap` + 1 is whole in one of them. The last window ends with the last token and is filled up to the
    left: a short tail would be scored without its context. No ids, no windows. Raises ValueError where
    `max_length` leaves no room to advance.
    """
    room = max_length - 2
    step = room - overlap
    if overlap < 0 or step < 1:
        raise ValueError(f"windows of {max_length} tokens with an overlap of {overlap} cannot advance")
    if not ids:
        return ()
    last = max(len(ids) - room, 0)
    starts = [*range(0, last, step), last]
    # Four bytes a token: as lists, a queue of long posts would take ten times the memory of their text.
    return tuple(array("i", (cls, *ids[start : start + room], sep)) for start in starts)
