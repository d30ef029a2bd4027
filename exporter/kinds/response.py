"""Functions that read members of AWS's responses. They check that a member is present and in range.

``exporter.aws.response_check`` has already checked all types against the model of AWS.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from exporter.core.errors import malformed

# A response, or a structure in one, as botocore has parsed it.
Response = Mapping[str, Any]
# Tags as pairs of key and value, sorted by key.
Tags = tuple[tuple[str, str], ...]

# The largest integer up to which a Prometheus sample is exact.
MAX_COUNT = 2**53
# AWS documents no longer text for the members that are read.
MAX_TEXT_LENGTH = 2048


def required_text(response: Response, member: str) -> str:
    """Return a text, such as a status or an id. Raises ``malformed`` if it is missing or empty.

    botocore parses many broken bodies as empty responses.
    """
    value = text(response, member)
    if not value:
        raise malformed(f"{member} is missing")
    return value


def text(response: Response, member: str) -> str:
    """Return a text, empty if AWS did not send it."""
    return _limited(response.get(member, ""), member)


def texts(response: Response, member: str) -> Sequence[str]:
    """Return a list of texts, empty if AWS did not send it. Raises ``malformed`` if one of them is empty."""
    values: Sequence[str] = response.get(member, ())
    if not all(_limited(value, member) for value in values):
        raise malformed(f"{member} contains an empty text")
    return values


def count(response: Response, member: str) -> int | None:
    """Return a count, None if AWS did not send it."""
    value: int | None = response.get(member)
    if value is not None and not 0 <= value <= MAX_COUNT:
        raise malformed(f"{member} is not between 0 and 2^53")
    return value


def ratio(response: Response, member: str) -> float | None:
    """Return a percentage as a ratio from 0 to 1, None if AWS did not send it."""
    percent = count(response, member)
    if percent is not None and percent > 100:
        raise malformed(f"{member} is above 100")
    return None if percent is None else percent / 100


def timestamp(response: Response, member: str) -> datetime | None:
    """Return a time in UTC, None if AWS did not send it."""
    value: datetime | None = response.get(member)
    try:
        return value and _in_utc(value)
    except (ValueError, OverflowError):
        raise malformed(f"{member} is outside the years 1 to 9999") from None


def iso_timestamp(response: Response, member: str) -> datetime | None:
    """Return a time that AWS sends as ISO 8601 text, None if it is missing or cannot be parsed.

    AWS does not document the format. A time in another format must not make the other members unreadable.
    """
    try:
        return _in_utc(datetime.fromisoformat(text(response, member)))
    except (ValueError, OverflowError):
        return None


def structure(response: Response, member: str) -> Response:
    """Return a structure, empty if AWS did not send it."""
    value: Response = response.get(member, {})
    return value


def structures(response: Response, member: str) -> Sequence[Response]:
    """Return a list of structures, empty if AWS did not send it."""
    values: Sequence[Response] = response.get(member, ())
    return values


def tags(response: Response, member: str) -> Tags:
    """Return a map of tags as sorted pairs, empty if AWS did not send it."""
    pairs = structure(response, member).items()
    return tuple(sorted((_limited(key, member), _limited(value, member)) for key, value in pairs))


def tag_list(response: Response, member: str) -> Tags:
    """Return a list of tags, each with ``Key`` and ``Value``, as sorted pairs."""
    return tuple(sorted((required_text(tag, "Key"), text(tag, "Value")) for tag in structures(response, member)))


def _limited(value: str, member: str) -> str:
    if len(value) > MAX_TEXT_LENGTH:
        raise malformed(f"{member} is longer than {MAX_TEXT_LENGTH} characters")
    return value


def _in_utc(when: datetime) -> datetime:
    # A time without an offset is in UTC.
    return when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
