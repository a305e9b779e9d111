"""What a model's own choices of normalisation do, and that they keep the promises of those that always hold."""

# ruff: noqa: RUF001 - letters that look alike are what is tested
import itertools
import time
import unicodedata
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from worker.settings.fields import BUNDLED_MODEL
from worker.text import emoji
from worker.text.normalise import INVISIBLE, normalise
from worker.text.options import AS_WRITTEN, LINK, NUMBER, USER, Normalisation

CHOICES = {field.name: get_args(field.type)[1] for field in fields(Normalisation)}
EVERYTHING = Normalisation.of(CHOICES)
EVERY_COMBINATION = [
    Normalisation.of(dict(chosen))
    for count in range(len(CHOICES) + 1)
    for chosen in itertools.combinations(CHOICES.items(), count)
]
# What one rule leaves may be what another looks for: the parts of all patterns, marks that compose, letters that join.
PIECES = (
    *("@", "bob", "RT ", "RT", ":", "u/", "/", "<user>", "<number>", "<url>", "URL", "http", "://", "www", ".", "x"),
    *("0", "1", "5", "-", ",", "%", "<", ">", "3", "user", "'", '"', "“", "`", "’", "!", "?", "…", "~", " ", "\n", "_"),
    *("a", "aa", "A", "K", "k", "e", "é", "\u0301", "\u0338", "=", "ß", "ſ", "\u212a", "а", "о", "ж", "ο", "\u200d"),
    *(
        "😂",
        "😭",
        "👍",
        "🏽",
        "♂",
        "❤",
        "\ufe0f",
        "🇺",
        "🇸",
        "1\u20e3",
        "가",
        "\u1100",
        "\u1161",
        "ㅋ",
        "ﬁ",
        "①",
        "\u2064",
    ),
)
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
options = st.sampled_from(EVERY_COMBINATION)


def only(**choices: str) -> Normalisation:
    return Normalisation.of(choices)


@given(texts, options)
@settings(max_examples=400)
@example('@"bob"', EVERYTHING)
@example("URL://x", EVERYTHING)
@example("1.<number>", EVERYTHING)
@example("@b\u0301", EVERYTHING)
@example("0'bob'http://x@a'b", EVERYTHING)
@example("@a@b 5@bob 5/u/bob @a/u/bob u/@bob", EVERYTHING)
@example("<number>/5 <number>/u/bob 5/@bob/5", EVERYTHING)
@example("hhhttp://x", EVERYTHING)
@example("😂\u0301", EVERYTHING)
@example('="\u0338', EVERYTHING)
def test_any_text_is_rewritten_once_and_for_all(text: str, chosen: Normalisation) -> None:
    rewritten = normalise(text, chosen).text
    assert normalise(rewritten, chosen).text == rewritten
    assert unicodedata.normalize("NFKC", rewritten) == rewritten
    assert not INVISIBLE.search(rewritten)


@given(texts, options)
@settings(max_examples=400)
def test_offsets_of_any_rewritten_text_are_in_order_and_in_range(text: str, chosen: Normalisation) -> None:
    normalised = normalise(text, chosen)
    offsets = normalised.offsets()
    assert len(offsets) == len(normalised.text) + 1
    assert offsets == sorted(offsets)
    assert offsets[-1] == len(text)
    assert all(not INVISIBLE.match(text[offset]) for offset in offsets[:-1])


@given(texts, options)
def test_what_no_rule_touches_keeps_its_offsets(text: str, chosen: Normalisation) -> None:
    plain = normalise(f"safe {text} safe")
    normalised = normalise(f"safe {text} safe", chosen)
    assert normalised.offsets()[:5] == plain.offsets()[:5]
    assert normalised.offsets()[-5:] == plain.offsets()[-5:]


@given(texts)
def test_default_changes_nothing_beyond_nfkc(text: str) -> None:
    assert normalise(text, AS_WRITTEN) == normalise(text)
    assert normalise(text).text == unicodedata.normalize("NFKC", INVISIBLE.sub("", text))


