"""Connections: their maximum number, the deadlines of each, and the eviction of those that wait.

``Connection`` uses attributes of uvicorn that are not documented. tests/web/listener/test_uvicorn.py lists them.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import ExitStack
from enum import Enum, auto
from typing import Any, NoReturn

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.web.limits import MAX_HEAD_BYTES, Limits, client_address
from exporter.web.protection.security import health_paths
from exporter.web.protection.target import with_origin_form
from exporter.web.protection.tls import Tls
from exporter.web.responses import DATA_HEADERS, text_response
from exporter.web.waiting import WAITING

# Until the next attempt to accept a connection, if the process has no file descriptor left.
RETRY_SECONDS = 0.1
# The key of the state of a request. Its value is the connection.
CONNECTION = "connection"
BUSY_HEADERS = {"Connection": "close", "Retry-After": "1"}
# As Go's HTTP server sends it.
HTTP_TO_TLS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"


class State(Enum):
    """What a connection waits for."""

    # A request, or a client that reads its response.
    CLIENT = auto()
    # The response to a request, for example a refresh or a rendering.
    RESPONSE = auto()
    # Nothing: a response is being written. Such a connection is not closed for another one.
    NOTHING = auto()


class Connections:
    """The open connections of the process.

    If all places are taken, a new connection gets the place of another one. So no client has to wait for a place.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        # In the order in which they began to wait.
        self._places: dict[Connection, None] = {}
        # Connections without a place. They can request the health of the exporter.
        self._health: dict[Connection, None] = {}

    def __iter__(self) -> Iterator[Connection]:
        return iter((*self._places, *self._health))

    def add(self, connection: Connection) -> None:
        """Count a new connection."""
        if self._make_place(connection.address):
            self._places[connection] = None
            return
        if len(self._health) >= self._limits.health_connections:
            _evict_first(self._health)
        self._health[connection] = None

    def has_place(self, connection: Connection) -> bool:
        """Return whether a connection has a place. If it has none, it gets one as soon as another one can end."""
        if connection in self._health and self._make_place(connection.address):
            del self._health[connection]
            self._places[connection] = None
        return connection not in self._health

    def _make_place(self, address: bytes) -> bool:
        """Return whether there is a place for a client, if necessary that of another connection."""
        neighbours = [connection for connection in self._places if connection.address == address]
        if len(neighbours) >= self._limits.connections_per_address and not _evict_first(neighbours):
            return False
        return len(self._places) < self._limits.connections or _evict_first(self._places)

    def evict(self) -> None:
        """End one connection, if there is one that waits."""
        _evict_first(self)

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection."""
        self._places.pop(connection, None)
        self._health.pop(connection, None)

    def move_to_end(self, connection: Connection) -> None:
        """Note that a connection has begun to wait for something else."""
        for group in (self._places, self._health):
            if connection in group:
                del group[connection]
                group[connection] = None


def _evict_first(connections: Iterable[Connection]) -> bool:
    """End a connection that waits. Return whether there was one.

    The address with the most connections loses one, so that a crowd does not end the connections of other clients. Of
    the states of its connections, the most frequent one comes first, so that a crowd that sends nothing does not end
    requests, and a crowd of requests does not end new connections. Of these, the one that has waited longest ends.
    """
    waiting = [(connection.address, connection.state, connection) for connection in connections]
    addresses = Counter(address for address, _, _ in waiting)
    waiting = [entry for entry in waiting if entry[1] is not State.NOTHING]
    states = Counter((address, state) for address, state, _ in waiting)
    if not waiting:
        return False
    # The first of equals has waited longest.
    _, _, first = max(waiting, key=lambda entry: (addresses[entry[0]], states[entry[:2]]))
    first.evict()
    return True


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a deadline for each step that depends on the client."""

    def __init__(
        self, server: uvicorn.Server, connections: Connections, limits: Limits, tls: Tls | None, host: str
    ) -> None:
        self._waiting: set[asyncio.Task[Any]] = set()
        state = {CONNECTION: self, WAITING: self._waiting}
        super().__init__(server.config, server.server_state, state, asyncio.get_running_loop())
        self.address = client_address(host)
        self._waits_for: tuple[State, object] = (State.CLIENT, None)
        self._connections = connections
        self._limits = limits
        self._tls = tls
        self._opening: asyncio.Task[None] | None = None
        self._head_deadline = _Deadline(limits.head, self.abort)
        self._write_deadline = _Deadline(limits.write, self.abort)

    def open(self, accepted: socket.socket) -> None:
        """Serve an accepted socket."""
        self._connections.add(self)
        self._opening = self.loop.create_task(self._open(accepted))

    async def _open(self, accepted: socket.socket) -> None:
        try:
            async with asyncio.timeout(self._limits.handshake):
                await self._connect(accepted)
        except (OSError, asyncio.CancelledError):
            self._connections.remove(self)

    async def _connect(self, accepted: socket.socket) -> None:
        options: dict[str, Any] = {}
        if self._tls:
            await self._reject_http(accepted)
            options = {"ssl": self._tls.context, "ssl_shutdown_timeout": self._limits.close}
        await self.loop.connect_accepted_socket(lambda: self, accepted, **options)

    async def _reject_http(self, accepted: socket.socket) -> None:
        """Raise ConnectionError, after a response, if a client sends a request instead of a TLS handshake."""
        with ExitStack() as stack:
            stack.enter_context(accepted)
            # The first byte of a request is a letter, that of a handshake is not.
            if (await self._first_byte(accepted)).isalpha():
                # Unread data would reset the connection, and the client would not get the response.
                accepted.recv(MAX_HEAD_BYTES)
                accepted.send(HTTP_TO_TLS)
                raise ConnectionError
            stack.pop_all()

    async def _first_byte(self, accepted: socket.socket) -> bytes:
        """Return the first byte that the client sends. It is not consumed."""
        arrived = asyncio.Event()
        self.loop.add_reader(accepted, arrived.set)
        try:
            await arrived.wait()
        finally:
            self.loop.remove_reader(accepted)
        return accepted.recv(1, socket.MSG_PEEK)

    @property
    def state(self) -> State:
        """What the connection waits for."""
        if self.cycle is None or self.cycle.response_complete or self.flow.write_paused:
            # A client that does not read can be evicted, whatever it sends.
            return State.CLIENT
        return State.NOTHING if self.cycle.response_started else State.RESPONSE

    @property
    def has_lost_client(self) -> bool:
        """Whether the client has disconnected before it got its response."""
        return self.cycle.disconnected

    def may_request(self, scope: Scope, health: Container[str]) -> bool:
        """Return whether the connection may send a request: it has a place, or the path is that of a health check."""
        path = (with_origin_form(scope) or scope)["path"]
        return path in health or self._connections.has_place(self)

    def evict(self) -> None:
        """End the connection and stop counting it at once."""
        self._connections.remove(self)
        self.abort()

    def abort(self) -> None:
        """End the connection at once, in any state."""
        if not self.cancel_handshake():
            self.transport.abort()

    def cancel_handshake(self) -> bool:
        """End the connection if its handshake is not complete. Return whether it was incomplete."""
        return self._opening is not None and self._opening.cancel()

    def connection_made(self, transport: Any) -> None:
        """Wait for a request. End the connection if the name in the client certificate is not allowed."""
        super().connection_made(transport)
        self._update_state()
        if self._tls and not self._tls.is_allowed(transport.get_extra_info("peercert")):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Process a part of a request."""
        super().data_received(data)
        self._update_state()

    def eof_received(self) -> None:
        """Write no more over TLS: the transport is closing, and asyncio would log each write."""
        super().eof_received()
        if self._tls and self.cycle:
            self.cycle.disconnected = True

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._update_state()

    def shutdown(self) -> None:
        """Close an idle connection. After a second call of ``close``, asyncio could not abort a TLS connection."""
        if not self.transport.is_closing():
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Reject data that is not HTTP. If it follows a request in flight, both end."""
        if self.transport.is_closing():
            return
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
        if self.cycle and self.cycle.disconnected and not self._can_reject_request():
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _can_reject_request(self) -> bool:
        """Return whether status 400 can be the response to the request in flight: it is incomplete and unanswered."""
        # uvicorn's response has a body, which a response to HEAD must not have.
        is_head = self.cycle.scope["method"] == "HEAD"
        return self.cycle.more_body and not self.cycle.response_started and not is_head

    def pause_writing(self) -> None:
        """Stop writing because the client does not read. The connection can be evicted, and has a deadline."""
        super().pause_writing()
        self._update_state()
        self._write_deadline.start()

    def resume_writing(self) -> None:
        """Continue to write."""
        super().resume_writing()
        self._write_deadline.stop()
        self._update_state()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection, and what its request waits for."""
        super().connection_lost(exc)
        for task in self._waiting:
            task.cancel()
        self._connections.remove(self)
        self._head_deadline.stop()
        self._write_deadline.stop()

    def _update_state(self) -> None:
        """Note what the connection waits for. Start the deadline of a first head, and of one that has begun."""
        waits_for = (self.state, self.cycle)
        if waits_for != self._waits_for:
            self._waits_for = waits_for
            self._connections.move_to_end(self)
        if self.flow.write_paused:
            return
        if self.cycle and not self.cycle.response_complete:
            self._head_deadline.stop()
        elif self.cycle is None or self.conn.trailing_data[0]:
            self._head_deadline.start()


def connection_app(app: ASGIApp, prefix: str) -> ASGIApp:
    """Return the application behind the checks of its connections. ``prefix`` is that of all its paths.

    Without a place, a connection gets only the responses to health checks. A request whose wait was cancelled, because
    its client has disconnected, ends without an error.
    """
    busy = text_response(["all connections are in use; try again later"], 503, {**DATA_HEADERS, **BUSY_HEADERS})
    health = health_paths(prefix)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"][CONNECTION]
        if not connection.may_request(scope, health):
            return await busy(scope, receive, send)
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            if not connection.has_lost_client:
                raise

    return serve


class _Deadline:
    """Calls a function after some seconds, unless it is stopped before."""

    def __init__(self, seconds: float, expire: Callable[[], None]) -> None:
        self._seconds = seconds
        self._expire = expire
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the timer, unless it runs already."""
        self._timer = self._timer or asyncio.get_running_loop().call_later(self._seconds, self._expire)

    def stop(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None


async def accept_connections(
    listener: socket.socket, connections: Connections, open: Callable[[socket.socket, str], None]
) -> NoReturn:
    """Accept connections without end. ``open`` gets each with the host of its client."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            accepted, client = await loop.sock_accept(listener)
        except ConnectionError:
            # The client has closed the connection already.
            continue
        except OSError:
            # The process has no file descriptor left.
            connections.evict()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            open(accepted, client[0])
            # While clients queue, sock_accept returns without letting other tasks run.
            await asyncio.sleep(0)
