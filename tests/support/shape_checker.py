"""Checks raw JSON strictly against botocore's shapes. botocore itself does not check responses."""

import re
from collections.abc import Iterator
from typing import Any, cast

from botocore.model import ListShape, MapShape, Shape, StructureShape

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "structure": (dict,),
    "timestamp": (int, float),
}

# Java's character classes that Python lacks, limited to ASCII like all texts of the simulator.
CLASSES = {
    r"\p{C}": r"\x00-\x1f\x7f-\x9f",
    r"\p{L}": "a-zA-Z",
    r"\p{N}": "0-9",
    r"\p{Z}": " ",
    r"\p{Upper}": "A-Z",
    r"\p{Digit}": "0-9",
}


def shape_violations(shape: Shape, value: Any, path: str = "response") -> list[str]:
    """Return each difference between a rest-json value and its shape, with its path."""
    return list(_value(shape, value, path))


def _value(shape: Shape, value: Any, path: str) -> Iterator[str]:
    types = TYPES[shape.type_name]
    if shape.serialization.get("timestampFormat") == "iso8601":
        types = (str,)
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        yield f"{path}: {value!r} is no {shape.type_name}"
        return
    yield from _limits(shape, value, path)
    yield from _inside(shape, value, path)


def _inside(shape: Shape, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            yield from _structure(cast("StructureShape", shape), value, path)
        case "list":
            for number, entry in enumerate(value):
                yield from _value(cast("ListShape", shape).member, entry, f"{path}[{number}]")
        case "map":
            for key, entry in value.items():
                yield from _value(cast("MapShape", shape).key, key, f"{path} key")
                yield from _value(cast("MapShape", shape).value, entry, f"{path}.{key}")


def _structure(shape: StructureShape, value: dict[str, Any], path: str) -> Iterator[str]:
    members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
    for key in value.keys() - members.keys():
        yield f"{path}.{key}: is no member of {shape.name}"
    for key, (name, member) in members.items():
        if key in value:
            yield from _value(member, value[key], f"{path}.{key}")
        elif name in shape.required_members and "location" not in member.serialization:
            yield f"{path}.{key}: is missing"


def _limits(shape: Shape, value: Any, path: str) -> Iterator[str]:
    limits = shape.metadata
    measured = len(value) if isinstance(value, str | list | dict) else value
    if "min" in limits and measured < limits["min"]:
        yield f"{path}: below {limits['min']}"
    if "max" in limits and measured > limits["max"]:
        yield f"{path}: above {limits['max']}"
    if "enum" in limits and value not in limits["enum"]:
        yield f"{path}: {value!r} is none of {limits['enum']}"
    if "pattern" in limits and not re.fullmatch(_python(limits["pattern"]), str(value)):
        yield f"{path}: {value!r} does not match {limits['pattern']}"


def _python(pattern: str) -> str:
    for java, python in CLASSES.items():
        pattern = pattern.replace(java, python)
    return pattern
