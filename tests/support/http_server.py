"""Serves any application with the exporter's own HTTP server: a web configuration, limits and a clock."""

import asyncio
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from exporter.core.clock import Clock
from exporter.core.log import new_log
from exporter.web.limits import Limits
from exporter.web.listener.server import Address, ServedApp, Server, listen
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.security import protected_app
from tests.support import http_requests
from tests.support.http_requests import NO_AUTHORITY
from tests.support.waiting import TIMEOUT_SECONDS

NEVER = 3600.0
# No test reaches these deadlines, so that only the limit under test ends a connection.
NO_LIMITS = Limits(handshake=NEVER, head=NEVER, write=NEVER, idle=int(NEVER), grace=NEVER)
# What Linux keeps of a response that a client does not read. With the default, 4 MB, only a long response would wait.
SENT_BUFFER_BYTES = 65_536
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"


def stub_app(metrics: str = "up 1\n", prefix: str = "") -> Starlette:
    """Return an application with the paths of every exporter, below a prefix."""

    async def page(request: Request) -> Response:
        return PlainTextResponse(metrics if request.url.path == f"{prefix}/metrics" else "fine\n")

    return Starlette(routes=[Route(prefix + path, page) for path in ("/metrics", "/-/healthy", "/-/ready")])


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A running server. ``stop`` does what SIGTERM does."""

    url: str
    port: int
    log: io.StringIO
    stop: Callable[[], None]
    thread: threading.Thread
    opened: list[socket.socket] = field(default_factory=list)

    def get(self, path: str = "/metrics", context: ssl.SSLContext | bool = NO_AUTHORITY, **more: str) -> httpx.Response:
        """Return the response of a path on a new connection. ``more`` are headers, with _ for -."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        return http_requests.get(self.url + path, verify=context, headers=headers)

    def status(self, context: ssl.SSLContext | bool = NO_AUTHORITY, **headers: str) -> int | None:
        """Return the status of /metrics on a new connection, or None if the server refuses the connection."""
        try:
            return self.get(context=context, **headers).status_code
        except httpx.TransportError:
            return None

    def connect(self, sent: bytes = b"") -> socket.socket:
        """Return a new connection on which ``sent`` was sent. It closes with the server."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS)
        self.opened.append(connection)
        connection.sendall(sent)
        return connection


@contextmanager
def run_server(
    config: Path | None = None,
    app: ASGIApp | None = None,
    limits: Limits = Limits(),
    clock: Clock = Clock(),
    prefix: str = "",
) -> Iterator[HttpServer]:
    """Serve an application on a free port with the exporter's HTTP server while the block runs."""
    log, draining = io.StringIO(), threading.Event()
    live = LiveWebConfig(config, new_log(stream=log))
    protected = protected_app(app or stub_app(prefix=prefix), live, draining, clock, prefix)
    listener = listen(Address("127.0.0.1", 0))
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_BUFFER_BYTES)
    site = ServedApp(protected, listener, live.tls, prefix)
    server, loop = Server([site], draining.set, limits), asyncio.new_event_loop()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.run())

    def stop() -> None:
        if thread.is_alive():
            loop.call_soon_threadsafe(server.stop)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    served = HttpServer(site.url, site.listener.getsockname()[1], log, stop, thread)
    try:
        yield served
    finally:
        stop()
        stop()
        thread.join(TIMEOUT_SECONDS)
        for connection in served.opened:
            connection.close()


@contextmanager
def run_tls_server(folder: Path, limits: Limits = Limits(), /, **settings: object) -> Iterator[HttpServer]:
    """Serve over TLS with the folder's certificate and more settings of ``tls_server_config``."""
    file = folder / "web.yaml"
    pair = {"cert_file": "server.pem", "key_file": "server.key"}
    file.write_text(yaml.safe_dump({"tls_server_config": {**pair, **settings}}))
    with run_server(file, limits=limits) as server:
        yield server


def read_to_end(connection: socket.socket) -> bytes:
    """Return what the server sends until it closes the connection."""
    parts = []
    with suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)
