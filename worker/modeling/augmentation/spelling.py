"""Spelling tricks on labelled posts: how authors hide words, and how people play with harmless ones.

The trick must be no signal in itself: every post is as likely to be picked whatever its labels, and gets tricks on
abusive-looking words (where it has any) and on harmless ones alike. Labels stay those of the source.
"""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.core.errors import Fatal
from worker.modeling.augmentation.grammar import Grammar
from worker.modeling.posts.examples import probability, sides_of, source_in
from worker.modeling.posts.lines import read_rows
from worker.text.encodable import encodable

_LEET = {"a": "@4", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "7+", "l": "1", "b": "8", "g": "9"}
_ABUSIVE_RULES = ("insult_noun", "insult_adj", "swear_noun", "swear", "bad_adj", "beast")
_COMMON = {"you", "are", "the", "and", "piece", "waste", "space", "dogs", "with", "nobody", "son", "head", "sick"}
_COPIED = ("votes", "targets", "class", "language")


def leet(word: str, draw: random.Random) -> str:
    """Some letters as look-alike digits and signs, one at least where the word has any."""
    places = [at for at, char in enumerate(word) if char.lower() in _LEET]
    chosen = set(draw.sample(places, draw.randint(1, len(places)))) if places else set()
    return "".join(draw.choice(_LEET[char.lower()]) if at in chosen else char for at, char in enumerate(word))


def separated(word: str, draw: random.Random) -> str:
    """Every letter apart, by one kind of separator."""
    return draw.choice((" ", ".", "-", "_", " ", "*")).join(word)


def split(word: str, draw: random.Random) -> str:
    """One space, dot or hyphen within the word."""
    at = draw.randrange(1, len(word))
    return word[:at] + draw.choice(" .-") + word[at:]


def swapped(word: str, draw: random.Random) -> str:
    """Two neighbouring letters inside the word exchanged."""
    at = draw.randrange(1, len(word) - 2) if len(word) > 3 else 0
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def stretched(word: str, draw: random.Random) -> str:
    """One letter repeated two to five times more."""
    at = draw.randrange(len(word))
    return word[:at] + word[at] * draw.randint(2, 5) + word[at:]


def without_vowels(word: str, draw: random.Random) -> str:
    """Inner vowels left out, one or all of them."""
    places = [at for at in range(1, len(word)) if word[at].lower() in "aeiou"]
    chosen = set(places if draw.random() < 0.6 else draw.sample(places, min(1, len(places))))
    return "".join(char for at, char in enumerate(word) if at not in chosen)


def masked(word: str, draw: random.Random) -> str:
    """One to all of the inner letters as one masking sign."""
    inner = range(1, len(word) - 1) if len(word) > 2 else range(1, len(word))
    chosen = set(draw.sample(inner, draw.randint(1, len(inner))))
    sign = draw.choice("***#-_")
    return "".join(sign if at in chosen else char for at, char in enumerate(word))


WORD_TRICKS: tuple[Callable[[str, random.Random], str], ...] = (
    leet,
    separated,
    split,
    swapped,
    stretched,
    without_vowels,
    masked,
)


def abusive_words(grammar: Grammar) -> frozenset[str]:
    """Words that authors hide: slurs, insults and profanity of the templates."""
    texts = [text for name in _ABUSIVE_RULES for text in grammar.rules[name]]
    texts += [text for group in grammar.groups for form in ("slurs", "slur") for text in group.forms.get(form, ())]
    words = {word for text in texts for word in re.findall(r"[a-z]{3,}", text.lower())} - _COMMON
    words |= {"fuck", "fucked", "fucker", "shit", "shitty", "bitch", "bitches", "cunt", "ass", "nigga", "pussy", "dick"}
    return frozenset(words | {word + "s" for word in words})


def disguise(text: str, abusive: frozenset[str], draw: random.Random) -> str:
    """`text` with spelling tricks on one to three words, or with two or three neighbouring words joined.

    Returns it unchanged where it has no word of three letters or more.
    """
    parts = re.split(r"(\s+)", text)
    words = [at for at, part in enumerate(parts) if re.fullmatch(r"[\"'(]?[A-Za-z]{3,}[.,!?\"')]*", part)]
    if not words:
        return text
    if draw.random() < 0.12:
        return _joined(parts, draw.choice(words), draw)
    loud = [at for at in words if re.sub(r"[^a-z]", "", parts[at].lower()) in abusive]
    plain = [at for at in words if at not in loud]
    chosen = draw.sample(loud, min(len(loud), draw.randint(1, 2))) if loud else []
    if plain and (not chosen or draw.random() < 0.5):
        chosen += draw.sample(plain, min(len(plain), draw.randint(1, 2)))
    trick = draw.choice(WORD_TRICKS)
    for at in chosen:
        letters = re.search(r"[A-Za-z]+", parts[at])
        if letters:
            parts[at] = parts[at][: letters.start()] + trick(letters.group(), draw) + parts[at][letters.end() :]
        if draw.random() < 0.4:
            trick = draw.choice(WORD_TRICKS)
    return "".join(parts)


def _joined(parts: list[str], at: int, draw: random.Random) -> str:
    """Up to three words from `at` on without their spaces; as one hashtag now and then."""
    end = min(len(parts), at + 2 * draw.randint(2, 3) - 1)
    sign = "#" if draw.random() < 0.2 else ""
    return "".join(parts[:at]) + sign + "".join(parts[at:end:2]) + "".join(parts[end:])


def disguised_posts(path: Path, share: float, seed: int, abusive: frozenset[str]) -> list[dict[str, Any]]:
    """A `share` of the file's posts with spelling tricks, in the file's order, kind "spelling", id "spelling-<id>".

    Labels and votes are copied; a label that is on one side of 0.5 in the whole file is left unknown, as in training, and
    then no votes are copied. Which posts and tricks depends on the seed and each post's id alone. Raises Fatal naming a
    line that is no labelled post, or a file without any, or without a label.
    """
    rows = read_rows(path, "a labelled post", _row)
    if all(value is None for row in rows for value in row["labels"].values()):
        raise Fatal(f"{path}: every label is null: there is nothing to copy")
    names = {label for row in rows for label in row["labels"]}
    known = {label for label in names if len(sides_of(row["labels"].get(label) for row in rows)) > 1}
    copied_keys = [key for key in _COPIED if key != "votes" or known == names]  # votes would tell of every label
    found = []
    for row in rows:
        draw = random.Random(f"spelling/{seed}/{row['id']}")
        labels = {label: value if label in known else None for label, value in row["labels"].items()}
        if draw.random() >= share or all(value is None for value in labels.values()):
            continue
        text = disguise(row["text"], abusive, draw)
        if text != row["text"]:
            copied = {key: row[key] for key in copied_keys if key in row} | {
                "source": source_in(row, path),
                "pair": row["id"],
            }
            found.append({"id": f"spelling-{row['id']}", "text": text, "labels": labels, "kind": "spelling", **copied})
    return found


def _row(row: dict[str, Any]) -> dict[str, Any]:
    labels = {label: probability(value) for label, value in row["labels"].items()}
    return {**row, "id": row["id"], "text": encodable(row["text"]), "labels": labels}
