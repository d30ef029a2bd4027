"""Groups of failed items by reason: 1,796 lines that differ only in numbers and names become three reasons."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from exporter.kinds.kind import FailedItem

# Items that a group names.
MAX_EXAMPLES = 3
# A match has a digit, a slash or a colon, or it is longer than its placeholder, which has none of them.
_PLACEHOLDERS = (
    ("arn", r"\barn:[^\s\"'<>,;]+"),
    ("url", r"\b[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s\"'<>]+"),
    ("path", r"(?<![\w>])~?(?:/[\w.@%+~-]+)+/?"),
    ("windows", r"\b[A-Za-z]:\\[^\s\"'<>]+"),
    ("uuid", r"\b[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"),
    ("id", r"\b(?=[A-Fa-f]*[0-9])[0-9A-Fa-f]{8,}\b|\b(?=[A-Za-z]*[0-9])[0-9A-Za-z]{12,}\b"),
    ("number", r"[0-9]+(?:[.,:][0-9]+)*"),
)
_PATTERN = re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in _PLACEHOLDERS))
_NAMES = {"windows": "path", "uuid": "id"}


@dataclass(frozen=True, slots=True)
class ReasonGroup:
    """The items with one reason. ``reason`` has placeholders such as ``<number>``; ``examples`` are names of items."""

    reason: str
    count: int
    examples: tuple[str, ...]


def pattern_of(reason: str) -> str:
    """Return a reason with placeholders for its numbers, ids, ARNs, URLs and paths.

    The pattern of a pattern is the pattern itself.
    """
    replaced = _PATTERN.sub(_placeholder, reason)
    # A replacement can create a new match. Each one has fewer digits, slashes and colons or is shorter, so this ends.
    while replaced != reason:
        reason, replaced = replaced, _PATTERN.sub(_placeholder, replaced)
    return reason


def grouped(items: Iterable[FailedItem]) -> tuple[ReasonGroup, ...]:
    """Return the groups of items, the largest one first. Each item is in exactly one group."""
    counts: Counter[str] = Counter()
    examples: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for item in items:
        reason = pattern_of(item.reason) if item.reason else f"no reason, only the state {item.state}"
        counts[reason] += 1
        if len(examples[reason]) < MAX_EXAMPLES:
            examples[reason][item.item] = None
    by_size = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return tuple(ReasonGroup(reason, count, tuple(examples[reason])) for reason, count in by_size)


def _placeholder(found: re.Match[str]) -> str:
    name = found.lastgroup or ""
    return f"<{_NAMES.get(name, name)}>"
