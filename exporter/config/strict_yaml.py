"""YAML read strictly: a duplicate key or a second document is a problem, not a surprise."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from exporter.core.errors import ConfigError

_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What PyYAML lets through where a value is not what its tag or its look promises: a month 13, ``!!bool 7``."""
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_QUOTED = re.compile(r"""(?:[^'"]|'(?:\\?.|<[a-z ]+>)')*""")
"""The beginning of a sentence of PyYAML that quotes single characters and names of tokens, and nothing longer."""
_SAYINGS = {
    "but found another document": "a second document begins here",
    "could not determine a constructor for the tag": "an unknown tag",
    "found undefined alias": "an unknown alias",
    "second occurrence": "the anchor stands twice",
}


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which keeps the last of two equal keys, taught to refuse them."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in (_TEXT, _MERGE):
                raise yaml.MarkedYAMLError(problem="a key that is not text", problem_mark=key.start_mark)
            if key.value in seen and key.tag == _TEXT:
                raise yaml.MarkedYAMLError(problem="the key stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node = super().compose_scalar_node(anchor)
        if re.search("[\ud800-\udfff]", node.value):
            raise yaml.MarkedYAMLError(problem="half a character", problem_mark=node.start_mark)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except _UNREADABLE:
            raise yaml.MarkedYAMLError(problem="an impossible value", problem_mark=node.start_mark) from None


def _only(*tags: str) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Return those of the loader's rules, by the first letter of a value, that give one of the tags."""
    rules = _StrictLoader.yaml_implicit_resolvers.items()
    return {letter: [rule for rule in of_letter if rule[0] in tags] for letter, of_letter in rules}


class _TextLoader(_StrictLoader):
    """The strict loader without YAML's guesses: what is not empty, null or a merge key is text."""

    yaml_implicit_resolvers = _only(_NULL, _MERGE)


LONGEST_FILE = 16 * 1024 * 1024
"""Characters: a device that never ends must not take all memory, and nobody writes that many."""


def read_text(path: Path, shown: str = "") -> str:
    """Return what a file holds. Raises ConfigError, which shows the path unless something else is to be shown."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST_FILE + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError([f"cannot read {shown or path}: {why}"]) from None
    if len(text) > LONGEST_FILE:
        raise ConfigError([f"cannot read {shown or path}: longer than {LONGEST_FILE:,} characters"])
    return text


def parse_yaml(text: str) -> Any:
    """Return what a YAML text says, None for an empty one.

    Raises ConfigError with line and column, and without the text itself, which may hold a secret.
    """
    return _parse(text, _StrictLoader)


def parse_yaml_as_text(text: str) -> Any:
    """Return the same with numbers, switches and dates as they are written, and raise the same.

    A Go program reads ``1: 1`` as two texts where it expects texts; so must whoever shares a file with one.
    """
    return _parse(text, _TextLoader)


def _parse(text: str, loader: type[_StrictLoader]) -> Any:
    try:
        return loader(text).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError([f"{where}no valid YAML: {_said(error.problem or 'unreadable')}"]) from None
    except yaml.reader.ReaderError as error:
        raise ConfigError([f"line {_line(text, error)}: no valid YAML: a character that it does not allow"]) from None
    except (yaml.YAMLError, *_UNREADABLE):
        raise ConfigError(["no valid YAML: nested too deeply, or a value that it does not allow"]) from None


def _said(problem: str) -> str:
    """PyYAML's sentence up to where it quotes the text, as it does with aliases and tags."""
    match = _QUOTED.match(problem)
    said = match[0].rstrip(" ,;:") if match else problem
    return _SAYINGS.get(said, said)


def _line(text: str, error: yaml.reader.ReaderError) -> int:
    return text.count("\n", 0, error.position) + 1
