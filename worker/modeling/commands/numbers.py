"""Types of options that are counts, and of lists of them."""

import argparse


def positive_integer(text: str) -> int:
    """Parse a whole number of at least 1. Raises argparse's error."""
    return _at_least(1, text)


def count(text: str) -> int:
    """Parse a whole number of at least 0. Raises argparse's error."""
    return _at_least(0, text)


def counts(text: str) -> tuple[int, ...]:
    """Parse whole numbers of at least 0, separated by commas. Raises argparse's error."""
    return tuple(map(count, text.split(",")))


def _at_least(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
    return value
