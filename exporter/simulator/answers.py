"""Put an answer into JSON as the output shape says. A kind that answers what AWS cannot is a bug, and told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from botocore.model import ListShape, MapShape, Shape, StructureShape


def serialised(shape: StructureShape | None, answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON object of an answer; a member that is None is left out.

    AWS: https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html
    """
    return {} if shape is None else _structure(shape, answer)


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
            return [_value(cast("ListShape", shape).member, one) for one in value]
        case "map":
            return {key: _value(cast("MapShape", shape).value, one) for key, one in value.items()}
        case "timestamp":
            return _moment(shape, value)
    return value


def _moment(shape: Shape, moment: datetime) -> float | str:
    if shape.serialization.get("timestampFormat") == "iso8601":
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return round(moment.timestamp(), 3)
