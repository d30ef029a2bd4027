"""Check each response before botocore parses it: the parser turns a cut, empty or HTML body into an empty success.

This module checks the types of all members against the model of AWS, because the parser converts wrong types: an empty
object into an empty list, a text into a list of letters, and 1.9 into 1. ``exporter.kinds.response`` checks that a
member is present and in range.
"""

import json
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from typing import Any

from botocore.client import BaseClient
from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from exporter.core.errors import malformed

# botocore parses this status as a success, too.
LAST_SUCCESS = 300
MAX_BODY_BYTES = 32 * 1024 * 1024
# The body of an error without a code, by protocol.
_NO_ERROR_CODE: Mapping[str, bytes] = {"rest-json": b"{}", "query": b"<ErrorResponse/>"}
# The Python types of a value by its type in the model. All other types are accepted.
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


def check_responses(client: BaseClient) -> None:
    """Make each call of a client raise ``malformed`` if a successful response is not what AWS documents."""
    client.meta.events.register("before-parse", _check)


def _check(operation_model: OperationModel, response_dict: MutableMapping[str, Any], **_: Any) -> None:
    protocol = operation_model.service_model.resolved_protocol
    status, body, headers = (response_dict[key] for key in ("status_code", "body", "headers"))
    if status > LAST_SUCCESS:
        # botocore cannot parse the HTML of a proxy. It would lose the status and would not retry.
        if (status == 429 or status >= 500) and not _is_aws_error(protocol, body):
            response_dict["body"] = _NO_ERROR_CODE.get(protocol, b"")
        return
    length = headers.get("content-length")
    if length is not None and "content-encoding" not in headers and length != str(len(body)):
        raise malformed("the response body is incomplete")
    if len(body) > MAX_BODY_BYTES:
        raise malformed("the response body is larger than 32 MiB")
    if protocol == "rest-json":
        _check_type(operation_model.output_shape, _json_object(body), "response")


def _is_aws_error(protocol: str, body: bytes) -> bool:
    if protocol == "query":
        return b"<Code>" in body
    try:
        return isinstance(json.loads(body.decode()), dict)
    except (ValueError, RecursionError):
        return False


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise malformed("the response body is not a JSON object")
    return content


def _check_type(shape: Shape | None, value: Any, name: str) -> None:
    if shape is None:
        return
    if not _has_type(shape.type_name, value):
        raise malformed(f"{name}: expected {shape.type_name}")
    if isinstance(shape, StructureShape):
        for member, inner in shape.members.items():
            inner_value = value.get(inner.serialization.get("name", member))
            # For botocore, a member that is null is missing.
            if inner_value is not None:
                _check_type(inner, inner_value, member)
    elif isinstance(shape, ListShape | MapShape):
        inner, values = (shape.member, value) if isinstance(shape, ListShape) else (shape.value, value.values())
        for inner_value in values:
            _check_type(inner, inner_value, name)


def _has_type(type_name: str, value: Any) -> bool:
    if type(value) not in _TYPES.get(type_name, (type(value),)):
        return False
    if isinstance(value, float) and type_name in ("integer", "long"):
        return value.is_integer()
    # botocore would accept any text as a time, and log a warning about unknown time zones.
    return type_name != "timestamp" or not isinstance(value, str) or _is_iso_time(value)


def _is_iso_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
