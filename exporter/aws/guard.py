"""Look at each answer before botocore parses it: it reads a cut, empty or HTML body as a success without members."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient
from botocore.model import OperationModel, StructureShape

from exporter.errors import malformed

LAST_SUCCESS = 300
"""botocore takes this one for a success too."""
LARGEST_BODY = 32 * 1024 * 1024


def guard(client: BaseClient) -> None:
    """Make every call of a client raise ``malformed`` for a success whose body is not what AWS sends."""
    client.meta.events.register("before-parse", _check)


def _check(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: Any) -> None:
    if response_dict["status_code"] > LAST_SUCCESS:
        return
    body, headers = response_dict["body"], response_dict["headers"]
    announced = headers.get("content-length")
    if announced is not None and "content-encoding" not in headers and announced != str(len(body)):
        raise malformed("the body is cut off")
    if len(body) > LARGEST_BODY:
        raise malformed("the body is larger than 32 MiB")
    if operation_model.service_model.resolved_protocol == "rest-json":
        _check_lists(operation_model, _object(body))


def _check_lists(operation_model: OperationModel, content: Mapping[str, Any]) -> None:
    """botocore makes a list of whatever can be gone through: an empty object would read as no operations."""
    shape = operation_model.output_shape
    for name, member in shape.members.items() if isinstance(shape, StructureShape) else ():
        value = content.get(member.serialization.get("name", name))
        if member.type_name == "list" and not isinstance(value, list | None):
            raise malformed(f"{name} is not a list")


def _object(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise malformed("the body is no JSON object")
    return content
