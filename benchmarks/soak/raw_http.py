"""A minimal HTTP client, so that the load test does not measure its client."""

import gzip
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import parse_headers
from io import BufferedReader
from ssl import SSLContext

# In seconds.
SOCKET_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Response:
    """A complete and decoded response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """The port of a server on this machine, and the context of TLS, if it is used."""

    port: int
    tls: SSLContext | None = None

    def connect(self, buffer: int = 0) -> socket.socket:
        """Return a new connection. ``buffer`` is the size of its receive buffer in bytes, 0 for the default."""
        connection = socket.socket()
        connection.settimeout(SOCKET_TIMEOUT)
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            connection.connect(("127.0.0.1", self.port))
            return self.tls.wrap_socket(connection, server_hostname="localhost") if self.tls else connection
        except OSError:
            connection.close()
            raise

    @contextmanager
    def open(self) -> Iterator[tuple[socket.socket, BufferedReader]]:
        """Give a connection and its reader."""
        with self.connect() as connection, connection.makefile("rb") as reader:
            yield connection, reader

    def get(self, path: str, **headers: str) -> Response:
        """Return the response to a request on a new connection."""
        return self.send("GET", path, Connection="close", **headers)

    def send(self, method: str, path: str, **headers: str) -> Response:
        """Return the response to a request."""
        with self.open() as (connection, reader):
            connection.sendall(request(method, path, headers))
            return read(reader)


def request(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Return a request without a body. In the names of headers, ``_`` means ``-``."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items()]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


def read(reader: BufferedReader) -> Response:
    """Return the next response on a connection. Raises ConnectionError if the connection ends before."""
    status = reader.readline().split(b" ")
    if len(status) < 2:
        raise ConnectionError("no response")
    headers = {name.lower(): value for name, value in parse_headers(reader).items()}
    length = int(headers["content-length"])
    body = reader.read(length)
    if len(body) < length:
        raise ConnectionError(f"{len(body)} of {length} bytes")
    return Response(int(status[1]), headers, gzip.decompress(body) if headers.get("content-encoding") else body)
