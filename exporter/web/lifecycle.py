"""/-/reload and /config: load the configuration again, and show the current one."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.core.errors import ConfigError
from exporter.web.responses import DATA_HEADERS, text_response
from exporter.web.waiting import in_turn

# The values of Sec-Fetch-Site that a browser sends if no page of another site caused the request.
OWN_SITES = ("same-origin", "none")


def lifecycle_routes(reload: Callable[[], Awaitable[None]], shown: Callable[[], str]) -> list[Route]:
    """Return both routes. ``reload`` raises ConfigError, ``shown`` returns the configuration without secrets."""

    async def post_reload(request: Request) -> Response:
        if _is_foreign(request):
            return text_response(["requests from pages of other sites are not allowed"], 403)
        try:
            await reload()
        except ConfigError as error:
            return text_response(error.lines, 500)
        return text_response(["reloaded"])

    def get_config(request: Request) -> Response:
        return PlainTextResponse(shown(), headers=DATA_HEADERS)

    return [Route("/-/reload", post_reload, methods=["POST"]), Route("/config", in_turn(get_config))]


def _is_foreign(request: Request) -> bool:
    """Return whether a page of another site made a browser send the request. Other clients name no site."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in OWN_SITES
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2] != request.headers.get("Host")
