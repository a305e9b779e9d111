"""Which groups of people a text names: a small lexicon of neutral identity terms, for bias figures and explanations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PEOPLE = (
    "people|persons?|men|man|women|woman|guys?|girls?|boys?|kids?|children|folks?|families|family|community|"
    "communities|students?|neighbou?rs?|friends?|voters?|workers?|lives|americans?|culture|history|males?|females?"
)

TERMS: Mapping[str, tuple[str, ...]] = {
    "women": ("wom[ae]n", "girls?", "females?", "ladies", "lady", "feminists?"),
    "men": ("men", "males?", "boys?"),
    "black": ("blacks", f"black (?:{_PEOPLE})", "african(?:-| )americans?", "africans?"),
    "white": ("whites", f"white (?:{_PEOPLE})", "caucasians?"),
    "asian": ("asians?", "asian(?:-| )americans?", "chinese", "japanese", "koreans?", "vietnamese", "filipinos?"),
    "latino": ("latin[oax]s?", "hispanics?", "mexicans?", "puerto ricans?"),
    "arab": ("arabs?", "arabic", "middle(?:-| )eastern(?:ers?)?", "syrians?", "iraqis?", "palestinians?"),
    "indigenous": ("native americans?", "aborigin(?:al|e)s?", "indigenous", "inuit"),
    "roma": ("roma", "romani", "travellers"),
    "immigrants": ("(?:im)?migrants?", "refugees?", "asylum(?:-| )seekers?", "foreigners?"),
    "muslims": ("muslims?", "moslems?", "islam(?:ic)?"),
    "jews": ("jew(?:s|ish)?", "judaism"),
    "christians": ("christians?", "christianity", "catholics?", "protestants?"),
    "gay": ("gays?", "lesbians?", "bisexuals?", "homosexual(?:s|ity)?", "lgbt[a-z+]*", "queer (?:" + _PEOPLE + ")"),
    "trans": ("trans", "transgender(?:ed|s)?", "transsexuals?", "non-?binary"),
    "disabled": ("disabled", "disabilit(?:y|ies)", "autistic", "autism", "wheelchairs?", "blind people", "deaf people"),
    "old": (f"(?:old|elderly|older) (?:{_PEOPLE})", "elderly", "pensioners?", "boomers?"),
}
"""Regular expressions of whole words by group, matched without regard to case; a space stands for any white space.

Neutral names only. Slurs are left out on purpose: posts found by a slur would tell how a model treats the slur. `black`,
`white` and `old` count before a word for people, or as a plural, because alone they are mostly colours and ages.
`girls` and `boys` count for the sexes. A text may name several groups. English; what it misses, it misses for every
model alike, but it makes the groups smaller and purer than annotators would.
"""

_PATTERNS = {
    group: re.compile(rf"(?<!\w)(?:{'|'.join(terms)})(?!\w)".replace(" ", r"\s+"), re.IGNORECASE)
    for group, terms in TERMS.items()
}


@dataclass(frozen=True, slots=True)
class Mention:
    """A group named in a text, at the code points from `start` to before `end`."""

    group: str
    start: int
    end: int


def mentions(text: str) -> list[Mention]:
    """Every mention of a group, in the order of the text; one stretch of text may name two groups ("black women")."""
    found = [
        Mention(group, match.start(), match.end())
        for group, pattern in _PATTERNS.items()
        for match in pattern.finditer(text)
    ]
    return sorted(found, key=lambda mention: (mention.start, mention.end, mention.group))


def groups_in(text: str) -> frozenset[str]:
    """The groups that a text names."""
    return frozenset(group for group, pattern in _PATTERNS.items() if pattern.search(text))
