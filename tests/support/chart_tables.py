"""Writes the tables of the chart's README from values.yaml: ``python -m tests.support.chart_tables``."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.support.repository import ROOT

VALUES, README = ROOT / "helm" / "values.yaml", ROOT / "helm" / "README.md"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of the chart: its path, its default and its comment."""

    path: str
    default: Any
    meaning: str


def readme_with_values(readme: str, values: str) -> str:
    """Return the README with a table between its marks for each section of the values."""
    marked = re.compile(r"<!-- values -->\n.*?<!-- end -->", re.DOTALL)
    (before, after) = marked.split(readme)
    tables = "\n".join(f"### {name}\n\n{_table(settings)}" for name, settings in sections(values).items())
    return f"{before}<!-- values -->\n{tables}<!-- end -->{after}"


def sections(values: str) -> dict[str, list[Setting]]:
    """Return the settings of values.yaml by section. A comment ``## Name`` starts a section."""
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
    rows = [f"| `{setting.path}` | `{json.dumps(setting.default)}` | {setting.meaning} |\n" for setting in settings]
    return "".join(["| key | default | meaning |\n|---|---|---|\n", *rows])


if __name__ == "__main__":
    tables = readme_with_values(README.read_text(encoding="utf-8"), VALUES.read_text(encoding="utf-8"))
    README.write_text(tables, encoding="utf-8")
