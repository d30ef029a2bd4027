"""pydantic's errors as lines for people: the path as it stands in the file, and the cure, never a value."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.core.errors import ConfigError

S = TypeVar("S")
T = TypeVar("T")

NO_TEXT = "expected text; put it in quotes"
_SAYINGS: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": NO_TEXT,
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list",
    "dict_type": "expected a mapping",
    "mapping_type": "expected a mapping",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "string_too_short": "is empty",
    "string_too_long": "longer than {max_length} characters",
    "too_short": "is empty",
    "literal_error": "expected one of {expected}",
    "union_tag_not_found": "is missing",
    "union_tag_invalid": "expected one of {expected_tags}",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}
"""What is said for pydantic's types of error; where none is said here, pydantic's own sentence stands."""
_KEY = "[key]"
"""What pydantic puts behind a key that is wrong itself."""
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,23}")
"""A key that is shown. Any other may be a value: ``{external_id:secret}`` lacks a space and is all key."""


def both(first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """Return what two steps give that do not need each other. Raises ConfigError with the problems of both."""
    try:
        found = first()
    except ConfigError as error:
        try:
            second()
        except ConfigError as other:
            raise ConfigError([*error.problems, *other.problems]) from None
        raise
    return found, second()


def problems(error: ValidationError, tags: Iterable[str] = (), known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a line for each fault, ``accounts[1].watch[0].ids[2]: longer than 40 characters``.

    ``tags`` are the names by which a union is told apart: pydantic puts them into the path, the file has none there.
    ``known`` are the keys that an unknown one may have been meant to be.
    """
    hidden, keys = frozenset(tags), tuple(known)
    found = error.errors(include_url=False, include_input=False)
    # Of keys that are not shown, one looks like the other.
    return tuple(dict.fromkeys(_line(one, hidden, keys) for one in found if not _follows(one, found)))


def keys_of(*models: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys that the models know, for hints."""
    return tuple(sorted({field.alias or name for model in models for name, field in model.model_fields.items()}))


def _follows(error: ErrorDetails, found: list[ErrorDetails]) -> bool:
    """A list that lost its faulty members counts as empty for pydantic: that is no fault of its own."""
    here = error["loc"]
    inside = (one for one in found if one is not error and one["loc"][: len(here)] == here)
    return error["type"] == "too_short" and any(inside)


def _line(error: ErrorDetails, tags: frozenset[str], known: tuple[str, ...]) -> str:
    path = _path(error, tags, known)
    if error["type"] == "extra_forbidden":
        said = "unknown key" + _hint(str(error["loc"][-1]), known)
    else:
        saying = _SAYINGS.get(error["type"])
        said = saying.format_map(error.get("ctx", {})) if saying else error["msg"]
    return f"{path}: {said}" if path else said


def _path(error: ErrorDetails, tags: frozenset[str], known: tuple[str, ...]) -> str:
    # pydantic's last part says so where it is the key itself that is wrong.
    parts = tuple(part for part in error["loc"] if part != _KEY)
    if not parts:
        return ""
    *parents, last = parts
    # An unknown key may be called like a tag, and a tag is never the last part of its path.
    path = "".join(_part(before, part, tags, known) for before, part in zip((None, *parents), parents, strict=False))
    path += f"[{last}]" if isinstance(last, int) else f".{_shown(last, known)}"
    if error["type"].startswith("union_tag"):
        path += "." + error["ctx"]["discriminator"].strip("'")
    return path.removeprefix(".")


def _part(before: int | str | None, part: int | str, tags: frozenset[str], known: tuple[str, ...]) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return "" if isinstance(before, int) and part in tags else f".{_shown(part, known)}"


def _shown(key: str, known: tuple[str, ...]) -> str:
    return key if key in known or _PLAIN.fullmatch(key) else "?"


def _hint(key: str, known: tuple[str, ...]) -> str:
    if not _PLAIN.fullmatch(key):
        return ", not shown because it is no plain word"
    near = difflib.get_close_matches(key, [one for one in known if one != key], n=1)
    return f"; did you mean {near[0]}?" if near and key not in known else ""
