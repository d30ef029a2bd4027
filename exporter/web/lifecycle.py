"""/-/reload and /config: read the configuration again, and show the one that holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.core.errors import ConfigError
from exporter.web import responses

OWN_SITES = ("same-origin", "none")
"""What a browser says of a request that no other site made."""


def lifecycle_routes(reload: Callable[[], Awaitable[None]], shown: Callable[[], str]) -> list[Route]:
    """Return both routes; ``reload`` raises ConfigError, ``shown`` gives the configuration without secrets."""

    async def post_reload(request: Request) -> Response:
        if _is_foreign(request):
            return responses.lines(["requests of other sites are refused"], 403)
        try:
            await reload()
        except ConfigError as error:
            return responses.lines(error.problems, 500)
        return responses.lines(["reloaded"])

    async def get_config(request: Request) -> Response:
        return PlainTextResponse(await run_in_threadpool(shown), headers=responses.DATA)

    return [Route("/-/reload", post_reload, methods=["POST"]), Route("/config", get_config)]


def _is_foreign(request: Request) -> bool:
    """Tell whether a browser sends this for another site's page; what is no browser names no site."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in OWN_SITES
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("Host")
