"""Whatever comes back on the wire, through real sockets, threads and clients: a scrape never fails because of it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.example_counts import tried
from tests.properties.scrape_invariants import judged
from tests.support.exporter_server import ServedExporter, serve_exporter

CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
aws: {max_attempts: 1, connect_timeout: 2s, read_timeout: 2s}
"""
BODY = json.dumps({"taskId": "a", "status": "InProgress", "successCount": 7}).encode()
LINES: tuple[str, ...] = (
    "HTTP/1.1 200 OK",
    "HTTP/1.0 200",
    "HTTP/1.1 500 Oops",
    "HTTP/1.1 100 Continue",
    "HTTP/9.9 999",
    "ICY 200 OK",
    "",
)
LINES += ("HTTP/1.1 204 No Content", "HTTP/1.1 301 Moved", "HTTP/1.1 429 Slow down", "HTTP/1.1 404 Not Found")
FIELDS: tuple[str, ...] = (
    f"Content-Length: {len(BODY)}",
    "Content-Length: 7",
    "Content-Length: 4000",
    "Content-Length: -1",
    "Content-Length: x",
)
FIELDS += (
    "Transfer-Encoding: chunked",
    "Content-Encoding: gzip",
    "Content-Encoding: br",
    "Content-Type: text/html",
    ": ",
    "x",
)
FIELDS += (
    "x-amzn-errortype: ThrottlingException",
    "Connection: keep-alive",
    "Location: http://169.254.169.254/",
    "X: \x00\xff",
)
heads = st.tuples(st.sampled_from(LINES), st.lists(st.sampled_from(FIELDS), max_size=4)).map(
    lambda parts: "\r\n".join((parts[0], *parts[1], "", "")).encode("latin-1")
)
bodies = st.sampled_from([BODY, BODY[:20], b"", b"ffff\r\n" + BODY, b"0\r\n\r\n", b"\x1f\x8b" + BODY]) | st.binary(
    max_size=30
)
replies = st.tuples(heads, bodies).map(b"".join) | st.binary(max_size=60)


@dataclass
class Wire:
    """An endpoint that reads a request, says something and hangs up."""

    said: bytes = b""
    asked: list[bytes] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        """Answer one connection after the other until the listener is closed."""
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), connection:
                    self.asked.append(connection.recv(65536))
                    connection.sendall(self.said)


@pytest.fixture(scope="module")
def wire() -> Wire:
    """What the endpoint says in the example at hand."""
    return Wire()


@pytest.fixture(scope="module")
def exporter(wire: Wire) -> Iterator[ServedExporter]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=wire.serve, args=(listener,), daemon=True).start()
        with serve_exporter(CONFIG, f"http://127.0.0.1:{listener.getsockname()[1]}") as found:
            yield found
        listener.shutdown(socket.SHUT_RDWR)


# urllib3 leaves a socket to Python's garbage collector where it cannot read the head of an answer.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@tried(40)
@given(said=replies)
def test_any_bytes_on_the_wire_leave_the_scrape_whole(exporter: ServedExporter, wire: Wire, said: bytes) -> None:
    before, wire.said = len(wire.asked), said
    found = judged(exporter.scrape())
    assert len(wire.asked) == before + 1
    (up,) = found.cells("up").values()
    things = [value for _, value in found.rows("aws_iot_thing_registration_task_succeeded_things")]
    assert things in ([], [7.0])
    assert not up or things


def test_what_is_right_is_read(exporter: ServedExporter, wire: Wire) -> None:
    wire.said = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    assert "succeeded_things{" in exporter.scrape()
