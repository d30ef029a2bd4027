"""Slow, silent and numerous clients cannot stop a scrape."""

import os
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from exporter.web.responses import negotiated_response
from tests.support.certificates import Authority
from tests.support.http_server import NO_LIMITS, REQUEST, HttpServer, read_to_end, run_server, run_tls_server, stub_app

MANY = 500
SLOW = b"GET /metrics HTTP/1.1\r\nHost:"
SOON = 0.05
# Larger than all buffers.
LONG = "x" * 1_000_000 + "\n"
CLOSE = b"Connection: close\r\nHost"


@contextmanager
def crowd(server: HttpServer, sent: bytes) -> Iterator[list[socket.socket]]:
    """Open many connections that send the same data and then nothing more."""
    with ExitStack() as stack:
        yield [stack.enter_context(server.connect(sent)) for _ in range(MANY)]


def gets_metrics(connection: socket.socket) -> bool:
    """Read one response. Return whether it contains the metrics."""
    response = b""
    while not response.endswith(b"up 1\n"):
        part = connection.recv(65536)
        if not part:
            return False
        response += part
    return response.startswith(b"HTTP/1.1 200")


def send_slowly(connection: socket.socket) -> None:
    """Send single bytes, more often than any deadline."""
    while True:
        connection.sendall(b"x")
        with suppress(TimeoutError):
            assert connection.recv(1) == b""
            raise ConnectionResetError


@pytest.mark.parametrize("limit", [64, 2 * MANY])
@pytest.mark.parametrize("sent", [b"", SLOW, REQUEST], ids=["silent", "slow head", "idle after a response"])
def test_a_crowd_does_not_stop_a_scrape(sent: bytes, limit: int) -> None:
    with run_server(limits=replace(NO_LIMITS, connections=limit)) as server, crowd(server, sent):
        assert [server.status() for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize("limit", [64, 2 * MANY])
@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01"], ids=["silent", "slow handshake"])
def test_a_crowd_before_its_handshake_does_not_stop_a_scrape(
    folder: Path, authority: Authority, sent: bytes, limit: int
) -> None:
    with run_tls_server(folder, replace(NO_LIMITS, connections=limit)) as server, crowd(server, sent):
        assert [server.status(authority.client()) for _ in range(3)] == [200, 200, 200]


async def long_in_parts(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with the text of ``stub_app(LONG)``, in parts."""
    await negotiated_response(Request(scope), [LONG[:-1].encode(), b"\n"], {})(scope, receive, send)


@pytest.mark.parametrize("more", [b"", REQUEST, b"no HTTP\r\n\r\n"], ids=["nothing", "another request", "no HTTP"])
@pytest.mark.parametrize("app", [stub_app(LONG), long_in_parts], ids=["whole", "in parts"])
def test_a_crowd_that_does_not_read_its_responses_does_not_stop_a_scrape(app: ASGIApp, more: bytes) -> None:
    with run_server(app=app, limits=replace(NO_LIMITS, connections=16)) as server:
        for _ in range(64):
            connection = server.connect(REQUEST)
            assert connection.recv(15) == b"HTTP/1.1 200 OK"
            connection.sendall(more)
        assert server.get().text == LONG


def test_the_connection_that_has_waited_longest_is_evicted_first() -> None:
    with run_server(limits=replace(NO_LIMITS, connections=2)) as server:
        first, second = server.connect(SLOW), server.connect(REQUEST)
        assert gets_metrics(second)
        first.sendall(b" x\r\n\r\n")
        assert gets_metrics(first)
        third = server.connect(REQUEST)
        assert gets_metrics(third)
        assert read_to_end(second) == b""
        first.sendall(REQUEST)
        assert gets_metrics(first)


@pytest.mark.parametrize("sent", [b"", SLOW, REQUEST + SLOW], ids=["none", "slow", "slow after another"])
def test_a_head_has_a_deadline(sent: bytes) -> None:
    with run_server(limits=replace(NO_LIMITS, head=SOON)) as server:
        assert read_to_end(server.connect(sent)).count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


def test_the_deadline_of_a_head_counts_from_its_first_byte() -> None:
    with run_server(limits=replace(NO_LIMITS, head=SOON)) as server:
        connection = server.connect(SLOW)
        connection.settimeout(SOON / 10)
        with pytest.raises(ConnectionError):
            send_slowly(connection)


def test_the_deadline_of_a_head_does_not_end_a_kept_connection() -> None:
    with run_server(limits=replace(NO_LIMITS, head=SOON)) as server:
        kept = server.connect(REQUEST)
        assert gets_metrics(kept)
        # The deadline has ended a connection that began later.
        assert read_to_end(server.connect()) == b""
        kept.sendall(REQUEST)
        assert gets_metrics(kept)


@pytest.mark.usefixtures("authority")
def test_a_handshake_has_a_deadline(folder: Path) -> None:
    with run_tls_server(folder, replace(NO_LIMITS, handshake=SOON)) as server:
        assert read_to_end(server.connect()) == b""


def test_an_idle_connection_ends() -> None:
    with run_server(limits=replace(NO_LIMITS, idle=0)) as server:
        assert read_to_end(server.connect(REQUEST)).startswith(b"HTTP/1.1 200")


def test_a_client_that_does_not_read_has_a_deadline() -> None:
    with run_server(app=stub_app("x" * 2_000_000), limits=replace(NO_LIMITS, write=SOON)) as server:
        connection = server.connect(REQUEST)
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
        # The drain waits for clients that read.
        server.stop()
        server.thread.join(60)
        assert not server.thread.is_alive()
        assert len(read_to_end(connection)) < 2_000_000


def test_without_file_descriptors_the_longest_waiting_connection_is_evicted() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with run_server(limits=NO_LIMITS) as server, socket.socket() as client:
        idle, last = server.connect(SLOW), server.connect(REQUEST)
        assert gets_metrics(last)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, before[1]))
        try:
            client.connect(("127.0.0.1", server.port))
            client.sendall(REQUEST)
            assert gets_metrics(client)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert read_to_end(idle) == b""


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
def test_a_request_that_no_route_expects_is_rejected(sent: bytes, status: int | None) -> None:
    with run_server(limits=NO_LIMITS) as server:
        connection = server.connect()
        # The server may reject the request before it is complete.
        with suppress(ConnectionError):
            connection.sendall(sent)
        head = read_to_end(connection).partition(b"\r\n")[0]
        assert head[9:12] in ({b"400", b"431"} if status is None else {str(status).encode()})
        assert server.get().status_code == 200


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_invalid_data_ends_the_request_before_it_and_is_not_logged(
    method: bytes, version: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"%s /metrics HTTP/%s\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" % (method, version)
    with run_server(limits=NO_LIMITS) as server:
        response = read_to_end(server.connect(head + b"no chunk\r\n" + REQUEST))
        assert server.get().status_code == 200
    assert response[9:12] in (b"", b"400", b"413")
    assert not caplog.records


def test_an_empty_body_is_allowed() -> None:
    with run_server() as server:
        assert server.get(content_length="0").status_code == 200


def test_a_head_request_gets_the_same_headers_and_no_body() -> None:
    with run_server() as server:
        get = read_to_end(server.connect(REQUEST.replace(b"Host", CLOSE)))
        head = read_to_end(server.connect(REQUEST.replace(b"GET", b"HEAD").replace(b"Host", CLOSE)))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert [line for line in head.split(b"\r\n") if not line.startswith(b"date")] == [
        line for line in get.partition(b"\r\n\r\n")[0].split(b"\r\n") if not line.startswith(b"date")
    ] + [b"", b""]
