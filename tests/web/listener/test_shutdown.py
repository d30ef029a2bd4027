"""Shutdown: requests in flight get their response, idle clients are not waited for, a second signal ends the drain."""

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from exporter.web.limits import Limits
from tests.support.certificates import ALICE, BASIC, Authority
from tests.support.http_server import NO_LIMITS, REQUEST, HttpServer, read_to_end, run_server, stub_app
from tests.support.waiting import TIMEOUT_SECONDS

SOON = 0.05
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"


class Slow:
    """An application whose metrics respond when the test calls ``respond``."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.requested = threading.Event()
        self._respond = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == f"{self._prefix}/metrics":
            self._loop = asyncio.get_running_loop()
            self.requested.set()
            await self._respond.wait()
        await stub_app(prefix=self._prefix)(scope, receive, send)

    def respond(self) -> None:
        """Send the response to the request of the metrics."""
        assert self._loop
        self._loop.call_soon_threadsafe(self._respond.set)


@contextmanager
def request_in_flight(limits: Limits = NO_LIMITS, prefix: str = "") -> Iterator[tuple[HttpServer, Slow, socket.socket]]:
    """Serve with a request in flight. Yield the server, its application and the connection of the request."""
    app = Slow(prefix)
    with run_server(app=app, limits=limits, prefix=prefix) as server:
        connection = server.connect(REQUEST.replace(b"/metrics", f"{prefix}/metrics".encode()))
        assert app.requested.wait(60)
        yield server, app, connection


def has_ended(server: HttpServer) -> bool:
    """Wait until a server has ended. Return False if it does not end."""
    server.thread.join(TIMEOUT_SECONDS)
    return not server.thread.is_alive()


@pytest.mark.parametrize("prefix", ["", "/bulk"])
def test_a_request_in_flight_gets_its_response_and_readiness_is_503_until_then(prefix: str) -> None:
    with request_in_flight(prefix=prefix) as (server, app, connection):
        assert server.get("/-/ready").status_code == 200
        server.stop()
        while (response := server.get("/-/ready")).status_code == 200:
            continue
        assert (response.status_code, response.text) == (503, "Service Unavailable\n")
        assert server.get("/-/healthy").status_code == 200
        app.respond()
        assert read_to_end(connection).endswith(b"up 1\n")
        assert has_ended(server)
        with pytest.raises(httpx.ConnectError):
            server.get("/-/ready")


@pytest.mark.parametrize(("signals", "grace"), [(2, NO_LIMITS.grace), (1, SOON)], ids=["signal", "grace period"])
def test_a_second_signal_and_the_grace_period_end_the_drain(signals: int, grace: float) -> None:
    with request_in_flight(replace(NO_LIMITS, grace=grace)) as (server, _, connection):
        for _ in range(signals):
            server.stop()
        assert has_ended(server)
        assert b"200" not in read_to_end(connection)


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost:", REQUEST], ids=["silent", "slow", "idle"])
def test_the_drain_does_not_wait_for_clients_without_a_request(sent: bytes) -> None:
    with run_server(limits=NO_LIMITS) as server:
        connection = server.connect(sent)
        assert server.get().status_code == 200
        server.stop()
        assert has_ended(server)
        assert read_to_end(connection).endswith(b"up 1\n" if sent == REQUEST else b"")


@pytest.fixture
def config(folder: Path, authority: Authority) -> Path:
    """A web configuration with TLS and a user."""
    path = folder / "web.yaml"
    path.write_text(f"{TLS}basic_auth_users: {{alice: {ALICE}}}\n")
    return path


def test_the_drain_does_not_wait_for_a_handshake_or_an_open_tls_connection(config: Path, authority: Authority) -> None:
    with run_server(config, limits=replace(NO_LIMITS, close=SOON)) as server:
        silent = server.connect()
        with authority.client().wrap_socket(server.connect(), server_hostname="localhost") as kept:
            kept.sendall(REQUEST)
            assert kept.recv(15) == b"HTTP/1.1 401 Un"
            server.stop()
            assert has_ended(server)
        assert read_to_end(silent) == b""


def test_the_drain_waits_until_a_long_response_is_read() -> None:
    text = "x" * 2_000_000 + "\n"
    with run_server(app=stub_app(text), limits=NO_LIMITS) as server, ThreadPoolExecutor(1) as reader:
        connection = server.connect(REQUEST)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        server.stop()
        assert reader.submit(read_to_end, connection).result().endswith(text.encode())
        assert has_ended(server)


def test_a_handshake_ends_while_another_client_reads(config: Path, authority: Authority) -> None:
    text = "x" * 2_000_000 + "\n"
    # Enough for the client that reads, also on a busy machine.
    with run_server(config, app=stub_app(text), limits=replace(NO_LIMITS, close=1.0)) as server:
        silent = server.connect()
        with authority.client().wrap_socket(server.connect(), server_hostname="localhost") as reading:
            reading.sendall(REQUEST.replace(b"Host", b"Authorization: " + BASIC["alice"].encode() + b"\r\nHost"))
            assert reading.recv(15) == b"HTTP/1.1 200 OK"
            server.stop()
            assert read_to_end(silent) == b""
            assert read_to_end(reading).endswith(text.encode())
        assert has_ended(server)


def test_a_second_signal_closes_a_tls_connection_that_is_closing_already(config: Path, authority: Authority) -> None:
    with run_server(config, limits=replace(NO_LIMITS, close=NO_LIMITS.grace)) as server:
        context = authority.client()
        closing, kept = (context.wrap_socket(server.connect(), server_hostname="localhost") for _ in range(2))
        server.opened.extend((closing, kept))
        closing.sendall(REQUEST.replace(b"Host", b"Connection: close\r\nHost"))
        assert b"401" in read_to_end(closing)
        server.stop()
        # The drain has closed all connections, and waits for clients to close theirs.
        assert read_to_end(kept) == b""
        server.stop()
        assert has_ended(server)
        # Python warns of each connection that is still open, and warnings are errors.
        gc.collect()
