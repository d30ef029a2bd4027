"""The JSON content of responses: serialize it by the output shape, and edit it for a fault."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from exporter.core.clock import rfc3339
from exporter.simulator.http_messages import JSON, JSON_1_1, HttpResponse

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, Shape, StructureShape

# Selects every entry of a list or a map in a path.
EVERY = "*"


def serialize(shape: StructureShape | None, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of a response. Members that are None are omitted.

    Raises ValueError for a member that the shape does not have, which is a bug of the kind.
    AWS: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
    """
    return {} if shape is None else _structure(shape, content)


def _structure(shape: StructureShape, values: Mapping[str, Any]) -> dict[str, Any]:
    unknown = values.keys() - shape.members.keys()
    if unknown:
        raise ValueError(f"{shape.name} has no member {', '.join(sorted(unknown))}")
    members = ((name, shape.members[name], value) for name, value in values.items() if value is not None)
    return {member.serialization.get("name", name): _value(member, value) for name, member, value in members}


def _value(shape: Shape, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(cast("StructureShape", shape), value)
        case "list":
            return [_value(cast("ListShape", shape).member, entry) for entry in value]
        case "map":
            return {key: _value(cast("MapShape", shape).value, entry) for key, entry in value.items()}
        case "timestamp":
            return _timestamp(shape, value)
    return value


def _timestamp(shape: Shape, time: datetime) -> float | str:
    if shape.serialization.get("timestampFormat") == "iso8601":
        return rfc3339(time, "milliseconds")
    return round(time.timestamp(), 3)


def edit_response(
    response: HttpResponse, values: Mapping[str, Any], removed: Sequence[str] = (), doubled: Sequence[str] = ()
) -> HttpResponse:
    """Return a response with other values, removed members, and lists with doubled entries, each by its path.

    ``job.status`` is a path; ``jobs.*.status`` selects a member of every entry of a list or a map. A path that does
    not exist is ignored, but the last part of a path with a value is added. An error, or a body that is not JSON, is
    returned unchanged.
    """
    if response.status >= 300 or response.content_type not in (JSON, JSON_1_1):
        return response
    content = json.loads(response.body)
    for path, value in values.items():
        for parent, key in _selected(content, path):
            parent[key] = copy.deepcopy(value)
    for path in doubled:
        for parent, key in _existing(content, path):
            parent[key] *= 2 if isinstance(parent[key], list) else 1
    for path in removed:
        for parent, key in tuple(_existing(content, path)):
            del parent[key]
    return replace(response, body=json.dumps(content).encode())


def _existing(content: Any, path: str) -> Iterator[tuple[Any, Any]]:
    return ((parent, key) for parent, key in _selected(content, path) if isinstance(parent, dict) and key in parent)


def _selected(content: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """Yield each mapping or list that a path selects, with the key of the last part."""
    first, _, rest = path.partition(".")
    keys = _keys(content, first)
    if not rest:
        yield from ((content, key) for key in keys)
        return
    for key in keys:
        if isinstance(content, list) or key in content:
            yield from _selected(content[key], rest)


def _keys(content: Any, name: str) -> Sequence[Any]:
    if isinstance(content, dict):
        return list(content) if name == EVERY else [name]
    return range(len(content)) if isinstance(content, list) and name == EVERY else ()
