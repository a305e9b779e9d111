"""Explanations as one HTML page that needs nothing else: no script, no network."""

from collections.abc import Iterable, Sequence
from html import escape

from worker.explain.method import Explanation
from worker.explain.terminal import strengths

_STYLE = """
body { font: 16px/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
       color: #111; background: #fff }
h2 { font-size: 1rem; margin: 2rem 0 .3rem; border-top: 1px solid #ccc; padding-top: .6rem }
p { margin: .2rem 0 .6rem; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate }
b { font-weight: 600 } .rest { color: #666 } .legend span, p span { border-radius: .2rem; padding: 0 .1rem }
"""
_LEGEND = (
    "Red words raised the score of the label, blue ones lowered it; the strongest colour is the post's heaviest word "
    "(at least 1 log-odds). Point at a word to read its weight in log-odds. Grey text is outside the window that has "
    "the score. The posts may be hateful."
)


def page(title: str, posts: Iterable[tuple[str, str, Sequence[Explanation]]]) -> str:
    """A page of posts: id, text, and an explanation for each label. Whatever they hold is shown, never interpreted."""
    body = [f"<h1>{escape(title)}</h1>", f'<p class="legend">{escape(_LEGEND)}</p>', f"<p>{_scale()}</p>"]
    for post_id, text, explanations in posts:
        body.append(f"<h2>{escape(post_id)}</h2>")
        for explanation in explanations:
            body.append(f"<div><b>{escape(explanation.label)} {explanation.score:.2f}</b></div>")
            body.append(f'<p dir="auto">{_text(text, explanation)}</p>')
        if not explanations:
            body.append(f'<p dir="auto" class="rest">{escape(text)}</p>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _text(text: str, explanation: Explanation) -> str:
    words = explanation.words
    if not words:
        return f'<span class="rest">{escape(text)}</span>'
    parts = [f'<span class="rest">{escape(text[: words[0].start])}</span>']
    position = words[0].start
    for word, strength in zip(words, strengths(words), strict=True):
        parts.append(escape(text[position : word.start]))
        parts.append(_span(text[word.start : word.end], strength, f"{word.weight:+.2f}"))
        position = word.end
    return "".join([*parts, f'<span class="rest">{escape(text[position:])}</span>'])


def _span(text: str, strength: float, note: str) -> str:
    red, green, blue = (214, 39, 40) if strength > 0 else (31, 119, 180)
    shade = f"rgba({red}, {green}, {blue}, {0.75 * abs(strength):.2f})"
    return f'<span style="background: {shade}" title="{escape(note)}">{escape(text)}</span>'


def _scale() -> str:
    steps = (-1.0, -0.66, -0.33, 0.0, 0.33, 0.66, 1.0)
    return " ".join(_span(f" {step:+.0%} ", step, f"{step:+.0%} of the heaviest word") for step in steps)