@pytest.mark.parametrize(
    ("option", "written", "read"),
    [
        ("quotes", "he said “hello” and 'bye' \"now\"", "he said hello and bye now"),
        ("quotes", "don't, it’s `code`", "don't, it’s code"),
        ("quotes", 'one"two', "one two"),
        ("handles", "@bob_1 hi, @bob's too", "user hi, user's too"),
        ("handles", "RT @bob: hi", "user hi"),
        ("handles", "@me@my.server @a@b", "user .server user"),
        ("handles", "<user> <user> @user u/somebody", "user user user user"),
        ("handles", "mail a@b.c, b@stard and/or CU/x PART @ 5", "mail a@b.c, b@stard and/or CU/x PART @ 5"),
        ("urls", "see (https://t.co/aB1?x=1). www.x.org/a!", "see ( http ). http !"),
        ("urls", "gluedhttp://x.y", "glued http"),
        ("urls", "URL <url> t.co/abc", "http http http"),
        ("urls", "curl url www. http://", "curl url www. http://"),
        ("numbers", "in 1999, 9/11 at 5:30 $1,000.50", "in 0 , 0 at 0 $ 0"),
        ("numbers", "<number> <percent>", "0 0"),
        ("numbers", "b1tch 3rd 90s <3 :3 l8r", "b1tch 3rd 90s <3 :3 l8r"),
        ("emoji", "so 😂😂😂 funny", "so face with tears of joy funny"),
        ("emoji", "no💩way😭😂", "no pile of poo way loudly crying face face with tears of joy"),
        ("emoji", "👍🏽👍🏿 🤷🏻\u200d♂\ufe0f", "thumbs up sign shrug"),
        ("emoji", "👩\u200d❤\ufe0f\u200d👨", "woman heart man"),
        ("emoji", "🇺🇸🇬🇧 🇦🇧🇨", "flag us flag gb abc"),
        ("emoji", "🏽 ♂ ☺", "🏽 male sign smiling face"),
        ("repeats", "sooooo coooOOl!!!! yes....", "soo cool!! yes.."),
        ("repeats", "KKK www.x.org xxx 1000000 $$$ ---", "KKK www.x.org xxx 1000000 $$$ ---"),
        ("repeats", "kkkk noooo", "kk noo"),
        ("repeats", "ㅋㅋㅋㅋㅋ", "\u110f\u110f"),
        ("lookalikes", "vеrmіn ѕсum, уоu τοp", "vermin scum, you top"),
        ("lookalikes", "сосо по-русски слово ελληνικά kΩ", "сосо по-русски слово ελληνικά kΩ"),
        ("lookalikes", "жaба naïvе", "жaба naïve"),
    ],
)
def test_each_choice_rewrites_what_it_names_and_no_more(option: str, written: str, read: str) -> None:
    assert normalise(written, Normalisation.of({option: CHOICES[option]})).text == read


def test_words_lead_back_to_what_they_stand_for() -> None:
    text = "RT @bob: “soooo” http://x.y! 💩👍🏽 nо \ufb01ne 1999"
    normalised = normalise(text, EVERYTHING)
    offsets = normalised.offsets()

    def original(word: str) -> str:
        start = normalised.text.index(word)
        return text[offsets[start] : offsets[start + len(word)]]

    assert normalised.text == "user soo http ! pile of poo thumbs up sign no fine 0"
    assert original("user") == "RT @bob:"
    assert original("soo") == "soooo”"
    assert original("http") == "http://x.y"
    assert original("!") == "!"
    assert original("pile of poo") == "💩"
    assert original("thumbs up sign") == "👍🏽"
    assert original("no") == "nо"
    assert original("fine") == "\ufb01ne"
    assert original("0") == "1999"


def test_each_placeholder_is_one_known_piece_of_the_bundled_vocabulary() -> None:
    tokenizer = Tokenizer.from_file(str(BUNDLED_MODEL / "tokenizer.json"))
    tokenizer.no_padding()
    for placeholder in (USER, LINK, NUMBER):
        assert tokenizer.encode(placeholder, add_special_tokens=False).tokens == [placeholder]


def test_emoji_names_speak_of_no_colour_of_people() -> None:
    for code in range(0x1FB00):
        match = emoji.NAMES.pattern.fullmatch(chr(code))
        if match:
            words = emoji.NAMES.replace(match).split()
            assert words, hex(code)
            assert not {"black", "white", "fitzpatrick"} & set(words), hex(code)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"quote": "drop"}, "no option 'quote'; there are quotes, handles"),
        ({"quotes": "yes"}, "quotes is keep or drop, not 'yes'"),
        ({"quotes": ["drop"]}, "quotes is keep or drop"),
        ("drop", "expected an object"),
    ],
)
def test_choice_that_does_not_exist_is_refused_by_name(choices: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Normalisation.of(choices)


HOSTILE = (
    *(
        "@",
        "a",
        "@a",
        "RT ",
        "RT:",
        "www.",
        "www.)",
        "http://",
        "http://)",
        "t.co/",
        "u/",
        "/u/",
        "1.",
        "1",
        "1.a",
        "-1",
    ),
    *("<user", "<", '"', "'a", "a'", "!", "Aa", "K", "URL", "a\u0301", "😂", "😂😭", "🏽", "😂🏽", "♂", "🇺", "аa", "а"),
    *("ㅋ", "가ㄱ", "ㄱr", "가ㄱㄱ", "ㄱㅏㄱ", "\u1161", "\u11a8"),
)


@pytest.mark.parametrize("piece", HOSTILE)
def test_hostile_text_costs_time_in_proportion_to_its_length(piece: str) -> None:
    """Work is counted in the time it takes beside a text an eighth as long: quadratic work would be 64 times as much."""

    def seconds(length: int) -> float:
        text = (piece * length)[:length] + "x"
        start = time.process_time()
        normalise(text, EVERYTHING)
        return time.process_time() - start

    short = min(seconds(2_000) for _ in range(3))
    long = min(seconds(16_000) for _ in range(3))
    assert long < 30 * short + 0.01
