"""Renders docs/runbooks as parts of HTML pages, which the exporter serves."""

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import count
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from exporter.monitoring.alerts import ALERTS
from tests.support.repository import ROOT

RENDERED = ROOT / "exporter" / "web" / "ui" / "runbooks"
INDEX = RENDERED / "index.html"
COMMENT = re.compile(r"^ *<!--.*?--> *\n", re.MULTILINE)
# The page has a heading of the first level.
LOWER_HEADINGS = {"h1": "h2", "h2": "h3"}
WIDE_TABLE = '<div class="wide" tabindex="0" role="region" aria-label="Table {}">\n<table>'


def runbook_html(name: str) -> str:
    """Return a runbook as HTML. HTML in the Markdown text would be shown as text."""
    text = COMMENT.sub("", (ROOT / "docs" / "runbooks" / f"{name}.md").read_text(encoding="utf-8"))
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    for token in tokens:
        token.tag = LOWER_HEADINGS.get(token.tag, token.tag)
        token.children = token.children and list(_linked(token.children))
    html: str = parser.renderer.render(tokens, parser.options, {})
    # A box that scrolls needs the focus of the keyboard.
    html = html.replace("<pre>", '<pre tabindex="0">').replace("</table>", "</table>\n</div>")
    numbers = count(1)
    return re.sub("<table>", lambda match: WIDE_TABLE.format(next(numbers)), html)


def _linked(tokens: Sequence[Token]) -> Iterator[Token]:
    """Yield the tokens of a text. A link to another runbook stays a link, one to another document becomes its path."""
    target = text = ""
    for token in tokens:
        if token.type == "link_open":
            target = str(token.attrs["href"])
            token.attrs["href"] = target.removesuffix(".md")
        is_document = target.startswith("../")
        if token.type not in ("link_open", "link_close") or not is_document:
            yield token
        elif token.type == "link_close" and text != _document(target):
            yield Token("text", "", 0, content=f" ({_document(target)})")
        text = token.content


def _document(target: str) -> str:
    return Path("docs", target.removeprefix("../").partition("#")[0]).as_posix()


def index_html() -> str:
    """Return the list of all runbooks as HTML."""
    rows = (f'<li><a href="{alert.name}">{alert.name}</a>: {escape(alert.summary)}</li>' for alert in ALERTS)
    return "\n".join(("<h2>Runbooks</h2>", "<ul>", *rows, "</ul>", ""))
