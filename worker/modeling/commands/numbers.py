"""Types of options that are counts."""


def positive_integer(text: str) -> int:
    """Parse a whole number of at least 1. Raises ValueError."""
    return _at_least(1, text)


def count(text: str) -> int:
    """Parse a whole number of at least 0. Raises ValueError."""
    return _at_least(0, text)


def _at_least(least: int, text: str) -> int:
    value = int(text)
    if value < least:
        raise ValueError(text)
    return value
