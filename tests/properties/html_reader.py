"""What a browser would show of the status page, read from its HTML without one."""

from __future__ import annotations

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

VOID = frozenset({"meta", "link", "img", "input", "rect", "br"})
# The columns in which AWS's own texts stand.
LABELS = ("Operation", "Status")


class _Table(HTMLParser):
    """Collects the text of each cell of the table of operations, and every element of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[dict[str, str]] = []
        self.scripts = 0
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert not [name for name in found if name.startswith("on")]
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append({})
        self._label = found.get("data-label") or self._label

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag
        if tag in ("th", "td"):
            self._label = ""

    def handle_data(self, data: str) -> None:
        if self._label:
            self.rows[-1][self._label] = self.rows[-1].get(self._label, "") + data


def texts_of(page: str) -> list[tuple[str, str]]:
    """Return the texts of each operation's row that are AWS's. Fails where an element is not closed, or foreign."""
    table = _Table()
    table.feed(page)
    table.close()
    assert table.open == []
    assert table.scripts == 1
    return [(row["Operation"], row["Status"]) for row in table.rows if "Operation" in row]


def text_of(operation: Mapping[str, Any]) -> tuple[str, str]:
    """Return the same of an operation in the JSON."""
    names = [operation["name"], operation["id"]] if operation["name"] else [operation["id"]]
    about = operation["input"] or operation["target"] or ""
    return ("".join((*names, about)), operation["status"])
