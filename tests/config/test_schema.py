"""The schema of the configuration: what editors accept is what the code accepts, and the example shows all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from exporter.config.loader import config_schema, parse_config, read_config
from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from tests.support.repository import ROOT

EXAMPLE = ROOT / "config.example.yaml"
COMMITTED = ROOT / "docs" / "config.schema.json"
SCHEMA = config_schema(KINDS)
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
CODE_ONLY = "# Only the code can know this."
SECRET = "s3cret/which+nobody,may=see"

Path_ = tuple[str, ...]
"""Keys from the top of the file down; the members of a list have the path of the list."""


def readable(path: Path) -> bool:
    """Tell whether a file is YAML: a schema can say nothing of what is none."""
    lines = path.with_suffix(".txt").read_text(encoding="utf-8")
    return "invalid YAML" not in lines and "cycle" not in path.stem


FOLDER = Path(__file__).parent
BAD = sorted(filter(readable, (FOLDER / "bad").glob("*.yaml")))
GOOD = sorted((FOLDER / "good").glob("*.yaml"))


def faults(path: Path) -> list[str]:
    """Return what the schema has against a file; without content it is a mapping without keys."""
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")) or {})]


def properties(schema: Any, path: Path_ = ()) -> Iterator[tuple[Path_, dict[str, Any]]]:
    """Give every key that the schema knows, with its own schema."""
    if "$ref" in schema:
        yield from properties(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
    for one in (*schema.get("oneOf", ()), *schema.get("anyOf", ()), *filter(None, [schema.get("items")])):
        yield from properties(one, path)
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key), inner
        yield from properties(inner, (*path, key))


def keys(node: yaml.Node, path: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    """Give every key of a YAML file, with the number of its line from 0."""
    if isinstance(node, yaml.SequenceNode):
        for member in node.value:
            yield from keys(member, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line
            yield from keys(value, (*path, key.value))


def planted(path: Path_, value: object, wanted: Path_) -> Any:
    """Return the part of a configuration below ``path`` that leads to ``value`` at ``wanted``, and lists on the way."""
    if path == wanted:
        return value
    key = wanted[len(path)]
    inner = planted((*path, key), value, wanted)
    return {key: [inner] if key in ("accounts", "watch") else inner}


def test_the_committed_schema_is_the_code_s() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == SCHEMA


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == "aws-iot-bulk-exporter"


def test_the_schema_s_defaults_are_right_by_the_schema() -> None:
    for path, schema in properties(SCHEMA):
        if schema.get("default") is not None:
            validator = VALIDATOR.evolve(schema={**schema, "$defs": SCHEMA["$defs"]})
            assert list(validator.iter_errors(schema["default"])) == [], path


def test_every_key_of_the_schema_is_described() -> None:
    undescribed = [path for path, schema in properties(SCHEMA) if "description" not in json.dumps(schema)]
    assert [path for path in undescribed if "$ref" not in dict(properties(SCHEMA))[path]] == []


@pytest.mark.parametrize("path", [EXAMPLE, *GOOD], ids=lambda path: path.stem)
def test_the_schema_accepts_what_the_code_accepts(path: Path) -> None:
    assert faults(path) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_schema_refuses_what_the_code_refuses_unless_only_the_code_can_know(path: Path) -> None:
    assert bool(faults(path)) != path.read_text(encoding="utf-8").startswith(CODE_ONLY)


def test_the_example_is_right() -> None:
    config = read_config(EXAMPLE, KINDS)
    assert {watch.kind for account in config.accounts for watch in account.watch} == {kind.name for kind in KINDS}


def test_the_example_shows_every_key_with_a_comment_above_it() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = ["", *text.splitlines()]
    node = yaml.compose(text)
    assert node is not None
    commented = {path for path, line in keys(node) if lines[line].lstrip(" -").startswith("#")}
    assert {path for path, _ in properties(SCHEMA)} - commented == set()


def test_the_example_shows_the_defaults_of_numbers_and_durations_truly() -> None:
    said = EXAMPLE.read_text(encoding="utf-8")
    for (*_, key), schema in properties(SCHEMA):
        default = schema.get("default")
        if default is not None and not isinstance(default, bool | list | dict):
            assert f"Default: {default}." in said, key


@pytest.mark.parametrize("path", sorted({path for path, _ in properties(SCHEMA)}), ids=".".join)
@pytest.mark.parametrize("value", [SECRET, [SECRET], {"k": SECRET}, {SECRET: 1}], ids=["text", "list", "map", "key"])
def test_a_secret_in_any_place_is_in_no_problem(path: Path_, value: object) -> None:
    raw = planted((), value, path)
    raw.setdefault("unknown", SECRET)
    with pytest.raises(ConfigError) as caught:
        parse_config(yaml.safe_dump(raw), KINDS)
    assert [line for line in caught.value.problems if SECRET in line] == []
