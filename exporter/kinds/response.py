"""Read members of AWS's answers, with types checked: botocore passes on whatever a server sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from exporter.core.errors import malformed

Answer = Mapping[str, Any]
"""An answer, or a structure in one, as botocore parsed it."""

Tags = tuple[tuple[str, str], ...]
"""Tags as pairs, sorted by their names."""

LARGEST_COUNT = 2**53
"""The largest integer that a Prometheus sample holds exactly."""

LONGEST_TEXT = 2048


def status(answer: Answer, member: str) -> str:
    """Return a status. Raises ``malformed`` without one: botocore reports many a broken answer as success."""
    value = text(answer, member)
    if not value:
        raise malformed(f"{member} is missing")
    return value


def text(answer: Answer, member: str) -> str:
    """Return a text, empty where AWS left it out."""
    return _bounded(answer.get(member, ""), member)


def count(answer: Answer, member: str) -> int | None:
    """Return a count, None where AWS left it out."""
    value = answer.get(member)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_COUNT:
        raise malformed(f"{member} is not a count")
    return value


def ratio(answer: Answer, member: str) -> float | None:
    """Return a percentage as a ratio from 0 to 1, None where AWS left it out."""
    percent = count(answer, member)
    if percent is not None and percent > 100:
        raise malformed(f"{member} is above 100")
    return None if percent is None else percent / 100


def moment(answer: Answer, member: str) -> datetime | None:
    """Return a time that botocore parsed, in UTC, None where AWS left it out."""
    value = answer.get(member)
    if value is not None and not isinstance(value, datetime):
        raise malformed(f"{member} is not a time")
    try:
        # botocore reads any offset from Greenwich, or none at all, and some are wrong only when they are used.
        return value and _in_utc(value)
    except (ValueError, OverflowError):
        raise malformed(f"{member} is beyond the calendar") from None


def iso_timestamp(answer: Answer, member: str) -> datetime | None:
    """Return a time that AWS sends as ISO 8601 text; None where it is missing or unreadable.

    The format of such a text is not documented, so an odd one costs its own row and no other.
    """
    try:
        return _in_utc(datetime.fromisoformat(text(answer, member)))
    except (ValueError, OverflowError):
        return None


def _in_utc(when: datetime) -> datetime:
    """Return a time in UTC, which one without an offset is taken to be in. Raises ValueError or OverflowError."""
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)


def structure(answer: Answer, member: str) -> Answer:
    """Return a structure, empty where AWS left it out."""
    value = answer.get(member, {})
    if not isinstance(value, Mapping):
        raise malformed(f"{member} is not a structure")
    return value


def structures(answer: Answer, member: str) -> Sequence[Answer]:
    """Return a list of structures, empty where AWS left it out."""
    value = answer.get(member, [])
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise malformed(f"{member} is not a list of structures")
    return value


def texts(answer: Answer, member: str) -> Sequence[str]:
    """Return a list of texts that are not empty. Raises ``malformed`` for anything else."""
    value = answer.get(member)
    if not isinstance(value, list) or not all(_bounded(one, member) for one in value):
        raise malformed(f"{member} is not a list of texts")
    return value


def tags(answer: Answer, member: str) -> Tags:
    """Return a map of tags as sorted pairs, empty where AWS left it out."""
    value = structure(answer, member)
    return tuple(sorted((_bounded(key, member), _bounded(one, member)) for key, one in value.items()))


def tag_list(answer: Answer, member: str) -> Tags:
    """Return a list of tags, each with ``Key`` and ``Value``, as sorted pairs."""
    return tuple(sorted((status(one, "Key"), text(one, "Value")) for one in structures(answer, member)))


def _bounded(value: Any, member: str) -> str:
    if not isinstance(value, str):
        raise malformed(f"{member} is not text")
    if len(value) > LONGEST_TEXT:
        raise malformed(f"{member} is longer than any that AWS documents")
    return value
