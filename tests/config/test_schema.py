"""The JSON schema of the configuration accepts the same files as the code, and the example contains every key."""

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
from tests.support.javascript_patterns import patterns, patterns_that_javascript_refuses
from tests.support.repository import ROOT

EXAMPLE = ROOT / "config.example.yaml"
COMMITTED = ROOT / "docs" / "config.schema.json"
SCHEMA = config_schema(KINDS)
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
CODE_ONLY = "# Only the code can check this."
SECRET = "s3cret/which+nobody,may=see"

# The keys from the top of the file. The members of a list have the path of the list.
KeyPath = tuple[str, ...]


def is_valid_yaml(path: Path) -> bool:
    """Return whether a file is valid YAML, so that the schema can check it."""
    lines = path.with_suffix(".txt").read_text(encoding="utf-8")
    return "invalid YAML" not in lines and "cycle" not in path.stem


FOLDER = Path(__file__).parent
BAD = sorted(filter(is_valid_yaml, (FOLDER / "bad").glob("*.yaml")))
GOOD = sorted((FOLDER / "good").glob("*.yaml"))


def schema_problems(path: Path) -> list[str]:
    """Return the problems of a file by the schema. An empty file is an empty mapping."""
    return [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")) or {})]


def properties(schema: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Yield every key of the schema with its own schema."""
    if "$ref" in schema:
        yield from properties(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
    for part in (*schema.get("oneOf", ()), *schema.get("anyOf", ()), *filter(None, [schema.get("items")])):
        yield from properties(part, path)
    for key, inner in schema.get("properties", {}).items():
        yield (*path, key), inner
        yield from properties(inner, (*path, key))


def keys(node: yaml.Node, path: KeyPath = ()) -> Iterator[tuple[KeyPath, int]]:
    """Yield every key of a YAML file with its line number from 0."""
    if isinstance(node, yaml.SequenceNode):
        for member in node.value:
            yield from keys(member, path)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*path, key.value), key.start_mark.line
            yield from keys(value, (*path, key.value))


def config_with(path: KeyPath, value: object, target: KeyPath) -> Any:
    """Return the part of a configuration below ``path`` that has ``value`` at ``target``."""
    if path == target:
        return value
    key = target[len(path)]
    inner = config_with((*path, key), value, target)
    return {key: [inner] if key in ("accounts", "watch") else inner}


def test_the_committed_schema_is_current() -> None:
    assert json.loads(COMMITTED.read_text(encoding="utf-8")) == SCHEMA


def test_the_schema_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"] == "aws-iot-bulk-exporter"


def test_javascript_can_compile_every_pattern_of_the_schema() -> None:
    assert len({*patterns(SCHEMA)}) > 10
    assert patterns_that_javascript_refuses(SCHEMA) == []
    assert patterns_that_javascript_refuses({"pattern": r"[\"]"}) == [r"[\"]"]


def test_the_defaults_in_the_schema_are_valid() -> None:
    for path, schema in properties(SCHEMA):
        if schema.get("default") is not None:
            validator = VALIDATOR.evolve(schema={**schema, "$defs": SCHEMA["$defs"]})
            assert list(validator.iter_errors(schema["default"])) == [], path


def test_every_key_of_the_schema_has_a_description() -> None:
    undescribed = [path for path, schema in properties(SCHEMA) if "description" not in json.dumps(schema)]
    assert [path for path in undescribed if "$ref" not in dict(properties(SCHEMA))[path]] == []


@pytest.mark.parametrize("path", [EXAMPLE, *GOOD], ids=lambda path: path.stem)
def test_the_schema_accepts_each_valid_file(path: Path) -> None:
    assert schema_problems(path) == []


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_the_schema_refuses_each_invalid_file_unless_only_the_code_can_check_it(path: Path) -> None:
    assert bool(schema_problems(path)) != path.read_text(encoding="utf-8").startswith(CODE_ONLY)


def test_the_example_is_valid() -> None:
    config = read_config(EXAMPLE, KINDS)
    assert {watch.kind for account in config.accounts for watch in account.watch} == {kind.name for kind in KINDS}


def test_the_example_contains_every_key_with_a_comment_above_it() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    lines = ["", *text.splitlines()]
    node = yaml.compose(text)
    assert node is not None
    commented = {path for path, line in keys(node) if lines[line].lstrip(" -").startswith("#")}
    assert {path for path, _ in properties(SCHEMA)} - commented == set()


def test_the_example_contains_the_defaults_of_numbers_and_durations() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for (*_, key), schema in properties(SCHEMA):
        default = schema.get("default")
        if default is not None and not isinstance(default, bool | list | dict):
            assert f"Default: {default}." in text, key


@pytest.mark.parametrize("path", sorted({path for path, _ in properties(SCHEMA)}), ids=".".join)
@pytest.mark.parametrize("value", [SECRET, [SECRET], {"k": SECRET}, {SECRET: 1}], ids=["text", "list", "map", "key"])
def test_no_problem_contains_a_secret_from_any_place(path: KeyPath, value: object) -> None:
    raw = config_with((), value, path)
    raw.setdefault("unknown", SECRET)
    with pytest.raises(ConfigError) as caught:
        parse_config(yaml.safe_dump(raw), KINDS)
    assert [line for line in caught.value.problems if SECRET in line] == []
