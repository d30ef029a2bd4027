"""Tables of the keys of a YAML file, for documents. They are derived from the pydantic model of the file."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from exporter.config.duration import PATTERN, POSITIVE, format_duration

Schema = Mapping[str, Any]
# The JSON type of each duration is text.
DURATIONS = (PATTERN, POSITIVE)
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true` or `false`"}


def key_tables(model: type[BaseModel], titles: Mapping[str, str], level: str = "##") -> str:
    """Return a Markdown section with a table of keys for the model and for each model in it.

    ``titles`` has the title of each section by the name of its model, in the order of the sections.
    Raises KeyError if a model has no title.
    """
    root = model.model_json_schema(by_alias=True)
    schemas = {**root.get("$defs", {}), model.__name__: root}
    return "\n\n".join(_section(f"{level} {title}", schemas[name], schemas, titles) for name, title in titles.items())


def _section(heading: str, schema: Schema, schemas: Mapping[str, Schema], titles: Mapping[str, str]) -> str:
    rows = (_row(name, key, schema, schemas, titles) for name, key in schema["properties"].items())
    return "\n".join((heading, "", "| key | type | default | meaning |", "|---|---|---|---|", *rows))


def _row(name: str, key: Schema, schema: Schema, schemas: Mapping[str, Schema], titles: Mapping[str, str]) -> str:
    default = "required" if name in schema.get("required", ()) else _default(key)
    described = schemas[_reference(key)] if "$ref" in key else key
    meaning = " ".join(described.get("description", "").partition("\n\n")[0].split())
    return f"| `{name}` | {_type(key, titles)} | {default} | {meaning.replace('|', '&#124;')} |"


def _reference(key: Schema) -> str:
    return str(key["$ref"]).rpartition("/")[2]


def _type(key: Schema, titles: Mapping[str, str]) -> str:
    if "anyOf" in key:
        return " or ".join(_type(choice, titles) for choice in key["anyOf"] if choice.get("type") != "null")
    if "$ref" in key:
        title = titles[_reference(key)]
        return f"[{title}](#{title.lower().replace(' ', '-')})"
    if "enum" in key:
        return " or ".join(f"`{value}`" for value in key["enum"])
    if key["type"] == "array":
        return f"list of {_type(key['items'], titles)}"
    if key["type"] == "object":
        return "keys and values"
    return "duration" if key.get("pattern") in DURATIONS else TYPES[key["type"]]


def _default(key: Schema) -> str:
    default = key.get("default")
    if default in (None, "", [], {}):
        return ""
    if isinstance(default, float) and key.get("pattern") in DURATIONS:
        return f"`{format_duration(default) if default else '0s'}`"
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
