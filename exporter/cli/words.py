"""Parts of sentences for people: numbers with their nouns, and lists of names."""

from collections.abc import Sequence

# A list has at most so many names. The others are counted.
MAX_NAMED = 10


def quantity(number: int, noun: str) -> str:
    """Return a number with thousands separators, and its noun in the singular or the plural."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def names(ids: Sequence[str]) -> str:
    """Return the first ids, and the number of further ones."""
    more = len(ids) - MAX_NAMED
    return ", ".join(ids[:MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")
