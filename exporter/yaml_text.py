"""YAML read strictly: a duplicate key or a second document is a problem, not a surprise."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from exporter.errors import ConfigError


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which keeps the last of two equal keys, taught to refuse them."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.MarkedYAMLError(problem="a key that is not text", problem_mark=key_node.start_mark)
            if key in seen and key_node.tag != "tag:yaml.org,2002:merge":
                raise yaml.MarkedYAMLError(problem=f"the key {key} stands twice", problem_mark=key_node.start_mark)
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
        raise ConfigError([f"{where}no valid YAML: {error.problem or 'unreadable'}"]) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ConfigError(["no valid YAML: a character or a value that YAML does not allow"]) from None
