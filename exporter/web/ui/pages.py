"""The status page: all operations and cells, and its static files. It works with and without JavaScript."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter import __version__
from exporter.core.errors import QueryError
from exporter.core.model import Snapshot
from exporter.metrics.families import UNKNOWN
from exporter.metrics.summary import data_time
from exporter.web.api.filtering import incomplete_cells, is_of_filter, select_operations
from exporter.web.api.query import MAX_TEXT_LENGTH, Query, Sort, narrowed
from exporter.web.context import Status
from exporter.web.responses import DATA_HEADERS, HTML_HEADERS, negotiated_response
from exporter.web.ui.cells import cell_rows
from exporter.web.ui.links import page_links
from exporter.web.ui.operation import operation_path, operation_route
from exporter.web.ui.rows import bar, page_time, short_name, tone
from exporter.web.ui.runbooks import runbook_routes

# The relative address of the root.
ROOT = "./"
# Of the static files, by suffix.
TYPES: Mapping[str, str] = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HASH_DIGITS = 16
# The path of a static file contains a hash of its content, so that browsers can cache it without end.
CACHE_WITHOUT_END = "public, max-age=31536000, immutable"
DEFAULT_ROWS = 200
# A page of more rows would be too slow. Filters and the JSON API reach all operations.
MAX_ROWS = 5_000
# Seconds between two updates of an open page.
UPDATE_SECONDS = 5
# While a cell waits for its first refresh.
FIRST_UPDATE_SECONDS = 1
# With more than MANY_ROWS rows, because an update is then slow in a browser.
SLOW_UPDATE_SECONDS = 30
MANY_ROWS = 1_000
# Rows of a <tbody>. A browser lays out a whole <tbody> when it becomes visible; smaller ones would cost more.
ROWS_PER_BODY = 50
# Failing cells that the banner names. The table lists all of them.
CELLS_IN_BANNER = 3
# Unknown ids that the table of cells names. The JSON API lists all of them.
IDS_IN_CELL = 10


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, and its path without the leading slash."""

    path: str
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table of operations. ``sort`` is the sort key of its heading."""

    title: str
    sort: Sort
    numeric: bool = False


COLUMNS = (
    Column("Operation", "name"),
    Column("Problem", "severity"),
    Column("Status", "status"),
    Column("Progress", "progress"),
    Column("Succeeded", "succeeded", numeric=True),
    Column("Failed", "failed", numeric=True),
    Column("Kind", "kind"),
    Column("Account", "account"),
    Column("Created", "created"),
    Column("May end", "estimated_end"),
    Column("Read", "read"),
)
SORTS: Mapping[Sort, str] = {
    "": "Severity, then newest",
    **{column.sort: column.title for column in COLUMNS},
    "region": "Region",
    "id": "Id",
}
# The filters that a narrow page folds. They are unfolded while one of them is used.
FOLDED = ("q", "status", "kind", "account", "sort", "order")
DEFAULTS: Mapping[str, object] = {name: field.default for name, field in Query.model_fields.items()}
VIEWS = (("all", "Operations"), ("active", "Active"), ("ended", "Ended"), ("attention", "Need attention"))


def page_routes(status: Status, metrics_path: str) -> list[Route]:
    """Return the routes of the page, of its static files and of the runbooks."""
    assets = read_assets()
    environment = _environment(assets)
    page = _Page(status, environment, metrics_path)
    model = narrowed(Query, tuple(kind.name for kind in status.kinds))
    return [
        Route("/", status.handler(model, page.respond, page.refuse)),
        *map(_asset_route, assets.values()),
        *runbook_routes(environment, metrics_path),
        operation_route(status, lambda template, **content: _text(environment, template, content), metrics_path),
    ]


def _text(environment: Environment, template: str, content: Mapping[str, Any]) -> str:
    return environment.get_template(template).render(content)


def read_assets() -> Mapping[str, Asset]:
    """Return the static files of the package by name."""
    packaged = (file for file in files("exporter.web.ui").joinpath("static").iterdir() if file.is_file())
    return {file.name: _asset(file.name, file.read_bytes()) for file in packaged}


def _asset(name: str, body: bytes) -> Asset:
    stem, _, suffix = name.rpartition(".")
    return Asset(f"static/{stem}.{hashlib.sha256(body).hexdigest()[:HASH_DIGITS]}.{suffix}", TYPES[suffix], body)


def _asset_route(asset: Asset) -> Route:
    async def serve(request: Request) -> Response:
        headers = {**DATA_HEADERS, "Content-Type": asset.type, "Cache-Control": CACHE_WITHOUT_END}
        return negotiated_response(request, [asset.body], headers)

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
        max_text_length=MAX_TEXT_LENGTH,
        rows_per_body=ROWS_PER_BODY,
        ids_in_cell=IDS_IN_CELL,
        bar=bar,
        operation_path=operation_path,
        short_name=short_name,
        tone=tone,
    )
    return environment


class _Page:
    """Renders the page. Its links are relative, so that it works behind a proxy with a path prefix."""

    def __init__(self, status: Status, environment: Environment, metrics_path: str) -> None:
        self._status = status
        self._environment = environment
        self._links = page_links(ROOT, metrics_path)

    def refuse(self, request: Request, error: QueryError) -> Response:
        """Return a page with the problems of invalid parameters."""
        return self._render(request, "invalid.html", 400, problems=error.problems)

    def respond(self, request: Request, query: Query) -> Response:
        """Return the page."""
        return self._render(request, "status.html", 200, **self._content(query))

    def _render(self, request: Request, template: str, status: int, **content: Any) -> Response:
        template_values = {"root": ROOT, "links": self._links, "pages": self._status.links(), **content}
        text = _text(self._environment, template, template_values)
        return negotiated_response(request, [text.encode()], HTML_HEADERS, status)

    def _content(self, query: Query) -> dict[str, Any]:
        now, overview = self._status.now(), self._status.overview()
        cells = overview.snapshots()
        limited = query.model_copy(update={"limit": _limit(query)})
        operations = overview.operations()
        selection = select_operations(operations, limited)
        failing = [snapshot for snapshot in cells if snapshot.needs_attention]
        listed = [snapshot for snapshot in cells if is_of_filter(snapshot, query)]
        return {
            "query": query,
            "link": lambda **changes: _link(query, changes),
            "selection": selection,
            "has_cells": bool(cells),
            "listed": len(listed),
            "cell_rows": cell_rows(listed, overview.cell, shows_quiet=bool(query.account)),
            "failing": len(failing),
            "first_failing": [overview.cell(snapshot) for snapshot in failing[:CELLS_IN_BANNER]],
            "heading": _heading(selection.attention, len(failing), len(cells)),
            "filtered": any(getattr(query, name) != DEFAULTS[name] for name in FOLDED),
            "pending": sum(snapshot.is_pending for snapshot in incomplete_cells(listed, query)),
            "options": self._options(cells, query),
            "data": page_time(data_time(operations, cells), now),
            "page_time": lambda at: page_time(at, now),
            "max_rows": MAX_ROWS,
            "update_seconds": _update_seconds(len(selection.lines), cells),
        }

    def _options(self, cells: Sequence[Snapshot], query: Query) -> dict[str, dict[str, str]]:
        """Return the titles of each filter's values: those of the watched cells, and those of the query."""
        watched = {snapshot.key.kind for snapshot in cells}
        kinds = [kind for kind in self._status.kinds if kind.name in watched or kind.name == query.kind]
        statuses = {status for kind in kinds for status in kind.statuses}
        options = {
            "status": _same_titles([*sorted(statuses, key=str.casefold), UNKNOWN, query.status]),
            "kind": {kind.name: kind.title for kind in kinds},
            "account": _same_titles([*(snapshot.key.account for snapshot in cells), query.account]),
        }
        return {name: {"": "Any", **titles} for name, titles in options.items()}


