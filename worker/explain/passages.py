"""A text as the model's windows, with the words that stand in each: what every method of explaining starts from."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from tokenizers import Encoding, Tokenizer

from worker.core.types import Window
from worker.model.classifier import Classifier
from worker.model.manifest import TOKENIZER
from worker.model.tokenizer import load_tokenizer, special_token
from worker.text.normalise import normalise
from worker.text.options import AS_WRITTEN, Normalisation
from worker.text.windows import windows

_JOINTS = frozenset("'\u2019*@$!.-_+")
"""What may stand inside a word: `don't`, `f*ck`, `sh!t`. The tokenizer cuts there; a reader sees one word."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word at `[start, end)` of the original text, and its tokens `[first, last)` in the window's ids."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Passage:
    """One window of a text, `[CLS]` … `[SEP]`, and its words in order: none empty, no two over the same character."""

    window: Window
    words: tuple[Word, ...]


class Reader:
    """Cuts texts into the windows that serving scores."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        overlap: int,
        normalisation: Normalisation = AS_WRITTEN,
    ) -> None:
        self._tokenizer = tokenizer
        self._normalisation = normalisation
        self._cls = special_token(tokenizer, "[CLS]")
        self._sep = special_token(tokenizer, "[SEP]")
        self._max_length = max_length
        self._overlap = overlap

    @classmethod
    def of(cls, classifier: Classifier) -> "Reader":
        """The reader whose windows are those of `classifier`. Raises Fatal where its tokenizer cannot be read."""
        manifest = classifier.bundle.manifest
        tokenizer = load_tokenizer(classifier.bundle.path / TOKENIZER)
        return cls(tokenizer, manifest.max_length, manifest.overlap, manifest.normalisation)

    def token(self, name: str) -> int:
        """Id of a special token. Raises Fatal where the vocabulary lacks it."""
        return special_token(self._tokenizer, name)

    def passages(self, text: str) -> list[Passage]:
        """The windows of `text` as its author wrote it; none where nothing is left to score."""
        normalised = normalise(text, self._normalisation)
        encoding = self._tokenizer.encode(normalised.text, add_special_tokens=False)
        words = list(_apart(_joined(_pretokens(encoding, normalised.text), normalised.text), normalised.offsets()))
        ids = encoding.ids
        # Serving's own function, on positions in place of ids, says where its windows begin and end.
        positions = windows(range(len(ids)), cls=-1, sep=-1, max_length=self._max_length, overlap=self._overlap)
        return [self._passage(ids, words, inside[1], inside[-2] + 1) for inside in positions]

    def _passage(self, ids: list[int], words: list[Word], low: int, high: int) -> Passage:
        inside = tuple(
            Word(word.start, word.end, max(word.first, low) - low + 1, min(word.last, high) - low + 1)
            for word in words
            if word.first < high and word.last > low
        )
        return Passage((self._cls, *ids[low:high], self._sep), inside)


def _pretokens(encoding: Encoding, text: str) -> Iterator[Word]:
    """The pre-tokeniser's words, at offsets of the normalised text, without the blanks that some of them begin with."""
    tokens = enumerate(zip(encoding.word_ids, encoding.offsets, strict=True))
    for _, group in groupby(tokens, key=lambda token: token[1][0]):
        pieces = list(group)
        start, end = pieces[0][1][1][0], pieces[-1][1][1][1]
        start = end - len(text[start:end].lstrip())
        if start < end:
            yield Word(start, end, pieces[0][0], pieces[-1][0] + 1)


def _joined(words: Iterator[Word], text: str) -> Iterator[Word]:
    """Words that one joint and no space keeps apart become one."""
    waiting: list[Word] = []
    for word in words:
        waiting.append(word)
        if len(waiting) > 1 and not _adjacent(waiting, text):
            yield from waiting[:-1]
            waiting = [word]
        elif len(waiting) == 3:
            waiting = [Word(waiting[0].start, word.end, waiting[0].first, word.last)]
    yield from waiting


def _adjacent(words: list[Word], text: str) -> bool:
    left, right = words[-2:]
    if left.end != right.start:
        return False
    if len(words) == 2:  # a word, then perhaps a joint
        return text[left.end - 1].isalnum() and text[right.start : right.end] in _JOINTS
    return text[right.start].isalnum()


def _apart(words: Iterator[Word], origins: list[int]) -> Iterator[Word]:
    """Words at offsets of the original text; those that come of the same character of it (`½`, `…`) become one."""
    found: Word | None = None
    for word in words:
        start, end = origins[word.start], _end(origins, word.end)
        if found and start < found.end:
            found = Word(found.start, max(end, found.end), found.first, word.last)
            continue
        if found:
            yield found
        found = Word(start, end, word.first, word.last)
    if found:
        yield found


def _end(origins: list[int], position: int) -> int:
    """Where the character before `position` ends in the original, whole."""
    last = origins[position - 1]
    while origins[position] == last:
        position += 1
    return origins[position]
