"""Reads the texts of the status page from its HTML, without a browser."""

from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

VOID = frozenset({"meta", "link", "img", "input", "rect", "br"})
# The columns with texts from AWS.
LABELS = ("Operation", "Status")


class _Table(HTMLParser):
    """Collects the texts of the operations' table, and checks every element of the page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.rows: list[dict[str, str]] = []
        self.scripts = 0
        self._label = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        assert not [name for name in attributes if name.startswith("on")]
        self.scripts += tag == "script"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append({})
        self._label = attributes.get("data-label") or self._label

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag
        if tag in ("th", "td"):
            self._label = ""

    def handle_data(self, data: str) -> None:
        if self._label:
            self.rows[-1][self._label] = self.rows[-1].get(self._label, "") + data


def operation_texts(page: str) -> list[tuple[str, str]]:
    """Return the texts from AWS in each operation's row. Fail for an unclosed or foreign element."""
    table = _Table()
    table.feed(page)
    table.close()
    assert table.open == []
    assert table.scripts == 1
    return [(row["Operation"], row["Status"]) for row in table.rows if "Operation" in row]


def expected_text(operation: Mapping[str, Any]) -> tuple[str, str]:
    """Return the same texts of an operation in the JSON."""
    names = [operation["name"], operation["id"]] if operation["name"] else [operation["id"]]
    about = operation["input"] or operation["target"] or ""
    return ("".join((*names, about)), operation["status"])
