"""The data and the request handling that the status page and the JSON API share."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from exporter.collector.failure_reader import FailureReader
from exporter.core.errors import QueryError
from exporter.core.model import Snapshot
from exporter.kinds.kind import Kind
from exporter.metrics.summary import Overview
from exporter.web.api.filtering import is_of_filter
from exporter.web.api.query import FilterT, read_query
from exporter.web.waiting import cancelled_on_disconnect, in_turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Functions of the running exporter, whose configuration may change.

    ``overview`` returns the current lines, ``now`` Unix seconds. If no cell that its argument selects has fresh data,
    ``refresh`` refreshes the cells that are due and waits, at most for the configured deadline. ``start_due`` starts
    the refreshes that are due, and does not wait. ``links`` returns the addresses of further pages by name.
    ``failures`` returns the reader of failed items, None if the configuration does not allow it.
    """

    kinds: Sequence[Kind[Any]]
    overview: Callable[[], Overview]
    refresh: Callable[[Callable[[Snapshot], bool]], Awaitable[object]]
    start_due: Callable[[], Awaitable[object]]
    now: Callable[[], float]
    links: Callable[[], Mapping[str, str | None]] = dict
    failures: Callable[[], FailureReader | None] = lambda: None

    def handler(
        self,
        model: type[FilterT],
        respond: Callable[[Request, FilterT], Response],
        refuse: Callable[[Request, QueryError], Response],
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that responds with the current data, and refreshes what is due.

        It waits for the refresh only if no data for the query is fresh. ``refuse`` responds to an invalid query.
        """
        render = in_turn(respond)

        async def handle(request: Request) -> Response:
            try:
                query = read_query(model, request.query_params.multi_items())
            except QueryError as error:
                return refuse(request, error)
            with cancelled_on_disconnect(request.scope):
                await self.refresh(lambda snapshot: is_of_filter(snapshot, query))
            return await render(request, query)

        return self.before_refresh(handle)

    def before_refresh(
        self, handle: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return a handler that starts the refreshes that are due when the client has the response of ``handle``.

        Hundreds of cells can be due, and their refreshes would compete with the response for the processor.
        """

        async def handle_and_refresh(request: Request) -> Response:
            response = await handle(request)
            response.background = BackgroundTask(self.start_due)
            return response

        return handle_and_refresh
