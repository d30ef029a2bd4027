"""HTTP as plain as it gets, so that what a client costs does not hide what the server does."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import parse_headers
from io import BufferedReader
from ssl import SSLContext

PATIENCE = 60.0
"""Seconds after which a client takes its server for dead."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """Where a server listens, on this machine; with a context, over TLS."""

    port: int
    tls: SSLContext | None = None

    def connect(self, buffer: int = 0) -> socket.socket:
        """Return a new connection; ``buffer`` are the bytes that it takes in without being read, if not as usual."""
        connection = socket.socket()
        connection.settimeout(PATIENCE)
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
        """Give a connection, and what reads answers from it."""
        with self.connect() as connection, connection.makefile("rb") as reader:
            yield connection, reader

    def get(self, path: str, **headers: str) -> Answer:
        """Return an answer, on a connection of its own."""
        return self.ask("GET", path, Connection="close", **headers)

    def ask(self, method: str, path: str, **headers: str) -> Answer:
        """Return the answer to one request."""
        with self.open() as (connection, reader):
            connection.sendall(request(method, path, headers))
            return read(reader)


def request(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    """Return a request without a body; in names of headers _ stands for -."""
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items()]
    return f"{method} {path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode()


def read(reader: BufferedReader) -> Answer:
    """Return the next answer on a connection. Raises ConnectionError if it ends before that."""
    status = reader.readline().split(b" ")
    if len(status) < 2:
        raise ConnectionError("no answer")
    headers = {name.lower(): value for name, value in parse_headers(reader).items()}
    length = int(headers["content-length"])
    body = reader.read(length)
    if len(body) < length:
        raise ConnectionError(f"{len(body)} of {length} bytes")
    return Answer(int(status[1]), headers, gzip.decompress(body) if headers.get("content-encoding") else body)
