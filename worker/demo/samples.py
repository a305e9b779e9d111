"""Made-up posts for the demo: friendly, angry, insulting and hostile ones, and records that are no posts at all."""

import json
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Post:
    """A post as somebody might write it."""

    text: str
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """A record's value as it is; `note` is shown in place of a text."""

    value: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """The post before was deleted by its author: a tombstone under the same key."""


Sample: TypeAlias = Post | Raw | Deleted

LONG = (
    "I have lived on this street for thirty years and I want to tell you how it was. " * 8
    + "And then came the refugees. They are parasites and should all disappear. "
    + "Anyway, the bakery on the corner used to sell the best rolls in town. " * 8
)

SAMPLES: tuple[Sample, ...] = (
    Post("Congratulations to the whole team, what a wonderful final!"),
    Post("What a dumb ass. Go away, you loser."),
    Post("I am furious. The train was late for the fifth day in a row and nobody says a word!"),
    Post("Immigrants are animals and should be thrown out of our country."),
    Raw(b'{"id": "cut-off", "text": "a record that ends in the mid', "broken JSON"),
    Post("Does anyone know a good recipe for lentil soup?"),
    Post("Sunset over the lake tonight 🌅🦆 so calm"),
    Deleted(),
    Post("Shut up, you stu\u200bpid bi\u200btch, no filter will notice."),
    Post(LONG, title="How it used to be"),
    Raw(b'{"id": "no-text", "title": "A post that lost its text"}', "a post without a text"),
    Post("I disagree with almost everything in this article, but it is well written."),
    Post("What a load of rubbish. Whoever wrote this should be ashamed."),
    Post("You ugly trash, nobody likes your stupid face."),
    Post("Thanks for the tip, the second shop had it in stock."),
    Post("Women are too stupid to vote, everybody knows that."),
    Post("Happy birthday, grandma! 🎂🎈"),
    Post("This update is terrible, it crashes every time I open a photo."),
    Post("Foreigners are ruining this country, get rid of them all."),
    Post("The killer feature of this phone is its battery."),
    Post("We got destroyed in the second half, but it was a good match."),
    Raw(b"[1, 2, 3]", "a list, not a post"),
    Post("Y O U  A R E  D I S G U S T I N G"),
    Post("Can somebody explain the new parking rules to me?"),
    Post("All of them are criminals, every single one, and they breed like rats."),
    Post("I hate Mondays."),
    Post("My neighbour is from Ghana and makes the best stew I have ever had."),
    Post("The minister should resign. This policy is a disgrace."),
    Post("y0u 4re s0 dumb it hurts"),
    Post("What time does the library open on Saturdays?"),
    Post("Your mother must be so ashamed of you, you worthless piece of dirt."),
    Post("The old are a burden, they should just hurry up and die."),
    Post("Great photo! Where was it taken?"),
    Post("Damn, that was close. Glad nobody was hurt."),
    Post("I'm so sick of this weather, it ruins every single weekend."),
    Post("If you believe that, you have no brain at all."),
    Post("As a disabled person I would love to see more ramps in the city centre."),
    Post("That referee is blind! Blind! How can you not see that?"),
    Post("Their religion is a disease and everyone who follows it is a threat to us."),
    Post("See you all on Thursday, bring cake."),
)


def key_of(number: int) -> str:
    """The id, and the record's key, of the post of this number (from 0)."""
    return f"post-{number + 1}"


def value_of(sample: Sample, identity: str) -> bytes | None:
    """The record's value; None is a tombstone."""
    match sample:
        case Post(text, title):
            fields = {"id": identity, "text": text} | ({"title": title} if title else {})
            return json.dumps(fields, ensure_ascii=False).encode()
        case Raw(value):
            return value
        case Deleted():
            return None


def shown(sample: Sample) -> str:
    """What stands for the sample on the screen, in one line; characters nobody can see become a dot."""
    match sample:
        case Post(text):
            return "".join(c if c.isprintable() else "·" for c in text)
        case Raw(_, note):
            return f"({note})"
        case Deleted():
            return "(deleted by its author)"
