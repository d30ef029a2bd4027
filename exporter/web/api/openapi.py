"""The OpenAPI document of the JSON API, generated from the models of its parameters and responses."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter

from exporter import __version__
from exporter.kinds.kind import Kind
from exporter.web.api.failures import FAILURES
from exporter.web.api.problems import PROBLEM
from exporter.web.api.query import CellsQuery, FailuresQuery, Query, narrowed
from exporter.web.api.schemas import Cells, OperationFailures, Operations, Problem

OPERATIONS = "/api/v1/operations"
CELLS = "/api/v1/cells"
DOCUMENT = "/api/v1/openapi.json"
JSON = "application/json"

_RESPONSES = (Operations, Cells, OperationFailures, Problem)
# Why the failed items of an operation are not in the response.
_REFUSALS = {
    "403": "The configuration does not allow it: `failures` is not true.",
    "404": "The exporter knows no such operation.",
    "502": "AWS cannot be read.",
    "503": "The failed items are still being read. Try again after a second.",
}
# A client needs the password only if there is one, so no security is an alternative.
_SECURITY: tuple[dict[str, list[str]], ...] = ({}, {"password": []})
_PASSWORD = {
    "type": "http",
    "scheme": "basic",
    "description": "A user name and password of `basic_auth_users` in the web configuration file, if there is one.",
}
_OTHER_ERROR = "Any other error, such as a missing password (401) or too many requests (429)."
ABOUT = (
    "The bulk operations of AWS IoT that the exporter knows. Times are RFC 3339 in UTC, unknown values are null. Each "
    "request starts a refresh of the cells that are due. It waits for the refresh, at most `refresh.deadline`, only if "
    "no data that it selects is fresh. `complete` is false while operations may be missing."
)


def openapi(kinds: Sequence[Kind[Any]], server: str = "") -> dict[str, Any]:
    """Return the OpenAPI document for these kinds. ``server`` is the URL below which the paths are, if it is known."""
    names = tuple(kind.name for kind in kinds)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aws-iot-bulk-exporter",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        **({"servers": [{"url": server}]} if server else {}),
        "paths": {
            OPERATIONS: _path("operations", "The operations that match.", Operations, narrowed(Query, names)),
            CELLS: _path("cells", "The cells that match.", Cells, narrowed(CellsQuery, names)),
            FAILURES: _failures_path(names),
            DOCUMENT: {"get": {"operationId": "openapi", "summary": "This document.", "responses": _document()}},
        },
        "security": list(_SECURITY),
        "components": {"schemas": _schemas(), "securitySchemes": {"password": _PASSWORD}},
    }


def _schemas() -> dict[str, Any]:
    _, schemas = TypeAdapter.json_schemas(
        [(response.__name__, "serialization", TypeAdapter(response)) for response in _RESPONSES],
        ref_template="#/components/schemas/{model}",
    )
    # The API calls an OperationLine an Operation, and so on.
    found: dict[str, Any] = json.loads(json.dumps(schemas["$defs"]).replace('Line"', '"'))
    return found


def _path(id: str, summary: str, response: type[Any], model: type[BaseModel]) -> dict[str, Any]:
    invalid = "A parameter is invalid or unknown."
    responses = {
        "200": _response(summary, JSON, response),
        "400": _response(invalid, PROBLEM, Problem),
        "default": _response(_OTHER_ERROR, PROBLEM, Problem),
    }
    return {"get": {"operationId": id, "summary": summary, "parameters": _parameters(model), "responses": responses}}


def _failures_path(kinds: Sequence[str]) -> dict[str, Any]:
    summary = "The failed items of an operation, by reason. A request can cause a call to AWS for each item."
    path = _path("failures", summary, OperationFailures, FailuresQuery)
    schemas = {"kind": {"type": "string", "enum": list(kinds)}, "id": {"type": "string", "minLength": 1}}
    path["get"]["parameters"] += [
        {"name": name, "in": "path", "required": True, "description": f"The {name} of the operation.", "schema": schema}
        for name, schema in schemas.items()
    ]
    path["get"]["responses"] |= {status: _response(text, PROBLEM, Problem) for status, text in _REFUSALS.items()}
    return path


def _parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "description": schema["description"],
            "schema": {key: value for key, value in schema.items() if key not in ("description", "title")},
        }
        for name, schema in properties.items()
    ]


def _response(description: str, media: str, model: type[Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"description": description, "content": {media: {"schema": schema}}}


def _document() -> dict[str, Any]:
    return {
        "200": {"description": "An OpenAPI document.", "content": {JSON: {"schema": {"type": "object"}}}},
        "default": _response(_OTHER_ERROR, PROBLEM, Problem),
    }
