"""Read the parameters of a request from its path, query, headers and body, as the input shape defines."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from exporter.simulator.http_messages import AwsError, HttpRequest

if TYPE_CHECKING:
    from botocore.model import ListShape, Shape, StructureShape

WHOLE = re.compile(r"-?[0-9]{1,18}")
BOOLEANS = {"true": True, "false": False}

Values = Mapping[str, Any]


def read_parameters(shape: StructureShape | None, labels: Mapping[str, str], request: HttpRequest) -> Values:
    """Return the parameters of a rest-json request by their names in the model.

    A text that does not fit its type stays text; the check of the types refuses it later.
    AWS: https://smithy.io/2.0/spec/http-bindings.html
    """
    if shape is None:
        return {}
    body = _body(shape, request)
    values = {name: _value(name, member, labels, request, body) for name, member in shape.members.items()}
    return {name: value for name, value in values.items() if value is not None}


def read_query_parameters(shape: StructureShape | None, pairs: Mapping[str, str]) -> Values:
    """Return the parameters of a request of the protocol query, except lists and structures."""
    members = shape.members if shape else {}
    return {name: _convert(member, pairs[name]) for name, member in members.items() if name in pairs}


def _convert(shape: Shape, text: str) -> Any:
    if shape.type_name in ("integer", "long") and WHOLE.fullmatch(text):
        return int(text)
    if shape.type_name == "boolean":
        return BOOLEANS.get(text, text)
    return text


def _value(name: str, shape: Shape, labels: Mapping[str, str], request: HttpRequest, body: Values) -> Any:
    wire_name = shape.serialization.get("name", name)
    match shape.serialization.get("location"):
        case "uri":
            return _convert(shape, labels[wire_name]) if wire_name in labels else None
        case "querystring":
            return _query_value(shape, [value for key, value in request.query if key == wire_name])
        case "header":
            text = request.headers.get(wire_name.lower())
            return None if text is None else _convert(shape, text)
        case None:
            return body.get(wire_name)
    return None


def _query_value(shape: Shape, texts: list[str]) -> Any:
    if not texts:
        return None
    if shape.type_name == "list":
        member = cast("ListShape", shape).member
        return [_convert(member, text) for text in texts]
    return _convert(shape, texts[0])


def _body(shape: StructureShape, request: HttpRequest) -> Values:
    has_body_members = any("location" not in member.serialization for member in shape.members.values())
    if not request.body or not has_body_members:
        return {}
    try:
        content = json.loads(request.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise AwsError("SerializationException", 400, "The body is no JSON object.")
    return content
