from worker.explain.method import Explanation, WordWeight
from worker.explain.terminal import render

TEXT = "You rotten egg, sweet one"


def explanation(text: str, **weights: float) -> Explanation:
    words = tuple(WordWeight(text.index(w), text.index(w) + len(w), weight) for w, weight in weights.items())
    return Explanation("rude", 0.876, words)


def test_words_are_coloured_by_sign_and_strength_and_the_text_is_whole() -> None:
    found = render(TEXT, explanation(TEXT, You=0.1, rotten=4.0, egg=1.3, sweet=-3.0, one=0.0), colour=True)

    assert found == (
        "rude 0.88  You \x1b[30;48;5;203mrotten\x1b[0m \x1b[30;48;5;217megg\x1b[0m, \x1b[30;48;5;75msweet\x1b[0m one"
    )


def test_without_colour_the_strongest_words_stand_in_brackets() -> None:
    found = render(TEXT, explanation(TEXT, You=0.1, rotten=4.0, egg=1.3, sweet=-3.0, one=0.0), colour=False)

    assert found == "rude 0.88  You [rotten +4.0] egg, [sweet -3.0] one"


def test_text_in_which_no_word_matters_has_no_strong_colour() -> None:
    assert "\x1b" not in render(TEXT, explanation(TEXT, You=0.1, rotten=0.12), colour=True)


def test_escape_sequences_and_line_breaks_of_a_post_do_not_reach_the_terminal() -> None:
    text = "a\x1b[2J\nrot\u202eten\x9b end"
    found = render(
        text,
        Explanation("rude", 0.5, (WordWeight(0, 1, 0.0), WordWeight(6, 14, 2.0), WordWeight(15, 18, 0.0))),
        colour=False,
    )

    assert found == "rude 0.50  a\ufffd[2J [rot\ufffdten\ufffd +2.0] end"
    assert found.isprintable()


def test_rest_of_a_long_text_is_an_ellipsis() -> None:
    text = "Once upon a time, rotten eggs, the end."
    found = render(text, explanation(text, rotten=0.0, eggs=0.0), colour=True)

    assert found == "rude 0.88  … rotten eggs …"