def _heading(operations: int, failing: int, cells: int) -> str:
    """Return the heading of the banner: how many operations and cells need attention."""
    parts = []
    if operations:
        parts.append(f"{operations:,} {'operation needs' if operations == 1 else 'operations need'} attention")
    if failing:
        parts.append(f"{failing:,} of {cells:,} {'cell' if cells == 1 else 'cells'} cannot be read completely")
    return " and ".join(parts)


def _same_titles(values: Iterable[str]) -> dict[str, str]:
    """Return values that are their own titles. Empty ones are omitted, because they filter nothing."""
    return {value: value for value in values if value}


def _limit(query: Query) -> int:
    if "limit" not in query.model_fields_set:
        return DEFAULT_ROWS
    return min(query.limit or MAX_ROWS, MAX_ROWS)


def _update_seconds(rows: int, cells: Iterable[Snapshot]) -> int:
    if rows > MANY_ROWS:
        return SLOW_UPDATE_SECONDS
    return FIRST_UPDATE_SECONDS if any(snapshot.is_waiting for snapshot in cells) else UPDATE_SECONDS


def _link(query: Query, changes: Mapping[str, object]) -> str:
    """Return the address of the page with some parameters changed. Defaults are omitted."""
    parameters = {name: value for name, value in query.model_copy(update=changes) if value != DEFAULTS[name]}
    return f"?{urlencode(parameters)}"
