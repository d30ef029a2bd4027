"""Look at each answer before botocore parses it: it reads a cut, empty or HTML body as a success without members."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient
from botocore.model import OperationModel

from exporter.errors import malformed

LARGEST_BODY = 32 * 1024 * 1024


def guard(client: BaseClient) -> None:
    """Make every call of a client raise ``malformed`` for a success whose body is not what AWS sends."""
    client.meta.events.register("before-parse", _check)


def _check(operation_model: OperationModel, response_dict: Mapping[str, Any], **_: Any) -> None:
    if response_dict["status_code"] >= 300:
        return
    body, headers = response_dict["body"], response_dict["headers"]
    announced = headers.get("content-length")
    if announced is not None and "content-encoding" not in headers and announced != str(len(body)):
        raise malformed("the body is cut off")
    if len(body) > LARGEST_BODY:
        raise malformed("the body is larger than 32 MiB")
    if operation_model.service_model.resolved_protocol == "rest-json" and not _is_object(body):
        raise malformed("the body is no JSON object")


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False
