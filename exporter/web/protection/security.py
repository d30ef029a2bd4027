"""The checks of each request before the application: size, readiness, rate limit, password. Adds response headers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from threading import Event

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.core.clock import Clock
from exporter.web.api.problems import error_response
from exporter.web.limits import MAX_HEAD_BYTES, client_address
from exporter.web.protection.auth import BasicAuth
from exporter.web.protection.config_file import RateLimit, WebConfig
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.target import with_origin_form
from exporter.web.waiting import cancelled_on_disconnect

HeaderPairs = Sequence[tuple[bytes, bytes]]

READY = "/-/ready"
# Paths without password and rate limit, below the prefix of all paths. A probe has no password, and kills a container
# that does not respond.
HEALTH = ("/-/healthy", READY)
# h11 accepts every version number.
HTTP_VERSIONS = ("1.0", "1.1")
# Bytes of a header besides its name and its value. A head of many empty headers is long too.
HEADER_OVERHEAD = len(": \r\n")
# Sent if the rest of a request is not read, so that no other request can follow on the connection.
CLOSE = {"Connection": "close"}
# Defaults for responses without these headers.
DEFAULT_HEADERS: HeaderPairs = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


class RateLimiter:
    """A token bucket: it contains ``burst`` tokens at most and gains one per ``interval`` seconds.

    As in Go's ``rate.Limiter``, which exporter-toolkit uses, an interval of 0 or less means no limit, and a burst of 0
    rejects every request.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._limit = RateLimit()
        self._tokens = 0.0
        self._at = monotonic()

    def take_token(self, limit: RateLimit) -> bool:
        """Return whether the next request is within the limit. A changed limit begins with a full bucket."""
        now = self._monotonic()
        if limit != self._limit:
            self._limit, self._tokens, self._at = limit, float(limit.burst), now
        if limit.interval <= 0:
            return True
        self._tokens = min(float(limit.burst), self._tokens + (now - self._at) / limit.interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class _Error:
    """A request that does not reach the application."""

    status: HTTPStatus
    headers: Mapping[str, str] | None = None

    def response(self, scope: Scope, prefix: str) -> Response:
        """Return the response, in JSON for the JSON API. ``prefix`` is that of all paths."""
        return error_response(Request(scope), self.status, f"{self.status.phrase}\n", self.headers, prefix)


def health_paths(prefix: str) -> frozenset[str]:
    """Return the paths without password and rate limit, for the prefix of all paths."""
    return frozenset(prefix + path for path in HEALTH)


def protected_app(
    app: ASGIApp, live: LiveWebConfig, draining: Event, clock: Clock = Clock(), prefix: str = ""
) -> ASGIApp:
    """Return the application behind the checks of the web configuration.

    The head of a request is limited, and a body is rejected, because no route expects one. Once ``draining`` is
    set, /-/ready reports 503. ``prefix`` is that of all paths of the application.
    """
    auth, limiter = BasicAuth(), RateLimiter(clock.monotonic)
    health, ready = health_paths(prefix), prefix + READY

    async def protected(scope: Scope, receive: Receive, send: Send) -> None:
        send = _send_with_headers(send, partial(_replace_headers, DEFAULT_HEADERS))
        config, error, target = live.current(), _head_error(scope), with_origin_form(scope)
        handler, scope = (app, target) if target else (_target_error(scope), scope)
        is_health = scope["path"] in health
        if scope["path"] == ready and draining.is_set():
            error = error or _Error(HTTPStatus.SERVICE_UNAVAILABLE)
        if error is None and not is_health and not limiter.take_token(config.rate_limit):
            error = _Error(HTTPStatus.TOO_MANY_REQUESTS)
        if error is None:
            send = _send_with_headers(send, partial(_replace_headers, new=config.headers))
            error = None if is_health else await _login_error(auth, config, scope)
        handler = error or handler
        respond = handler.response(scope, prefix) if isinstance(handler, _Error) else handler
        await respond(scope, receive, send)

    return protected


def _head_error(scope: Scope) -> _Error | None:
    head = Headers(scope=scope)
    if scope["http_version"] not in HTTP_VERSIONS:
        return _Error(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, CLOSE)
    line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    if line + sum(len(name) + len(value) + HEADER_OVERHEAD for name, value in head.raw) > MAX_HEAD_BYTES:
        return _Error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, CLOSE)
    if head.get("content-length", "0") != "0" or "transfer-encoding" in head:
        return _Error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, CLOSE)
    return None


async def _login_error(auth: BasicAuth, config: WebConfig, scope: Scope) -> _Error | None:
    if not config.users:
        return None
    header, client = Headers(scope=scope).get("authorization", ""), client_address(scope["client"][0])
    if await auth.is_allowed(config.users, header, client, cancelled_on_disconnect(scope)):
        return None
    return _Error(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Basic"})


def _target_error(scope: Scope) -> _Error:
    # The targets of CONNECT and OPTIONS have forms of their own (RFC 9112, section 3.2). No route has these methods.
    if scope["method"] in ("CONNECT", "OPTIONS"):
        return _Error(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
    return _Error(HTTPStatus.BAD_REQUEST)


def _send_with_headers(send: Send, change: Callable[[HeaderPairs], HeaderPairs]) -> Send:
    """Return a ``send`` that changes the headers of the response."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": change(message.get("headers", ()))}
        await send(message)

    return send_with_headers


def _replace_headers(headers: HeaderPairs, new: HeaderPairs) -> HeaderPairs:
    """Return the headers and the new ones. A new header replaces those of the same name."""
    names = {name.lower() for name, _ in new}
    return [*((name, value) for name, value in headers if name.lower() not in names), *new]
