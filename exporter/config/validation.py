"""Turn the errors of pydantic into messages: the path in the file, the fault and the cure, but never a value."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from exporter.core.errors import ConfigError

S = TypeVar("S")
T = TypeVar("T")

EXPECTED_TEXT = "expected text; put it in quotes"
EMPTY = "is empty; set a value or remove the key"
EMPTY_ENTRY = "is empty; set a value or remove the entry"
# pydantic names the empty text first, which is the default of some parameters: no choice.
NO_CHOICE = re.compile(r"^''(?:, | or )")
# The messages by pydantic's type of error. For any other type pydantic's own message is used.
MESSAGES: Mapping[str, str] = {
    "missing": "is missing",
    "string_type": EXPECTED_TEXT,
    "string_pattern_mismatch": "must match the regular expression {pattern}",
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
    "string_too_short": EMPTY,
    "string_too_long": "longer than {max_length} characters",
    "too_short": EMPTY,
    "literal_error": "expected one of {expected}",
    "union_tag_not_found": "is missing",
    "union_tag_invalid": "expected one of {expected_tags}",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}
# Pydantic appends this to the path if the key itself is invalid.
KEY_MARK = "[key]"
# How similar a known key must be, from 0 to 1. A key that users choose themselves is often no misspelled key.
SIMILAR_KEY, SIMILAR_NAME = 0.6, 0.8
# Other keys are hidden, because a key can be a value: without a space, ``{external_id:secret}`` is one key.
PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,23}")


def run_both(first: Callable[[], S], second: Callable[[], T]) -> tuple[S, T]:
    """Return the results of two independent functions. Raises ConfigError with the problems of both."""
    try:
        result = first()
    except ConfigError as error:
        try:
            second()
        except ConfigError as second_error:
            raise ConfigError([*error.problems, *second_error.problems]) from None
        raise
    return result, second()


def problem_lines(error: ValidationError, tags: Iterable[str] = (), known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return a line for each fault, such as ``accounts[1].watch[0].ids[2]: longer than 40 characters``.

    ``tags`` are the names of the members of a union. Pydantic puts them into the path, but the file does not
    contain them. ``known`` are the valid keys, which are suggested for an unknown key.
    """
    hidden, keys = frozenset(tags), tuple(known)
    found = error.errors(include_url=False)
    parents = {details["loc"][:length] for details in found for length in range(len(details["loc"]))}
    # Two hidden keys give the same line.
    lines = (_line(details, hidden, keys) for details in found if not _is_consequence(details, parents))
    return tuple(dict.fromkeys(lines))


def keys_of(*models: type[BaseModel]) -> tuple[str, ...]:
    """Return the sorted keys of the models."""
    return tuple(sorted({field.alias or name for model in models for name, field in model.model_fields.items()}))


def _is_consequence(error: ErrorDetails, parents: Collection[tuple[int | str, ...]]) -> bool:
    """Return whether a list counts as empty only because its members are invalid and have their own errors."""
    return error["type"] == "too_short" and error["loc"] in parents


def _line(error: ErrorDetails, tags: frozenset[str], known: tuple[str, ...]) -> str:
    path = _path(error, tags, known)
    if error["type"] == "extra_forbidden":
        message = "unknown key" + _hint(str(error["loc"][-1]), known)
    else:
        message = _message(error)
        if error["loc"][-1:] == (KEY_MARK,):
            key = str(error["loc"][-2])
            message += _hint(key, known, SIMILAR_NAME) if _nearest(key, known, SIMILAR_NAME) else ""
    return f"{path}: {message}" if path else message


def _message(error: ErrorDetails) -> str:
    template = EMPTY if error["loc"] and error["input"] is None else MESSAGES.get(error["type"])
    if template is None:
        return error["msg"]
    if template == EMPTY:
        return EMPTY_ENTRY if _is_entry(error) else EMPTY
    context = error.get("ctx", {})
    if "expected" in context:
        context = {**context, "expected": NO_CHOICE.sub("", str(context["expected"]))}
    return template.format_map(context)


def _is_entry(error: ErrorDetails) -> bool:
    """Return whether an error is about an entry of a list."""
    return bool(error["loc"]) and isinstance(error["loc"][-1], int)


def _path(error: ErrorDetails, tags: frozenset[str], known: tuple[str, ...]) -> str:
    parts = tuple(part for part in error["loc"] if part != KEY_MARK)
    if not parts:
        return ""
    *parents, last = parts
    # The last part is never a tag, but an unknown key may have the name of a tag.
    path = "".join(_part(before, part, tags, known) for before, part in zip((None, *parents), parents, strict=False))
    path += f"[{last}]" if isinstance(last, int) else f".{_shown_key(last, known)}"
    if error["type"].startswith("union_tag"):
        path += "." + error["ctx"]["discriminator"].strip("'")
    return path.removeprefix(".")


def _part(before: int | str | None, part: int | str, tags: frozenset[str], known: tuple[str, ...]) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    return "" if isinstance(before, int) and part in tags else f".{_shown_key(part, known)}"


def _shown_key(key: str, known: tuple[str, ...]) -> str:
    return key if key in known or PLAIN_KEY.fullmatch(key) else "?"


def _hint(key: str, known: tuple[str, ...], similarity: float = SIMILAR_KEY) -> str:
    if key in known:
        return ""
    hidden = "" if PLAIN_KEY.fullmatch(key) else ", hidden because it may be a value"
    near = _nearest(key, known, similarity)
    return hidden + (f"; did you mean {near}?" if near else "")


# A file of another program can have the same unknown keys in thousands of places.
@lru_cache(maxsize=1024)
def _nearest(key: str, known: tuple[str, ...], similarity: float) -> str:
    by_letters = {name.lower(): name for name in known}
    near = difflib.get_close_matches(key.lower(), by_letters, n=1, cutoff=similarity)
    return by_letters[near[0]] if near else ""
