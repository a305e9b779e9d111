"""What JSON can escape and UTF-8 cannot hold: half an emoji, cut in two by whoever counted UTF-16."""

import re

LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text without NULs, and U+FFFD for each lone surrogate, which no tokenizer takes."""
    return LONE_SURROGATE.sub("\ufffd", text.replace("\0", ""))
