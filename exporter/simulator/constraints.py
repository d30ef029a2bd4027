"""Check the parameters of a request by the input shape: required members, types, lengths, ranges and patterns."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, Shape, StructureShape

TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
}
LARGEST = {"integer": 2**31 - 1, "long": 2**63 - 1}


def constraint_violation(shape: StructureShape | None, values: Mapping[str, Any]) -> str:
    """Return the error message that AWS gives for invalid parameters, or an empty text if they are valid."""
    if shape is None:
        return ""
    violations = tuple(_structure(shape, values, ""))
    if not violations:
        return ""
    errors = "1 validation error" if len(violations) == 1 else f"{len(violations)} validation errors"
    return f"{errors} detected: {'; '.join(violations)}"


def _structure(shape: StructureShape, values: Mapping[str, Any], path: str) -> Iterator[str]:
    for name in shape.required_members:
        if values.get(name) is None:
            yield _violation(None, path + name, "not be null")
    for name, value in values.items():
        if name in shape.members and value is not None:
            yield from _value(shape.members[name], value, path + name)


def _value(shape: Shape, value: Any, path: str) -> Iterator[str]:
    types = TYPES.get(shape.type_name)
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        yield _violation(value, path, f"be of type {shape.type_name}")
    elif isinstance(value, str):
        yield from _text(shape, value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number(shape, value, path)
    elif isinstance(value, dict | list):
        yield from _length(shape, value, path)
        yield from _inside(shape, value, path)


def _text(shape: Shape, text: str, path: str) -> Iterator[str]:
    yield from _length(shape, text, path)
    pattern = _pattern(shape.metadata.get("pattern", ""))
    if pattern and not pattern.fullmatch(text):
        yield _violation(text, path, f"satisfy regular expression pattern: {pattern.pattern}")
    if "enum" in shape.metadata and text not in shape.metadata["enum"]:
        yield _violation(text, path, f"satisfy enum value set: [{', '.join(shape.metadata['enum'])}]")


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    if "min" in limits and len(value) < limits["min"]:
        yield _violation(value, path, f"have length greater than or equal to {limits['min']}")
    if "max" in limits and len(value) > limits["max"]:
        yield _violation(value, path, f"have length less than or equal to {limits['max']}")


def _number(shape: Shape, number: float, path: str) -> Iterator[str]:
    largest = LARGEST.get(shape.type_name, number)
    if number < shape.metadata.get("min", -largest - 1):
        yield _violation(number, path, f"have value greater than or equal to {shape.metadata.get('min', -largest - 1)}")
    if number > shape.metadata.get("max", largest):
        yield _violation(number, path, f"have value less than or equal to {shape.metadata.get('max', largest)}")


def _inside(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        yield from _structure(cast("StructureShape", shape), value, f"{path}.")
    elif shape.type_name == "list":
        for number, entry in enumerate(value, start=1):
            yield from _value(cast("ListShape", shape).member, entry, f"{path}.{number}.member")
    else:
        for key, entry in value.items():
            yield from _value(cast("MapShape", shape).value, entry, f"{path}.{key}")


def _violation(value: Any, path: str, must: str) -> str:
    shown = "null" if value is None else f"'{value}'"
    return f"Value {shown} at '{path}' failed to satisfy constraint: Member must {must}"


@lru_cache
def _pattern(pattern: str) -> re.Pattern[str] | None:
    """Return a pattern of the model, or None if Python does not support it, such as a Unicode class of Java."""
    try:
        return re.compile(pattern) if pattern else None
    except re.error:
        return None
