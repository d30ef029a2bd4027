"""The end: what is in flight is answered, who waits for nothing is not waited for, and a second word is the last."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from exporter.web.listener.connections import Limits
from tests.support.certificates import server_files
from tests.support.http_edge import NEVER, Edge, edge, pages, rest_of
from tests.support.passwords import ALICE, BASIC

PATIENT = Limits(handshake=NEVER, head=NEVER, write=NEVER, idle=int(NEVER), close=NEVER, grace=NEVER)
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
SOON = 0.05


class Slow:
    """The usual pages, of which the metrics are answered when the test says so."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self._answer = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/metrics":
            self._loop = asyncio.get_running_loop()
            self.asked.set()
            await self._answer.wait()
        await pages()(scope, receive, send)

    def answer(self) -> None:
        """Let the metrics be answered."""
        assert self._loop
        self._loop.call_soon_threadsafe(self._answer.set)


@contextmanager
def answering(limits: Limits = PATIENT) -> Iterator[tuple[Edge, Slow, socket.socket]]:
    """Serve with a request in flight; give the server, its application and the request's connection."""
    app = Slow()
    with edge(app=app, limits=limits) as server:
        connection = server.connect(REQUEST)
        assert app.asked.wait(60)
        yield server, app, connection


def has_ended(server: Edge) -> bool:
    """Wait for a server's end; tell whether it came."""
    server.thread.join(60)
    return not server.thread.is_alive()


def test_what_is_in_flight_is_answered_and_meanwhile_others_are_told_to_go_elsewhere() -> None:
    with answering() as (server, app, connection):
        assert server.get("/-/ready").status_code == 200
        server.stop()
        assert text_when(server, "/-/ready", 503) == "Service Unavailable\n"
        assert server.get("/-/healthy").status_code == 200
        app.answer()
        assert rest_of(connection).endswith(b"up 1\n")
        assert has_ended(server)
        with pytest.raises(httpx.ConnectError):
            server.get("/-/ready")


def text_when(server: Edge, path: str, status: int) -> str:
    """Ask until the status is this one; return the text."""
    while (answer := server.get(path)).status_code != status:
        """The other thread has not heard of the stop."""
    return answer.text


def test_a_second_signal_ends_at_once() -> None:
    with answering() as (server, _, connection):
        server.stop()
        server.stop()
        assert has_ended(server)
        assert b"200" not in rest_of(connection)


def test_what_takes_longer_than_the_grace_is_cut() -> None:
    with answering(replace(PATIENT, grace=SOON)) as (server, _, connection):
        server.stop()
        assert has_ended(server)
        assert b"200" not in rest_of(connection)


@pytest.mark.parametrize("sent", [b"", b"GET /metrics HTTP/1.1\r\nHost:", REQUEST], ids=["silent", "slow", "idle"])
def test_nobody_is_waited_for_who_asks_for_nothing(sent: bytes) -> None:
    with edge(limits=PATIENT) as server:
        connection = server.connect(sent)
        assert server.get().status_code == 200
        server.stop()
        assert has_ended(server)
        assert rest_of(connection).endswith(b"up 1\n" if sent == REQUEST else b"")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A web configuration with TLS and a user, and a client that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = server_files(folder)
    config = folder / "web.yaml"
    pair = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
    config.write_text(f"{pair}basic_auth_users: {{alice: {ALICE}}}\n")
    return config, authority.client()


def test_nobody_is_waited_for_in_a_handshake_or_who_keeps_tls_open(tls: tuple[Path, ssl.SSLContext]) -> None:
    config, client = tls
    with edge(config, limits=replace(PATIENT, close=SOON)) as server:
        silent = server.connect()
        kept = client.wrap_socket(server.connect(), server_hostname="localhost")
        with kept:
            kept.sendall(REQUEST)
            assert kept.recv(15) == b"HTTP/1.1 401 Un"
            server.stop()
            assert has_ended(server)
        assert rest_of(silent) == b""


def test_a_long_answer_that_is_being_read_is_read_to_its_end() -> None:
    text = "x" * 20_000_000 + "\n"
    with edge(app=pages(text), limits=PATIENT) as server, ThreadPoolExecutor(1) as reader:
        connection = server.connect(REQUEST)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        server.stop()
        assert reader.submit(rest_of, connection).result().endswith(text.encode())
        assert has_ended(server)


def test_a_handshake_is_ended_while_another_client_still_reads(tls: tuple[Path, ssl.SSLContext]) -> None:
    config, client = tls
    text = "x" * 20_000_000 + "\n"
    with edge(config, app=pages(text), limits=replace(PATIENT, close=SOON)) as server:
        silent = server.connect()
        with client.wrap_socket(server.connect(), server_hostname="localhost") as reading:
            reading.sendall(REQUEST.replace(b"Host", b"Authorization: " + BASIC["alice"].encode() + b"\r\nHost"))
            assert reading.recv(15) == b"HTTP/1.1 200 OK"
            server.stop()
            assert rest_of(silent) == b""
            assert rest_of(reading).endswith(text.encode())
        assert has_ended(server)
