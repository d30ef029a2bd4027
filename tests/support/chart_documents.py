"""The generated parts of the chart: the tables of its README, and the definitions of the schema of its values.

The definitions come from Kubernetes, for values that the chart copies into a pod, and from the configuration of the
exporter. No Python package contains those of the operators of Prometheus and Grafana: they are maintained by hand.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import kubernetes_validate.utils
import yaml

from exporter.config.loader import config_schema
from exporter.kinds.kind import Kind
from tests.support.repository import ROOT

VALUES = ROOT / "helm" / "values.yaml"
SCHEMA = ROOT / "helm" / "values.schema.json"
# The Kubernetes version whose fields the values may use.
KUBERNETES = "1.37.0"

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the chart: its path, its default and its comment."""

    path: str
    default: Any
    description: str


def values_tables() -> str:
    """Return a table for each section of the values."""
    return "\n\n".join(f"### {name}\n\n{_table(settings)}" for name, settings in sections().items())


def sections() -> dict[str, list[Setting]]:
    """Return the settings of values.yaml by section. A comment ``## Name`` starts a section."""
    values = VALUES.read_text(encoding="utf-8")
    lines = values.splitlines()
    starts = {number: line[3:] for number, line in enumerate(lines) if line.startswith("## ")}
    found: dict[str, list[Setting]] = {name: [] for name in starts.values()}
    for line, setting in _settings(yaml.compose(values, yaml.SafeLoader), lines, ""):
        found[starts[max(start for start in starts if start < line)]].append(setting)
    return found


def _settings(node: yaml.Node | None, lines: Sequence[str], prefix: str) -> Iterator[tuple[int, Setting]]:
    """Yield each documented key with its line. A key without a comment is a group of keys."""
    assert isinstance(node, yaml.MappingNode), f"{prefix}: no comment describes it"
    for key, value in node.value:
        path, line = prefix + key.value, key.start_mark.line
        if description := _comment(lines[:line]):
            yield line, Setting(path, yaml.SafeLoader("").construct_document(value), description)
        else:
            yield from _settings(value, lines, f"{path}.")


def _comment(above: Sequence[str]) -> str:
    """Return the comment from ``# -- `` to the last line of the text, or an empty text."""
    comment: list[str] = []
    for line in reversed(above):
        text = line.strip()
        if not text.startswith("# "):
            return ""
        comment.insert(0, text.removeprefix("# ").removeprefix("-- "))
        if text.startswith("# -- "):
            return " ".join(comment)
    return ""


def _table(settings: Sequence[Setting]) -> str:
    rows = [f"| `{setting.path}` | `{json.dumps(setting.default)}` | {setting.description} |" for setting in settings]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])


def schema_with_definitions(kinds: Sequence[Kind[Any]]) -> str:
    """Return the schema with new generated definitions, one a line, after its own definitions."""
    foreign = re.compile(r'^    "(?:io\.k8s|exporter)\..*\n', re.MULTILINE)
    own = foreign.sub("", SCHEMA.read_text(encoding="utf-8")).removesuffix("\n  }\n}\n").removesuffix(",")
    needed = re.findall(r'"#/definitions/(io\.k8s\.[^"]+)"', own)
    definitions = {**_exporter_definitions(kinds), **_kubernetes_definitions(needed)}
    lines = [f"    {json.dumps(name)}: {json.dumps(definitions[name])}" for name in sorted(definitions)]
    return ",\n".join([own, *lines]) + "\n  }\n}\n"


def _kubernetes_definitions(needed: Sequence[str]) -> dict[str, Schema]:
    """Return the closed definitions of Kubernetes that are needed, and those that they refer to."""
    file = f"kubernetes-json-schema/v{KUBERNETES}-local-strict/_definitions.json"
    known = kubernetes_validate.utils.schema_contents(file, KUBERNETES)["$defs"]
    found: dict[str, Schema] = {}
    waiting = [*needed]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _draft_7(known[name], "")
            waiting += re.findall(r'"#/definitions/([^"]+)"', json.dumps(found[name]))
    return found


def _exporter_definitions(kinds: Sequence[Kind[Any]]) -> dict[str, Schema]:
    schema = config_schema(kinds)
    known = {**schema.pop("$defs"), "Config": schema}
    return {f"exporter.{name}": _draft_7(definition, "exporter.") for name, definition in known.items()}


def _draft_7(value: Any, prefix: str) -> Any:
    """Return a part of a schema as draft 7, without descriptions and with references to this schema."""
    if isinstance(value, list):
        return [_draft_7(part, prefix) for part in value]
    if not isinstance(value, dict):
        return value
    if "discriminator" in value:
        return _by_kind(value["discriminator"], prefix)
    return {
        key: _draft_7(part, prefix) if key != "$ref" else _reference(part, prefix)
        for key, part in value.items()
        if not _is_superfluous(key, part)
    }


def _reference(reference: str, prefix: str) -> str:
    return f"#/definitions/{prefix}{reference.removeprefix('#/$defs/')}"


def _is_superfluous(key: str, value: Any) -> bool:
    """Return whether helm does not need a key.

    It does not get patterns, because Go reads them differently and its error message would quote the value.
    """
    about = ("$schema", "title", "description", "default", "format", "pattern", "writeOnly")
    return key.startswith("x-kubernetes") or (key in about and not isinstance(value, dict))


def _by_kind(discriminator: Schema, prefix: str) -> Schema:
    """Return a choice by kind. Unlike ``oneOf``, its errors name only the wrong key of the chosen kind."""
    key, mapping = discriminator["propertyName"], discriminator["mapping"]
    branches = [
        {"if": {"properties": {key: {"const": name}}}, "then": {"$ref": _reference(reference, prefix)}}
        for name, reference in mapping.items()
    ]
    return {"type": "object", "required": [key], "properties": {key: {"enum": [*mapping]}}, "allOf": branches}
