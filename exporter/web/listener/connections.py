"""Connections: their maximum number, the deadlines of each, and the eviction of idle ones.

``Connection`` uses attributes of uvicorn that are not documented. tests/web/listener/test_uvicorn.py lists them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.web.limits import Limits
from exporter.web.protection.tls import Tls

# Until the next attempt to accept a connection, if the process has no file descriptor left.
RETRY_SECONDS = 0.1


class Connections:
    """The open connections of the process. Those that wait for their client are in the order in which they began to."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._open))

    async def wait_for_capacity(self) -> None:
        """Return when one more connection is allowed: at once, unless every connection is serving a request."""
        while len(self._open) >= self._limit:
            if not self.evict():
                self._changed.clear()
                await self._changed.wait()

    def evict(self) -> bool:
        """End the connection that has waited longest for its client. Return whether there was one."""
        if not self._waiting:
            return False
        connection = next(iter(self._waiting))
        self.remove(connection)
        connection.abort()
        return True

    def add(self, connection: Connection) -> None:
        """Count a new connection. It waits for its client."""
        self._open.add(connection)
        self._waiting[connection] = None

    def remove(self, connection: Connection) -> None:
        """Stop counting a connection."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._changed.set()

    def mark_waiting(self, connection: Connection) -> None:
        """Note that a connection waits for its client. It can be evicted after those that wait already."""
        if connection in self._open:
            self._waiting.setdefault(connection)
            self._changed.set()

    def mark_busy(self, connection: Connection) -> None:
        """Note that a connection serves a request. It cannot be evicted."""
        self._waiting.pop(connection, None)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a deadline for each step that depends on the client."""

    def __init__(self, server: uvicorn.Server, connections: Connections, limits: Limits, tls: Tls | None) -> None:
        super().__init__(server.config, server.server_state, {}, asyncio.get_running_loop())
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
        options: dict[str, Any] = {}
        if self._tls:
            deadlines = {"ssl_handshake_timeout": self._limits.handshake, "ssl_shutdown_timeout": self._limits.close}
            options = {"ssl": self._tls.context, **deadlines}
        try:
            await self.loop.connect_accepted_socket(lambda: self, accepted, **options)
        except (OSError, asyncio.CancelledError):
            self._connections.remove(self)

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

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._update_state()

    def send_400_response(self, msg: str) -> None:
        """Reject data that is not HTTP. If it follows a request in flight, both end."""
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
        self._connections.mark_waiting(self)
        self._write_deadline.start()

    def resume_writing(self) -> None:
        """Continue to write."""
        super().resume_writing()
        self._write_deadline.stop()
        self._update_state()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting the connection."""
        super().connection_lost(exc)
        self._connections.remove(self)
        self._head_deadline.stop()
        self._write_deadline.stop()

    def _update_state(self) -> None:
        """Mark the connection as busy or waiting. Start the deadline of a first head, and of one that has begun."""
        if self.flow.write_paused:
            # A client that does not read can be evicted, whatever it sends.
            return
        if self.cycle and not self.cycle.response_complete:
            self._connections.mark_busy(self)
            self._head_deadline.stop()
            return
        self._connections.mark_waiting(self)
        if self.cycle is None or self.conn.trailing_data[0]:
            self._head_deadline.start()


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
    listener: socket.socket, connections: Connections, open: Callable[[socket.socket], None]
) -> NoReturn:
    """Accept connections without end, and open each as soon as the limit allows it."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            accepted, _ = await loop.sock_accept(listener)
        except ConnectionError:
            # The client has closed the connection already.
            continue
        except OSError:
            # The process has no file descriptor left.
            connections.evict()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            try:
                await connections.wait_for_capacity()
            except asyncio.CancelledError:
                accepted.close()
                raise
            open(accepted)
            # While clients queue, sock_accept returns without letting other tasks run.
            await asyncio.sleep(0)
