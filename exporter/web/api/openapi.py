"""The OpenAPI document of the JSON, made from the models that read its parameters and write its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from exporter import __version__
from exporter.kinds.kind import Kind
from exporter.web.api.query import Filter, Query, narrowed
from exporter.web.api.schemas import Cells, Operations, Problem

OPERATIONS = "/api/v1/operations"
CELLS = "/api/v1/cells"
DOCUMENT = "/api/v1/openapi.json"
JSON = "application/json"
PROBLEM = "application/problem+json"

_ANSWERS = (Operations, Cells, Problem)
ABOUT = (
    "What is known of AWS's bulk operations. Times are RFC 3339 in UTC; what is unknown is null. A request is answered "
    "at once with what is known, and asks AWS for what is due: the next answer has it."
)


def openapi(kinds: Sequence[Kind[Any]]) -> dict[str, Any]:
    """Return the document for these kinds."""
    names = [kind.name for kind in kinds]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "aws-iot-bulk-exporter",
            "version": __version__,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            OPERATIONS: _path("operations", "The operations that fit.", Operations, narrowed(Query, names)),
            CELLS: _path("cells", "The cells that fit.", Cells, narrowed(Filter, names)),
            DOCUMENT: {"get": {"operationId": "openapi", "summary": "This document.", "responses": _document()}},
        },
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    _, schemas = TypeAdapter.json_schemas(
        [(answer.__name__, "serialization", TypeAdapter(answer)) for answer in _ANSWERS],
        ref_template="#/components/schemas/{model}",
    )
    found: dict[str, Any] = schemas["$defs"]
    return found


def _path(id: str, summary: str, answer: type[Any], model: type[Filter]) -> dict[str, Any]:
    refused = "A parameter cannot be used, or is unknown."
    responses = {"200": _response(summary, JSON, answer), "400": _response(refused, PROBLEM, Problem)}
    return {"get": {"operationId": id, "summary": summary, "parameters": _parameters(model), "responses": responses}}


def _parameters(model: type[Filter]) -> list[dict[str, Any]]:
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


def _response(description: str, media: str, answer: type[Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{answer.__name__}"}
    return {"description": description, "content": {media: {"schema": schema}}}


def _document() -> dict[str, Any]:
    return {"200": {"description": "An OpenAPI document.", "content": {JSON: {"schema": {"type": "object"}}}}}
