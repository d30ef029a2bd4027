"""However clients hold their connections, health checks and an honest scraper get their responses."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.collector.probe import Prober
from exporter.core.errors import QueryError
from exporter.core.store import Store
from exporter.metrics.eta import Estimates
from exporter.metrics.exposition import Exposition
from exporter.metrics.summary import Overview
from exporter.web.api.query import Filter
from exporter.web.context import Status
from exporter.web.limits import client_address
from exporter.web.metrics import Metrics
from exporter.web.probe import probe_routes
from exporter.web.protection import security
from exporter.web.protection.auth import BasicAuth
from exporter.web.routes import application
from tests.support.certificates import ALICE, BASIC, Authority, basic
from tests.support.http_server import NO_LIMITS, REQUEST, HttpServer, read_to_end, run_server, run_tls_server, stub_app
from tests.support.status_page import do_nothing
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

PLACES = 16
LIMITS = replace(NO_LIMITS, connections=PLACES, connections_per_address=12, health_connections=2)
CROWD = 40
SAME, ANOTHER = "127.0.0.1", "127.0.0.2"
LOGIN = f"Authorization: {BASIC['alice']}\r\n"
GOS_RESPONSE = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


def request(path: str, headers: str = LOGIN, method: str = "GET") -> bytes:
    """Return a request, with the password unless other headers are given."""
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


SCRAPE = request("/metrics", f"{LOGIN}X-Prometheus-Scrape-Timeout-Seconds: 1000000\r\n")
# A scraper whose time-out has no rest in which it could wait for a refresh.
HONEST = request("/metrics", f"{LOGIN}X-Prometheus-Scrape-Timeout-Seconds: 0.5\r\nConnection: close\r\n")
HEALTH = tuple(request(path, "Connection: close\r\n") for path in ("/-/healthy", "/-/ready"))


class Busy:
    """The routes of an exporter that keep all their clients waiting until ``resume`` is called."""

    def __init__(self) -> None:
        self.waiting = 0
        # Each is waited for by another kind of client: a refresh by a task, a check of a password by a thread.
        self._refreshed, self._checked = asyncio.Event(), threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        probe = SimpleNamespace(target=lambda *parts: None, probe=lambda cell, wait: self.refresh(wait))
        prober = cast(Prober, probe)
        more = [*probe_routes(lambda: prober), Route("/long", self._long)]
        overview = Overview([], Store([]), Estimates(), lambda: 0.0)
        slow, waiting = (
            Status(kinds=[], overview=lambda: overview, refresh=refresh, start_due=do_nothing, now=lambda: 0.0)
            for refresh in (self._note, self.refresh)
        )
        more.append(Route("/page", slow.handler(Filter, self._page, self._refuse)))
        more.append(Route("/waiting-page", waiting.handler(Filter, self._page, self._refuse)))
        self.app: ASGIApp = application(self.refresh, "/metrics", more)

    async def refresh(self, max_wait: object) -> Any:
        """Return no metrics, at once if the client does not wait."""
        self.waiting += 1
        self._loop = asyncio.get_running_loop()
        try:
            if max_wait != 0.0:
                await self._refreshed.wait()
        finally:
            self.waiting -= 1
        return Metrics(Store([]), Exposition({}), CollectorRegistry())

    def check_password(self, password: bytes, hashed: bytes) -> bool:
        """Return whether a password is right. A wrong one waits."""
        self.waiting += 1
        is_right = password == b"wonderland" or not self._checked.wait(TIMEOUT_SECONDS)
        self.waiting -= 1
        return is_right

    def resume(self) -> None:
        """Let all clients continue."""
        self._checked.set()
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._refreshed.set)

    async def _note(self, is_needed: object) -> None:
        """Find all data fresh."""

    def _refuse(self, request: Request, error: QueryError) -> Response:
        return PlainTextResponse(str(error), 400)

    def _page(self, request: Request, query: Filter) -> Response:
        self._checked.wait(TIMEOUT_SECONDS)
        return PlainTextResponse("page")

    async def _long(self, request: Request) -> Response:
        return PlainTextResponse("x" * 1_000_000)


@contextmanager
def busy_server(config: Path | None) -> Iterator[tuple[HttpServer, Busy]]:
    """Serve the routes that keep their clients waiting."""
    busy = Busy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(security, "BasicAuth", partial(BasicAuth, busy.check_password))
        try:
            with run_server(config, busy.app, LIMITS) as server:
                yield server, busy
        finally:
            busy.resume()


def connect(server: HttpServer, sent: bytes, source: str = SAME) -> socket.socket:
    """Return a connection from an address, on which data was sent."""
    address = ("127.0.0.1", server.port)
    connection = socket.create_connection(address, timeout=TIMEOUT_SECONDS, source_address=(source, 0))
    server.opened.append(connection)
    connection.sendall(sent)
    return connection


def get(server: HttpServer, sent: bytes, source: str, context: ssl.SSLContext | None = None) -> bytes:
    """Return the first line of the response to a request on a new connection."""
    connection = connect(server, b"", source)
    if context:
        connection = context.wrap_socket(connection, server_hostname="localhost")
        server.opened.append(connection)
    connection.sendall(sent)
    return read_to_end(connection).partition(b"\r\n")[0]


# What each client of a crowd sends. Every password is another one, so that each is checked.
CROWDS: Mapping[str, Callable[[int], bytes]] = {
    "silent": lambda number: b"",
    "slow head": lambda number: b"GET /metrics HTTP/1.1\r\nHost:",
    "idle": lambda number: HEALTH[0].replace(b"Connection: close\r\n", b""),
    "waiting scrape": lambda number: SCRAPE,
    "pipelined scrapes": lambda number: SCRAPE * 10,
    "pipelined health checks": lambda number: HEALTH[0].replace(b"Connection: close\r\n", b"") * 200,
    "probe": lambda number: request(f"/probe?kind=iot_job&id={number}"),
    "slow page": lambda number: request("/page"),
    "waiting page": lambda number: request("/waiting-page"),
    "slow reader": lambda number: request("/long"),
    "slow reader that pipelines": lambda number: request("/long") * 10,
    "password": lambda number: request("/metrics", f"Authorization: {basic('alice', str(number))}\r\n"),
    "TLS handshake": lambda number: b"\x16\x03\x01",
}


@pytest.fixture(params=["plain", "tls"])
def stage(
    request: pytest.FixtureRequest, folder: Path, authority: Authority
) -> Iterator[tuple[HttpServer, Busy, ssl.SSLContext | None]]:
    """A server with a password whose clients wait, with and without TLS, and the TLS of its clients."""
    config = folder / "places.yaml"
    tls = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n" if request.param == "tls" else ""
    config.write_text(f"{tls}basic_auth_users: {{alice: {ALICE}}}\n")
    context = authority.client() if tls else None
    with busy_server(config) as (server, busy):
        # The scraper is known: its login was checked before.
        assert get(server, HONEST, SAME, context) == b"HTTP/1.1 200 OK"
        yield server, busy, context


@pytest.mark.parametrize("half_closed", [False, True], ids=["", "half-closed"])
@pytest.mark.parametrize("name", CROWDS)
def test_no_crowd_keeps_health_checks_or_a_scraper_from_their_responses(
    stage: tuple[HttpServer, Busy, ssl.SSLContext | None],
    name: str,
    half_closed: bool,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server, _, context = stage
    for wave in range(3):
        for number in range(CROWD):
            connection = connect(server, b"")
            if context and name not in ("silent", "TLS handshake"):
                connection = context.wrap_socket(connection, server_hostname="localhost")
                server.opened.append(connection)
            connection.sendall(CROWDS[name](wave * CROWD + number))
            if half_closed:
                connection.shutdown(socket.SHUT_WR)
        for source in (SAME, ANOTHER):
            assert [get(server, sent, source, context) for sent in (*HEALTH, HONEST)] == [b"HTTP/1.1 200 OK"] * 3
    assert not caplog.records


@pytest.mark.parametrize("name", ["waiting scrape", "waiting page", "probe", "password"])
def test_a_request_whose_client_is_gone_waits_no_more(
    stage: tuple[HttpServer, Busy, ssl.SSLContext | None], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    server, busy, context = stage
    for number in range(CROWD):
        with connect(server, b"") as raw:
            connection = context.wrap_socket(raw, server_hostname="localhost") if context else raw
            connection.sendall(CROWDS[name](number))
            connection.close()
    assert get(server, HEALTH[0], SAME, context) == b"HTTP/1.1 200 OK"
    # The check of a password runs in a thread, and only one does.
    running = int(name == "password")
    wait_until(lambda: busy.waiting <= running or None, "the end of all requests")
    busy.resume()
    wait_until(lambda: busy.waiting == 0 or None, "the end of the last one")
    assert not caplog.records


def test_a_crowd_ends_no_connection_of_another_address() -> None:
    with busy_server(None) as (server, busy):
        scrape, idle = connect(server, SCRAPE, ANOTHER), connect(server, b"", ANOTHER)
        wait_until(lambda: busy.waiting or None, "the first scrape")
        for _ in range(CROWD):
            connect(server, SCRAPE)
        assert get(server, HEALTH[0], SAME) == b"HTTP/1.1 200 OK"
        busy.resume()
        assert scrape.recv(15) == b"HTTP/1.1 200 OK"
        idle.sendall(HONEST)
        assert idle.recv(15) == b"HTTP/1.1 200 OK"


def test_of_many_requests_the_one_that_has_waited_longest_ends_and_no_new_connection() -> None:
    with busy_server(None) as (server, busy):
        scrapes = []
        for _ in range(1, LIMITS.connections_per_address):
            scrapes.append(connect(server, SCRAPE))
            wait_until(lambda: busy.waiting == len(scrapes) or None, "a scrape", 0.01)
        silent, last = connect(server, b""), connect(server, SCRAPE)
        assert read_to_end(scrapes.pop(0)) == b""
        wait_until(lambda: busy.waiting == len(scrapes) + 1 or None, "the last scrape")
        busy.resume()
        assert [scrape.recv(15) for scrape in (*scrapes, last)] == [b"HTTP/1.1 200 OK"] * (len(scrapes) + 1)
        silent.sendall(HONEST)
        assert silent.recv(15) == b"HTTP/1.1 200 OK"


def test_a_crowd_that_sends_nothing_ends_no_request() -> None:
    with busy_server(None) as (server, busy):
        scrape = connect(server, SCRAPE)
        wait_until(lambda: busy.waiting or None, "the scrape")
        silent = [connect(server, b"") for _ in range(CROWD)]
        assert read_to_end(silent[0]) == b""
        busy.resume()
        assert scrape.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize("prefix", ["", "/bulk"])
def test_responses_that_are_being_written_stay_and_leave_places_for_health_checks_only(prefix: str) -> None:
    metrics, healthy, ready, honest = (
        sent.replace(b" /", f" {prefix}/".encode(), 1) for sent in (REQUEST, *HEALTH, HONEST)
    )
    started, resume = threading.Semaphore(0), threading.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] != f"{prefix}/metrics" or resume.is_set():
            await stub_app(prefix=prefix)(scope, receive, send)
        else:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            started.release()
            await asyncio.to_thread(resume.wait, TIMEOUT_SECONDS)
            await send({"type": "http.response.body", "body": b"up 1\n"})

    limits = replace(LIMITS, connections_per_address=PLACES)
    with run_server(app=endless, limits=limits, prefix=prefix) as server:
        writing = [connect(server, metrics) for _ in range(PLACES)]
        assert all(started.acquire(timeout=TIMEOUT_SECONDS) for _ in writing)
        for source in (SAME, ANOTHER):
            silent = [connect(server, b"", source) for _ in range(CROWD)]
            assert [get(server, sent, source) for sent in (healthy, ready)] == [b"HTTP/1.1 200 OK"] * 2
            assert get(server, honest, source) == b"HTTP/1.1 503 Service Unavailable"
            assert read_to_end(silent[0]) == b""
        late = connect(server, b"", ANOTHER)
        resume.set()
        for connection in writing:
            # The status line was sent before the pause. Only the body shows that the response is complete.
            with connection.makefile("rb") as response:
                assert b"up 1\n" in iter(response.readline, b"")
        late.sendall(metrics)
        assert late.recv(15) == b"HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("host", "neighbour", "is_same"),
    [
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("::1", "127.0.0.1", False),
    ],
)
def test_an_address_is_a_host_of_ipv4_or_a_network_of_ipv6(host: str, neighbour: str, is_same: bool) -> None:
    assert (client_address(host) == client_address(neighbour)) == is_same


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("sent", [REQUEST, b"PO", request("/", "X: " + "x" * 8000 + "\r\n")])
def test_plain_http_on_a_tls_port_gets_a_response(folder: Path, sent: bytes) -> None:
    with run_tls_server(folder, NO_LIMITS) as server:
        assert read_to_end(server.connect(sent)) == GOS_RESPONSE
