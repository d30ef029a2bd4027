"""The tables of the chart's README, from the comments in values.yaml."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.repository import ROOT

VALUES = ROOT / "helm" / "values.yaml"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the chart: its path, its default and its comment."""

    path: str
    default: Any
    meaning: str


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
        if meaning := _comment(lines[:line]):
            yield line, Setting(path, yaml.SafeLoader("").construct_document(value), meaning)
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
    rows = [f"| `{setting.path}` | `{json.dumps(setting.default)}` | {setting.meaning} |" for setting in settings]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows])
