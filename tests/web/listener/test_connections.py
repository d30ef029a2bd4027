"""Strangers: slow ones, silent ones, many of them, and what none of them can do to a scrape."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.web import responses
from exporter.web.listener.connections import Limits
from tests.support.certificates import server_files
from tests.support.http_edge import NEVER, Edge, edge, pages, rest_of

MANY = 500
REQUEST = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
SLOW = b"GET /metrics HTTP/1.1\r\nHost:"
PATIENT = Limits(handshake=NEVER, head=NEVER, write=NEVER, idle=int(NEVER), grace=NEVER)
"""Deadlines that no test reaches, so that what ends a connection is what the test is about."""
SOON = 0.05
LONG = "x" * 8_000_000 + "\n"
"""More than all buffers hold."""


@contextmanager
def crowd(edge: Edge, sent: bytes) -> Iterator[list[socket.socket]]:
    """Open many connections that send the same and then nothing more."""
    with ExitStack() as stack:
        yield [stack.enter_context(edge.connect(sent)) for _ in range(MANY)]


def answered(connection: socket.socket) -> bool:
    """Read one answer; tell whether it was the metrics."""
    answer = b""
    while not answer.endswith(b"up 1\n"):
        part = connection.recv(65536)
        if not part:
            return False
        answer += part
    return answer.startswith(b"HTTP/1.1 200")


def drip(connection: socket.socket) -> None:
    """Send a byte again and again, more often than any deadline."""
    while True:
        connection.sendall(b"x")
        with suppress(TimeoutError):
            assert connection.recv(1) == b""
            raise ConnectionResetError


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A web configuration with TLS, and a client that trusts it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = server_files(folder)
    config = folder / "web.yaml"
    config.write_text("tls_server_config: {cert_file: server.pem, key_file: server.key}\n")
    return config, authority.client()


@pytest.mark.parametrize("most", [64, 2 * MANY])
@pytest.mark.parametrize("sent", [b"", SLOW, REQUEST], ids=["silent", "slow head", "idle after an answer"])
def test_a_crowd_does_not_stop_a_scrape(sent: bytes, most: int) -> None:
    with edge(limits=replace(PATIENT, connections=most)) as server, crowd(server, sent):
        assert [server.get().status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("most", [64, 2 * MANY])
@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["silent", "slow handshake"])
def test_a_crowd_before_its_handshake_does_not_stop_a_scrape(
    tls: tuple[Path, ssl.SSLContext], sent: bytes, most: int
) -> None:
    config, client = tls
    with edge(config, limits=replace(PATIENT, connections=most)) as server, crowd(server, sent):
        assert [server.get(context=client).status_code for _ in range(3)] == [200, 200, 200]


async def in_parts(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the same text as ``pages(LONG)``, as it is read."""
    await responses.in_parts(Request(scope), [LONG[:-1].encode(), b"\n"], {})(scope, receive, send)


@pytest.mark.parametrize("more", [b"", REQUEST, b"no HTTP\r\n\r\n"], ids=["nothing", "another request", "no HTTP"])
@pytest.mark.parametrize("app", [pages(LONG), in_parts], ids=["in one", "in parts"])
def test_a_crowd_that_does_not_read_its_answers_does_not_stop_a_scrape(app: ASGIApp, more: bytes) -> None:
    with edge(app=app, limits=replace(PATIENT, connections=16)) as server:
        for _ in range(64):
            connection = server.connect(REQUEST)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            connection.sendall(more)
        assert server.get().text == LONG


def test_who_has_waited_longest_makes_room_and_nobody_else() -> None:
    with edge(limits=replace(PATIENT, connections=2)) as server:
        first, second = server.connect(SLOW), server.connect(REQUEST)
        assert answered(second)
        first.sendall(b" x\r\n\r\n")
        assert answered(first)
        third = server.connect(REQUEST)
        assert answered(third)
        assert rest_of(second) == b""
        first.sendall(REQUEST)
        assert answered(first)


def test_who_is_being_answered_makes_room_for_nobody() -> None:
    busy, go_on = threading.Semaphore(0), threading.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        busy.release()
        await asyncio.to_thread(go_on.wait)
        await pages()(scope, receive, send)

    with edge(app=slow, limits=replace(PATIENT, connections=2)) as server:
        connections = [server.connect(REQUEST.replace(b"Host", b"Connection: close\r\nHost")) for _ in range(2)]
        for _ in connections:
            busy.acquire(timeout=60)
        connections.append(server.connect(REQUEST.replace(b"Host", b"Connection: close\r\nHost")))
        go_on.set()
        assert [rest_of(connection).partition(b"\r\n")[0] for connection in connections] == [b"HTTP/1.1 200 OK"] * 3


