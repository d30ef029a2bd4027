"""The status page: every operation and cell, for people, with or without JavaScript."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter import __version__
from exporter.core.errors import QueryError
from exporter.metrics.families import UNKNOWN
from exporter.metrics.summary import CellLine
from exporter.web import responses
from exporter.web.api.filtering import choose
from exporter.web.api.openapi import CELLS, DOCUMENT, OPERATIONS
from exporter.web.api.query import LONGEST_TEXT, Query, Sort, narrowed, read_query
from exporter.web.context import Status
from exporter.web.ui.assets import Asset, read_assets
from exporter.web.ui.rows import cell_row, operation_row, when

HTML = "text/html; charset=utf-8"
FOR_EVER = "public, max-age=31536000, immutable"
"""A file's path changes with its content."""
SHOWN = 200
"""Rows of a page that was not asked for more: as many as anybody reads, and light to keep fresh."""
MOST_SHOWN = 5_000
"""Rows of any page. Whoever looks for one of more operations has a filter, and a program has the JSON."""
EVERY = 5
"""Seconds between two looks of an open page."""
EVERY_AT_FIRST = 1
"""The same while a cell waits for its first answer."""
EVERY_WITH_MANY = 30
MANY = 1_000
"""Rows from which on a look costs a browser so much that it gets a longer pause."""
CHUNK = 50
"""Rows that a browser lays out together when they come into sight; each by itself would cost more than it saves."""
NAMED = 3
"""Cells that the banner names; the table has them all."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table of operations; ``sort`` is what its heading sorts by."""

    title: str
    sort: Sort
    numeric: bool = False


COLUMNS = (
    Column("Operation", "name"),
    Column("Kind", "kind"),
    Column("Account", "account"),
    Column("Region", "region"),
    Column("Status", "status"),
    Column("Progress", "progress"),
    Column("Succeeded", "succeeded", numeric=True),
    Column("Failed", "failed", numeric=True),
    Column("Created", "created"),
    Column("May end", "estimated_end"),
    Column("Read", "read"),
)
SORTS: Mapping[Sort, str] = {"": "Active, then newest", **{one.sort: one.title for one in COLUMNS}, "id": "Id"}
DEFAULTS: Mapping[str, object] = {name: field.default for name, field in Query.model_fields.items()}
VIEWS = (("all", "Operations"), ("active", "Active"), ("ended", "Ended"), ("attention", "Need attention"))


def page_routes(status: Status, metrics_path: str) -> list[Route]:
    """Return the routes of the page and of its files."""
    assets = read_assets()
    page = _Page(status, _environment(assets), metrics_path)
    return [Route("/", status.handler(page.answer)), *map(_asset_route, assets.values())]


def _asset_route(asset: Asset) -> Route:
    async def serve(request: Request) -> Response:
        headers = {**responses.DATA, "Content-Type": asset.type, "Cache-Control": FOR_EVER}
        return responses.answer(request, asset.body, headers)

    return Route(f"/{asset.path}", serve)


def _environment(assets: Mapping[str, Asset]) -> Environment:
    environment = Environment(
        loader=PackageLoader("exporter.web.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        version=__version__,
        asset=lambda name: assets[name].path,
        columns=COLUMNS,
        sorts=SORTS,
        views=VIEWS,
        longest_text=LONGEST_TEXT,
        chunk=CHUNK,
        named=NAMED,
    )
    return environment


class _Page:
    """Renders the page. Its links are relative, so that it works below a proxy's prefix."""

    def __init__(self, status: Status, environment: Environment, metrics_path: str) -> None:
        self._status = status
        self._environment = environment
        self._model = narrowed(Query, [kind.name for kind in status.kinds])
        self._links = {
            "metrics": f".{quote(metrics_path)}",
            "operations": f".{OPERATIONS}",
            "cells": f".{CELLS}",
            "openapi": f".{DOCUMENT}",
            "healthy": "./-/healthy",
        }

    def answer(self, request: Request) -> Response:
        """Return the page that a request asks for, or one that tells what is wrong with it."""
        try:
            query = read_query(self._model, request.query_params.multi_items())
        except QueryError as error:
            return self._rendered(request, "refused.html", 400, problems=error.problems)
        return self._rendered(request, "status.html", 200, **self._content(query))

    def _rendered(self, request: Request, template: str, status: int, **content: Any) -> Response:
        text = self._environment.get_template(template).render(links=self._links, **content)
        return responses.answer(request, text.encode(), {**responses.PAGE, "Content-Type": HTML}, status)

    def _content(self, query: Query) -> dict[str, Any]:
        now, overview = self._status.now(), self._status.newest()
        cells = overview.cells()
        limited = query.model_copy(update={"limit": _limit(query)})
        choice = choose(overview.operations(), limited)
        return {
            "query": query,
            "link": lambda **changes: _link(query, changes),
            "choice": choice,
            "operations": (operation_row(line, now) for line in choice.lines),
            "cells": [cell_row(line, now) for line in cells],
            "failing": [line for line in cells if line.needs_attention],
            "waiting": any(line.waits for line in cells),
            "offered": self._offered(cells, query),
            "now": when(now, now),
            "most": MOST_SHOWN,
            "every": _pause(len(choice.lines), cells),
        }

    def _offered(self, cells: Sequence[CellLine], query: Query) -> dict[str, dict[str, str]]:
        """Return what each filter offers, values with what people read: all that is watched, and what was asked for."""
        watched = {line.kind for line in cells}
        kinds = [kind for kind in self._status.kinds if kind.name in watched or kind.name == query.kind]
        statuses = {status for kind in kinds for status in kind.statuses}
        offered = {
            "status": {**_itself(sorted(statuses, key=str.casefold)), UNKNOWN: UNKNOWN, **_itself([query.status])},
            "kind": {kind.name: kind.title for kind in kinds},
            "account": _itself([*(line.account for line in cells), query.account]),
        }
        return {name: {"": "Any", **found} for name, found in offered.items()}


def _itself(values: Iterable[str]) -> dict[str, str]:
    """Return values that people read as they are; an empty one filters nothing and is none."""
    return {value: value for value in values if value}


def _limit(query: Query) -> int:
    asked = query.limit or MOST_SHOWN
    return min(asked, MOST_SHOWN) if "limit" in query.model_fields_set else SHOWN


def _pause(rows: int, cells: Sequence[CellLine]) -> int:
    if rows > MANY:
        return EVERY_WITH_MANY
    return EVERY_AT_FIRST if any(line.waits for line in cells) else EVERY


def _link(query: Query, changes: Mapping[str, object]) -> str:
    """Return the page's address with some parameters changed; what is as always is left out."""
    wanted = {name: value for name, value in query.model_copy(update=changes) if value != DEFAULTS[name]}
    return f"?{urlencode(wanted)}"
