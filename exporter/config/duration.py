"""Durations in the notation of Prometheus: ``90s``, ``5m``, ``1h30m``, ``7d``."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
LONGEST = 10 * 365 * SECONDS["d"]
PART = r"(\d+(?:\.\d+)?)(ms|[smhdw])"
PATTERN = rf"^-?(?:{PART})+$"
POSITIVE = rf"^(?=.*[1-9])(?:{PART})+$"


def parse_duration(text: Any) -> float:
    """Return a duration in seconds. Raises PydanticCustomError if the value is not a duration."""
    if not isinstance(text, str) or not re.fullmatch(PATTERN, text, re.ASCII):
        raise PydanticCustomError("duration", "expected a duration such as 10s, 5m or 7d")
    total = sum(float(number) * SECONDS[unit] for number, unit in re.findall(PART, text))
    if total > LONGEST:
        raise PydanticCustomError("duration", "must be at most 10 years")
    return -total if text.startswith("-") else total


def format_duration(total: float) -> str:
    """Return a number of seconds as a duration, in the largest units that fit."""
    rest, parts = round(abs(total) * 1000, 6), list[str]()
    for unit in ("d", "h", "m", "s"):
        number, rest = divmod(rest, SECONDS[unit] * 1000)
        parts += [f"{number:.0f}{unit}"] if number else []
    if rest or not parts:
        parts.append(f"{rest:.6f}".rstrip("0").rstrip(".") + "ms")
    return ("-" if total < 0 else "") + "".join(parts)


def at_most(longest: str) -> AfterValidator:
    """Return the metadata of a duration that must not be longer. An error message contains a duration, not seconds."""

    def check(seconds: float) -> float:
        if seconds > parse_duration(longest):
            raise PydanticCustomError("longest_duration", "must be at most {longest}", {"longest": longest})
        return seconds

    return AfterValidator(check)


# The file contains a duration; the field contains seconds.
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": PATTERN}),
]