@pytest.mark.parametrize("sent", [b"", SLOW, REQUEST + SLOW], ids=["none", "slow", "slow after another"])
def test_a_head_has_a_deadline(sent: bytes) -> None:
    with edge(limits=replace(PATIENT, head=SOON)) as server:
        assert rest_of(server.connect(sent)).count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_a_deadline_counts_from_the_beginning_of_a_head_and_not_from_its_last_byte() -> None:
    with edge(limits=replace(PATIENT, head=SOON)) as server:
        connection = server.connect(SLOW)
        connection.settimeout(SOON / 10)
        with pytest.raises(ConnectionError):
            drip(connection)


def test_a_kept_connection_is_not_bound_by_the_deadline_of_a_head() -> None:
    with edge(limits=replace(PATIENT, head=SOON)) as server:
        kept = server.connect(REQUEST)
        assert answered(kept)
        assert rest_of(server.connect()) == b""  # the deadline is over for whoever comes later
        kept.sendall(REQUEST)
        assert answered(kept)


def test_a_handshake_has_a_deadline(tls: tuple[Path, ssl.SSLContext]) -> None:
    with edge(tls[0], limits=replace(PATIENT, handshake=SOON)) as server:
        assert rest_of(server.connect()) == b""


def test_an_idle_connection_ends(tls: tuple[Path, ssl.SSLContext]) -> None:
    with edge(limits=replace(PATIENT, idle=0)) as server:
        assert rest_of(server.connect(REQUEST)).startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_is_given_up() -> None:
    with edge(app=pages("x" * 50_000_000), limits=replace(PATIENT, write=SOON)) as server:
        connection = server.connect(REQUEST)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        server.stop()  # which waits for whoever reads
        server.thread.join(60)
        assert not server.thread.is_alive()
        assert len(rest_of(connection)) < 50_000_000


def test_without_file_descriptors_who_has_waited_longest_gives_up_its_own() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with edge(limits=PATIENT) as server, socket.socket() as client:
        idle, last = server.connect(SLOW), server.connect(REQUEST)
        assert answered(last)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            client.connect(("127.0.0.1", server.port))
            client.sendall(REQUEST)
            assert answered(client)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert rest_of(idle) == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 413, id="a body"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", 413, id="no body yet"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", 413, id="chunks"),
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", None, id="a header"),
        pytest.param(b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", None, id="a path"),
        pytest.param(b"X: " * 6_000, 400, id="no end"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 TLS\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"GET /metrics HTTP/1.1\r\n\r\n", 400, id="no host"),
    ],
)
def test_what_no_route_expects_is_refused(sent: bytes, status: int | None) -> None:
    with edge(limits=PATIENT) as server:
        connection = server.connect()
        with suppress(ConnectionError):  # it may be refused before all is sent
            connection.sendall(sent)
        head = rest_of(connection).partition(b"\r\n")[0]
        assert head[9:12] in ({b"400", b"431"} if status is None else {str(status).encode()})
        assert server.get().status_code == 200


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_what_is_no_http_ends_the_request_that_it_follows_and_the_log_hears_nothing(
    method: bytes, version: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"%s /metrics HTTP/%s\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % (method, version)
    with edge(limits=PATIENT) as server:
        answered = rest_of(server.connect(head + b"no chunk\r\n" + REQUEST))
        assert server.get().status_code == 200
    assert answered[9:12] in (b"", b"400", b"413")
    assert not caplog.records


def test_an_empty_body_is_none() -> None:
    with edge() as server:
        assert server.get(content_length="0").status_code == 200


def test_a_head_answers_with_the_same_headers_and_no_body() -> None:
    with edge() as server:
        whole = rest_of(server.connect(REQUEST.replace(b"Host", b"Connection: close\r\nHost")))
        head = rest_of(server.connect(REQUEST.replace(b"GET", b"HEAD").replace(b"Host", b"Connection: close\r\nHost")))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert [line for line in head.split(b"\r\n") if not line.startswith(b"date")] == [
        line for line in whole.partition(b"\r\n\r\n")[0].split(b"\r\n") if not line.startswith(b"date")
    ] + [b"", b""]
