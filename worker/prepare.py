"""From records to model inputs: decode, normalise, tokenise. What Kafka and `classify` share before the model."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from worker.core.errors import Reason, Rejected
from worker.core.ports import Prepared
from worker.core.types import Expired, Post, Record, Scorable, Tombstone, Window
from worker.model.classifier import Classifier
from worker.wire.decode import Decoder


class Preparer:
    """Implements Prepare. A record that cannot be prepared costs nothing but itself.

    A post whose record is more than `expiry` seconds old is not scored; None: none is. A record without a timestamp is
    never too old. `clock` gives seconds since 1970.
    """

    def __init__(
        self,
        decoder: Decoder,
        classifier: Classifier,
        max_text_length: int,
        expiry: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._expiry = expiry
        self._clock = clock
        self._decoder = decoder
        self._classifier = classifier
        self._max_text_length = max_text_length

    def __call__(self, records: Sequence[Record]) -> list[Prepared]:
        """See Prepare: one result for each record, in order."""
        decoded = [self._decode(record) for record in records]
        texts = [text for found in decoded if isinstance(found, tuple) for text in found[1]]
        try:
            windows = iter(self._classifier.windows(texts))
            return [_scorable(found, windows) if isinstance(found, tuple) else found for found in decoded]
        except Exception as error:  # noqa: BLE001 - whichever post it was, every record gets an outcome
            if len(records) == 1:
                post = decoded[0][0].ref if isinstance(decoded[0], tuple) else None
                return [Rejected(Reason.INTERNAL, f"tokenising raised {type(error).__name__}", post)]
            return [result for record in records for result in self([record])]

    def _decode(self, record: Record) -> tuple[Post, list[str]] | Expired | Tombstone | Rejected:
        """A post with its normalised texts, or what else the record is."""
        try:
            post = self._decoder.decode(record)
            if not isinstance(post, Post):
                return post
            return Expired(post.ref) if self._expired(record) else (post, self._normalised(post))
        except Rejected as rejected:
            return rejected
        except Exception as error:  # noqa: BLE001 - a defect of ours must not stop the stream
            return Rejected(Reason.INTERNAL, f"decoding raised {type(error).__name__}")

    def _expired(self, record: Record) -> bool:
        if self._expiry is None or record.timestamp_ms < 0:
            return False
        return self._clock() - record.timestamp_ms / 1000 > self._expiry

    def _normalised(self, post: Post) -> list[str]:
        """The texts to score: title and text, each with windows of its own."""
        originals = [text for text in (post.title, post.text) if text]
        self._check_length(post, "characters", originals)
        texts = [self._classifier.normalise(text).text for text in originals]
        self._check_length(post, "characters after normalisation", texts)
        return texts

    def _check_length(self, post: Post, unit: str, texts: Sequence[str]) -> None:
        longest = max(map(len, texts), default=0)
        if longest > self._max_text_length:
            detail = f"{longest} {unit}; the limit is {self._max_text_length} (MODERATION_MAX_TEXT_LENGTH)"
            raise Rejected(Reason.TEXT_TOO_LONG, detail, post.ref)


def _scorable(found: tuple[Post, list[str]], windows: Iterator[tuple[Window, ...]]) -> Scorable | Rejected:
    post, texts = found
    own = tuple(window for text_windows in islice(windows, len(texts)) for window in text_windows)
    if not own:
        return Rejected(Reason.NO_SCORABLE_TEXT, "nothing is left of the text once it is normalised", post.ref)
    return Scorable(post.ref, own)
