"""Any bytes from the network, through real sockets, threads and clients: no scrape fails because of them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.properties.example_counts import settings_for
from tests.properties.scrape_invariants import checked_scrape
from tests.support.exporter_server import ServedExporter, serve_exporter

CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
aws: {max_attempts: 1, connect_timeout: 30s, read_timeout: 30s}
"""
BODY = json.dumps({"taskId": "a", "status": "InProgress", "successCount": 7}).encode()
LINES: tuple[str, ...] = ("HTTP/1.1 200 OK", "HTTP/1.0 200", "HTTP/1.1 500 Oops", "HTTP/1.1 100 Continue")
LINES += ("HTTP/9.9 999", "ICY 200 OK", "", "HTTP/1.1 204 No Content", "HTTP/1.1 301 Moved", "HTTP/1.1 429 Slow down")
LINES += ("HTTP/1.1 404 Not Found",)
FIELDS: tuple[str, ...] = (f"Content-Length: {len(BODY)}", "Content-Length: 7", "Content-Length: 4000")
FIELDS += ("Content-Length: -1", "Content-Length: x", "Transfer-Encoding: chunked", "Content-Encoding: gzip")
FIELDS += ("Content-Encoding: br", "Content-Type: text/html", ": ", "x", "x-amzn-errortype: ThrottlingException")
FIELDS += ("Connection: keep-alive", "Location: http://169.254.169.254/", "X: \x00\xff")
heads = st.tuples(st.sampled_from(LINES), st.lists(st.sampled_from(FIELDS), max_size=4)).map(
    lambda parts: "\r\n".join((parts[0], *parts[1], "", "")).encode("latin-1")
)
bodies = st.sampled_from([BODY, BODY[:20], b"", b"ffff\r\n" + BODY, b"0\r\n\r\n", b"\x1f\x8b" + BODY]) | st.binary(
    max_size=30
)
replies = st.tuples(heads, bodies).map(b"".join) | st.binary(max_size=60)


@dataclass
class Wire:
    """An endpoint that reads a request, sends fixed bytes and closes the connection."""

    sent: bytes = b""
    received: list[bytes] = field(default_factory=list)

    def serve(self, listener: socket.socket) -> None:
        """Serve one connection after another until the listener closes."""
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), connection:
                    self.received.append(connection.recv(65536))
                    connection.sendall(self.sent)


@pytest.fixture(scope="module")
def wire() -> Wire:
    """The endpoint. Each example sets its bytes."""
    return Wire()


@pytest.fixture(scope="module")
def exporter(wire: Wire) -> Iterator[ServedExporter]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=wire.serve, args=(listener,), daemon=True).start()
        with serve_exporter(CONFIG, f"http://127.0.0.1:{listener.getsockname()[1]}") as found:
            yield found
        listener.shutdown(socket.SHUT_RDWR)


# If urllib3 cannot read the head of a response, Python's garbage collector closes the socket.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings_for(40)
@given(sent=replies)
def test_no_bytes_from_the_network_break_a_scrape(exporter: ServedExporter, wire: Wire, sent: bytes) -> None:
    before, wire.sent = len(wire.received), sent
    found = checked_scrape(exporter.scrape())
    assert len(wire.received) == before + 1
    (up,) = found.cells("up").values()
    things = [value for _, value in found.rows("aws_iot_thing_registration_task_succeeded_things")]
    assert things in ([], [7.0])
    assert not up or things


def test_a_valid_response_is_read(exporter: ServedExporter, wire: Wire) -> None:
    wire.sent = f"HTTP/1.1 200 OK\r\nContent-Length: {len(BODY)}\r\n\r\n".encode() + BODY
    assert "succeeded_things{" in exporter.scrape()
