"""The members of a request, from path, query, headers and body, as the input shape places them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from exporter.simulator.wire import AwsError, Incoming

if TYPE_CHECKING:
    from botocore.model import ListShape, Shape, StructureShape

WHOLE = re.compile(r"-?[0-9]{1,18}")
BOOLEANS = {"true": True, "false": False}

Values = Mapping[str, Any]


def read(shape: StructureShape | None, labels: Mapping[str, str], incoming: Incoming) -> Values:
    """Return the members that a request has, by their names in the model; what cannot be read stays text.

    AWS: https://smithy.io/2.0/spec/http-bindings.html
    """
    if shape is None:
        return {}
    body = _body(shape, incoming)
    found = ((name, _value(name, member, labels, incoming, body)) for name, member in shape.members.items())
    return {name: value for name, value in found if value is not None}


def read_pairs(shape: StructureShape | None, pairs: Mapping[str, str]) -> Values:
    """Return the members of a request of the protocol query; lists and structures of it are not read."""
    members = shape.members if shape else {}
    return {name: converted(member, pairs[name]) for name, member in members.items() if name in pairs}


def converted(shape: Shape, text: str) -> Any:
    """Return what a text means by its type; text that means nothing stays, and fails the check of types."""
    if shape.type_name in ("integer", "long") and WHOLE.fullmatch(text):
        return int(text)
    if shape.type_name == "boolean":
        return BOOLEANS.get(text, text)
    return text


def _value(name: str, shape: Shape, labels: Mapping[str, str], incoming: Incoming, body: Values) -> Any:
    wire_name = shape.serialization.get("name", name)
    match shape.serialization.get("location"):
        case "uri":
            return converted(shape, labels[wire_name]) if wire_name in labels else None
        case "querystring":
            return _queried(shape, [value for key, value in incoming.query if key == wire_name])
        case "header":
            text = incoming.headers.get(wire_name.lower())
            return None if text is None else converted(shape, text)
        case None:
            return body.get(wire_name)
    return None


def _queried(shape: Shape, texts: list[str]) -> Any:
    if not texts:
        return None
    if shape.type_name == "list":
        member = cast("ListShape", shape).member
        return [converted(member, text) for text in texts]
    return converted(shape, texts[0])


def _body(shape: StructureShape, incoming: Incoming) -> Values:
    if not incoming.body or not any(_in_body(shape)):
        return {}
    try:
        content = json.loads(incoming.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise AwsError("SerializationException", 400, "The body is no JSON object.")
    return content


def _in_body(shape: StructureShape) -> Iterator[bool]:
    return ("location" not in member.serialization for member in shape.members.values())
