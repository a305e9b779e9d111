"""The choices of the normaliser that are a model's own: trained with them, it must be served with them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal, Self, get_args

USER = "user"
LINK = "http"
NUMBER = "0"
"""Placeholders. Each is one piece of the uncased WordPiece vocabulary, rare as a word of a post (a URL's scheme) or
an instance of what it stands for (a numeral), so that it takes no other word's meaning."""


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Independent choices beyond NFKC without invisible characters, which always holds. The default changes nothing.

    quotes: `drop` quotation marks of all shapes, but not an apostrophe inside a word.
    handles: `@name`, `u/name`, a retweet's `RT @name:` and markers of data sets such as `<user>` become `user`.
    urls: addresses, and the markers `<url>` and `URL`, become `http`.
    numbers: numbers that stand alone, and markers such as `<number>` or `<percent>`, become `0`. Digits inside words
        stay: they may be letters in disguise.
    emoji: by their Unicode `names`, as words; the same one in a row is named once.
    repeats: `squeeze` three or more of a letter, or of `!?.~`, to two; a word of exactly three, as kkk or www, stays.
    lookalikes: `fold` Cyrillic and Greek letters to the Latin ones they look like, in words that mix these scripts.
    hangul: `fold` Korean syllables that are typed apart or with Latin letters for vowels, and three or more of the same
        single letter (laughter, tears) to two.
    """

    quotes: Literal["keep", "drop"] = "keep"
    handles: Literal["keep", "placeholder"] = "keep"
    urls: Literal["keep", "placeholder"] = "keep"
    numbers: Literal["keep", "placeholder"] = "keep"
    emoji: Literal["keep", "names"] = "keep"
    repeats: Literal["keep", "squeeze"] = "keep"
    lookalikes: Literal["keep", "fold"] = "keep"
    hangul: Literal["keep", "fold"] = "keep"

    @classmethod
    def of(cls, choices: object) -> Self:
        """From `{option: choice}` as a manifest or a command line gives it; what is not named keeps its default.

        Raises ValueError naming the option and what it may be. An unknown option is an error, unlike an unknown field
        elsewhere: leaving it out would change scores silently.
        """
        if isinstance(choices, cls):
            return choices
        if not isinstance(choices, Mapping):
            raise ValueError(f"normalisation: expected an object of options, not {type(choices).__name__}")  # noqa: TRY004
        allowed = {field.name: get_args(field.type) for field in fields(cls)}
        for name, choice in choices.items():
            if name not in allowed:
                raise ValueError(f"normalisation: no option {name!r}; there are {', '.join(allowed)}")
            if choice not in allowed[name]:
                raise ValueError(f"normalisation: {name} is {' or '.join(allowed[name])}, not {choice!r}")
        return cls(**choices)


AS_WRITTEN = Normalisation()
"""Nothing beyond NFKC without invisible characters."""
