"""Look at each answer before botocore parses it: it reads a cut, empty or HTML body as a success without members."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any

from botocore.client import BaseClient
from botocore.model import ListShape, OperationModel, Shape, StructureShape

from exporter.core.errors import malformed

LAST_SUCCESS = 300
"""botocore takes this one for a success too."""
LARGEST_BODY = 32 * 1024 * 1024
_NO_REASON: Mapping[str, bytes] = {"rest-json": b"{}", "query": b"<ErrorResponse/>"}
"""By protocol, an error's body that gives no reason."""


def guard(client: BaseClient) -> None:
    """Make every call of a client raise ``malformed`` for a success whose body is not what AWS sends."""
    client.meta.events.register("before-parse", _check)


def _check(operation_model: OperationModel, response_dict: MutableMapping[str, Any], **_: Any) -> None:
    protocol = operation_model.service_model.resolved_protocol
    status = response_dict["status_code"]
    if status > LAST_SUCCESS:
        if _says_enough(status) and not _is_from_aws(protocol, response_dict["body"]):
            response_dict["body"] = _NO_REASON.get(protocol, b"")
        return
    body, headers = response_dict["body"], response_dict["headers"]
    announced = headers.get("content-length")
    if announced is not None and "content-encoding" not in headers and announced != str(len(body)):
        raise malformed("the body is cut off")
    if len(body) > LARGEST_BODY:
        raise malformed("the body is larger than 32 MiB")
    if protocol == "rest-json":
        _check_type(operation_model.output_shape, _object(body), "the answer")


def _says_enough(status: int) -> bool:
    """Of a proxy's own words for a passing fault botocore would fail, and neither tell the status nor try again."""
    return status == 429 or status >= 500


def _is_from_aws(protocol: str, body: bytes) -> bool:
    if protocol == "query":
        return b"<Code>" in body
    try:
        return isinstance(json.loads(body.decode()), dict)
    except (ValueError, RecursionError):
        return False


_TYPES: Mapping[str, tuple[type, ...]] = {
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
    "string": (str,),
    "integer": (int, float),
    "long": (int, float),
    "timestamp": (int, float, str),
    "boolean": (bool,),
}
_WHOLE = ("integer", "long")
"""Of a fraction botocore would keep the whole part."""


def _check_type(shape: Shape | None, value: Any, name: str) -> None:
    """botocore makes what it wants of a wrong type: no operations of an empty object, 1 of 1.9, a list of a text."""
    if shape is None or value is None:
        return
    wanted = _TYPES.get(shape.type_name)
    if wanted and type(value) not in wanted:
        raise malformed(f"{name} has a wrong type")
    if not _is_possible(shape, value):
        raise malformed(f"{name} is no {shape.type_name}")
    if isinstance(shape, StructureShape):
        for member, inner in shape.members.items():
            _check_type(inner, value.get(inner.serialization.get("name", member)), member)
    elif isinstance(shape, ListShape):
        for one in value:
            _check_type(shape.member, one, name)


def _is_possible(shape: Shape, value: Any) -> bool:
    """botocore would guess what any text means as a time, and complain about time zones that it does not know."""
    if isinstance(value, float):
        return shape.type_name not in _WHOLE or value.is_integer()
    return shape.type_name != "timestamp" or not isinstance(value, str) or _is_moment(value)


def _is_moment(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise malformed("the body is no JSON object")
    return content
