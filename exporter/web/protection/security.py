"""What stands between a client and the application: limits, passwords and headers, by the web configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.core.clock import Clock
from exporter.web.listener.connections import LONGEST_HEAD
from exporter.web.protection.auth import BasicAuth
from exporter.web.protection.config_file import RateLimit, WebConfig
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.rate_limit import RateLimiter

Pairs = Sequence[tuple[bytes, bytes]]
"""Headers: names and values."""

READY = "/-/ready"
HEALTH = ("/-/healthy", READY)
"""Paths that need no password and count for no limit: whoever probes them has none, and kills what does not answer."""
SPOKEN = ("1.0", "1.1")
"""Versions of HTTP; h11 takes any number for one."""
FRAMING = len(": \r\n")
"""Bytes of a header beside its name and its value: many empty ones are a long head too."""
CLOSE = {"Connection": "close"}
"""Said where the rest of a request is not read, so that nothing can follow it on its connection."""
ALWAYS: Pairs = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""What every answer says that says nothing else: no cache keeps it, and no browser takes it for something else."""


class Readiness:
    """Whether the process takes new work."""

    def __init__(self) -> None:
        self.is_ready = True

    def end(self) -> None:
        """Take no new work any more."""
        self.is_ready = False


def secured(app: ASGIApp, live: LiveWebConfig, readiness: Readiness, clock: Clock = Clock()) -> ASGIApp:
    """Return the application behind what the web configuration asks for.

    A request's head is bounded and it has no body, since no route expects one. While the process stops it is not ready.
    """
    auth, limit = BasicAuth(), _Limit(clock)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        send = _with_headers(send, partial(_instead, ALWAYS))
        config, head, is_health = live.current(), Headers(scope=scope), scope["path"] in HEALTH
        refusal = _misshapen(scope, head) or _unready(scope, readiness)
        if refusal is None and not is_health:
            refusal = limit.refusal(config.rate_limit)
        if refusal is None:
            send = _with_headers(send, partial(_instead, newer=config.headers))
            refusal = None if is_health else await _stranger(auth, config, head)
        await (refusal or app)(scope, receive, send)

    return guarded


def _misshapen(scope: Scope, head: Headers) -> Response | None:
    if scope["http_version"] not in SPOKEN:
        return _refusal(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, CLOSE)
    line = len(scope["method"]) + len(scope["raw_path"]) + len(scope["query_string"])
    if line + sum(len(name) + len(value) + FRAMING for name, value in head.raw) > LONGEST_HEAD:
        return _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, CLOSE)
    if head.get("content-length", "0") != "0" or "transfer-encoding" in head:
        return _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, CLOSE)
    return None


def _unready(scope: Scope, readiness: Readiness) -> Response | None:
    if readiness.is_ready or scope["path"] != READY:
        return None
    return _refusal(HTTPStatus.SERVICE_UNAVAILABLE)


async def _stranger(auth: BasicAuth, config: WebConfig, head: Headers) -> Response | None:
    if not config.users or await auth.admits(config.users, head.get("authorization", "")):
        return None
    return _refusal(HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": "Basic"})


def _refusal(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Response:
    return PlainTextResponse(f"{status.phrase}\n", status, headers)


class _Limit:
    """The limiter for the limit that the configuration names now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._set(RateLimit())

    def _set(self, limit: RateLimit) -> None:
        self._named = limit
        self._limiter = RateLimiter(limit.interval, limit.burst, self._clock.monotonic)

    def refusal(self, limit: RateLimit) -> Response | None:
        if limit != self._named:
            self._set(limit)
        return None if self._limiter.allows() else _refusal(HTTPStatus.TOO_MANY_REQUESTS)


def _with_headers(send: Send, change: Callable[[Pairs], Pairs]) -> Send:
    """Let answers carry what becomes of their own headers."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": change(message.get("headers", ()))}
        await send(message)

    return send_with_headers


def _instead(headers: Pairs, newer: Pairs) -> Pairs:
    """Return headers with the newer ones instead of those of the same names."""
    names = {name.lower() for name, _ in newer}
    return [*((name, value) for name, value in headers if name.lower() not in names), *newer]
