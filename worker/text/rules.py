"""What each choice of Normalisation does to a text that is in NFKC and without invisible characters.

The order makes normalising idempotent: a rule never leaves what one before it would change.
"""

import re
import unicodedata
from functools import lru_cache

from worker.text import emoji, hangul
from worker.text.options import LINK, NUMBER, USER, Normalisation
from worker.text.rewriting import Rule, apart

# Cyrillic and Greek letters that are drawn as Latin ones (a part of Unicode Technical Standard 39's confusables).
_LOOKALIKES = str.maketrans(
    "асеіјкморѕтухһԁԛԝАВЕЅІЈКМНОРСТУХԌԚԜαικνορτυΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aceijkmopstyxhdqwABESIJKMHOPCTYXGQWaikvoptuABEZHIKMNOPTYX",
)
_APOSTROPHES = "'`\u2019"
_QUOTES = "\"'`\u2018-\u201f\u2039\u203a\u00ab\u00bb\u300c-\u300f\u301d-\u301f"


def _as_latin(match: re.Match[str]) -> str:
    """The word in Latin letters, if that is all it then consists of."""
    word, text, end = match[0], match.string, match.end()
    latin = word.translate(_LOOKALIKES)
    if latin == word or not _LATIN.fullmatch(latin) or not _ASCII_LETTER.search(word):
        return word
    marked = end < len(text) and unicodedata.combining(text[end]) > 0  # a mark would compose with the last letter
    return word if marked else latin


def _without_quotes(match: re.Match[str]) -> str:
    text, (start, end) = match.string, match.span()
    before, after = text[start - 1 : start], text[end : end + 1]
    between_words = before.isalnum() and after.isalnum()
    if between_words and match[0] in _APOSTROPHES:
        return match[0]
    composes = after > "\x7f" and before != "" and not (before.isspace() or after.isspace())
    return " " if between_words or composes else ""


def _squeezed(match: re.Match[str]) -> str:
    if not (match[0].isalpha() or match[1] in "!?.~\u2026"):
        return match[0]
    text, (start, end) = match.string, match.span()
    # kkk, www, xxx, iii: an abbreviation or a numeral, not a drawl
    word = end - start == 3 and not _IN_WORD.match(text[start - 1 : start]) and not _IN_WORD.match(text[end : end + 1])
    return match[0] if word and match[0].isalpha() else match[0][:2]


def _number(match: re.Match[str]) -> str:
    text, end = match.string, match.end()
    if match[0][0] == "<":
        return _placed(match, NUMBER)
    inside_word = end < len(text) and _IN_WORD.match(text[end])  # 3rd, 90s, 1st
    return match[0] if inside_word else _placed(match, NUMBER, "@/")


def _placed(match: re.Match[str], word: str, after: str = "") -> str:
    """The placeholder; `after` would begin a handle if it stood alone."""
    return apart(match, word, _APOSTROPHES, _APOSTROPHES + after)


_ASCII_LETTER = re.compile("[A-Za-z]")
_LATIN = re.compile("[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f]+")
_IN_WORD = re.compile(r"\w")

LOOKALIKES = Rule(re.compile(r"[^\W\d_]++"), _as_latin, only_beyond_ascii=True, letter_for_letter=True)
QUOTES = Rule(re.compile(f"[{_QUOTES}]++"), _without_quotes)
REPEATS = Rule(re.compile(r"(\D)\1\1++", re.IGNORECASE), _squeezed)  # to ask for letters here takes twice as long
URLS = Rule(
    # Up to the last character that is not closing punctuation of the sentence around it.
    re.compile(
        r"(?:(?i:https?)://|(?:www|WWW|Www)\.|(?<!\w)(?:t\.co|bit\.ly|youtu\.be|pic\.twitter\.com)/)"
        r"[^\s<>\"]*[^\s<>\".,;:!?)\]}'\u2026]|<url>|(?<!\w)URL(?!\w)"
    ),
    lambda match: _placed(match, LINK),
    hints=("/", "ww", "WW", "<url>", "URL"),
)
HANDLES = Rule(
    re.compile(r"(?:(?<!\w)RT:?\s{0,3})?(?<![\w@])@\w++(?:@\w++)*+:?|<(?:user|email)>|(?<![\w/])/?u/[\w-]{3,}+"),
    lambda match: _placed(match, USER, "@/"),
    hints=("@", "<", "u/"),
)
NUMBERS = Rule(  # not the heart <3, nor what a colon begins
    re.compile(r"(?<![\w<:])\d++(?:[.,:/-]\d++)*+|<(?:number|percent|money|date|time|phone)>"), _number
)


@lru_cache(maxsize=256)
def rules(options: Normalisation) -> tuple[Rule, ...]:
    """The rules that `options` choose, in the order in which they apply."""
    chosen = [
        (options.emoji == "names", emoji.NAMES),
        (options.lookalikes == "fold", LOOKALIKES),
        (options.quotes == "drop", QUOTES),
        *((options.hangul == "fold", rule) for rule in hangul.FOLD),
        (options.repeats == "squeeze", REPEATS),
        (options.urls == "placeholder", URLS),
        (options.handles == "placeholder", HANDLES),
        (options.numbers == "placeholder", NUMBERS),
    ]
    return tuple(rule for wanted, rule in chosen if wanted)
