"""YAML read strictly: a duplicate key or a second document is a problem, not a surprise."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from exporter.errors import ConfigError

_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What PyYAML lets through where a value is not what its tag or its look promises: a month 13, ``!!bool 7``."""
_QUOTED = re.compile(r"""(?:[^'"]|'(?:\\?.|<[a-z ]+>)')*""")
"""The beginning of a sentence of PyYAML that quotes single characters and names of tokens, and nothing longer."""
_SAYINGS = {
    "but found another document": "a second document begins here",
    "second occurrence": "the anchor stands twice",
}


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which keeps the last of two equal keys, taught to refuse them."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)  # type: ignore[no-untyped-call]
        except _UNREADABLE:
            raise yaml.MarkedYAMLError(problem="an impossible value", problem_mark=node.start_mark) from None

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        value = super().construct_scalar(node)
        if re.search("[\ud800-\udfff]", value):
            raise yaml.MarkedYAMLError(problem="half a character", problem_mark=node.start_mark)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem="a key that is not text", problem_mark=key_node.start_mark)
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem="the key stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Return what a YAML text says, None for an empty one.

    Raises ConfigError with line and column, and without the text itself, which may hold a secret.
    """
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 - a safe loader
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
    return _SAYINGS.get(problem) or (match[0].rstrip(" ,;:") if match else problem)


def _line(text: str, error: yaml.reader.ReaderError) -> int:
    return text.count("\n", 0, error.position) + 1
