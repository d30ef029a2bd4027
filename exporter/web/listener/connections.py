"""Connections: how many there are, how long each may take for what, and who makes room when all are taken."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.web.protection.tls import Tls

RETRY_SECONDS = 0.1
"""Until the next connection is accepted after there was no file descriptor for it."""
LONGEST_HEAD = 16384
"""Bytes of a request's head. h11 refuses more where it comes in pieces, ``web/security`` where it comes at once."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what strangers can take; seconds but for the first."""

    connections: int = 256
    """A connection with TLS costs about 320 KiB, most of it asyncio's buffer: 80 MiB in all."""
    handshake: float = 10
    head: float = 10
    """For a request's head, or the first byte of the first one."""
    write: float = 60
    """For a client to read what fills all buffers."""
    idle: int = 300
    """Between requests; longer than any scrape interval, so that Prometheus keeps its connection."""
    close: float = 1
    """For a client to agree to the end of TLS."""
    grace: float = 10
    """For requests in flight after SIGTERM; Kubernetes waits 30 seconds before it kills."""


class Connections:
    """The open connections of a process, those first that have waited longest for their client."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}
        self._left = asyncio.Event()

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._open))

    async def room(self) -> None:
        """Return when there is a place for one more: at once, unless every client is being answered."""
        while len(self._open) >= self._most:
            if not self.evict():
                self._left.clear()
                await self._left.wait()

    def evict(self) -> bool:
        """End the connection that has waited longest for its client; tell whether there was one."""
        if not self._waiting:
            return False
        connection = next(iter(self._waiting))
        self.leave(connection)
        connection.end()
        return True

    def enter(self, connection: Connection) -> None:
        """Count a connection, which waits for its client."""
        self._open.add(connection)
        self._waiting[connection] = None

    def leave(self, connection: Connection) -> None:
        """Count it no more."""
        self._open.discard(connection)
        self._waiting.pop(connection, None)
        self._left.set()

    def wait_for_client(self, connection: Connection) -> None:
        """Note that a connection waits for its client; it makes room from now on, after those that wait already."""
        if connection in self._open:
            self._waiting.setdefault(connection)
            self._left.set()

    def serve_client(self, connection: Connection) -> None:
        """Note that a client waits for its answer; the connection makes room for nobody."""
        self._waiting.pop(connection, None)


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1 with a deadline for all that is the client's part."""

    def __init__(self, server: uvicorn.Server, connections: Connections, limits: Limits, tls: Tls | None) -> None:
        super().__init__(server.config, server.server_state, {}, asyncio.get_running_loop())
        self._connections = connections
        self._limits = limits
        self._tls = tls
        self._opening: asyncio.Task[None] | None = None
        self._head = _Deadline(limits.head, self.end)
        self._write = _Deadline(limits.write, self.end)

    def open(self, accepted: socket.socket) -> None:
        """Begin with a socket that was accepted."""
        self._connections.enter(self)
        self._opening = self.loop.create_task(self._open(accepted))

    async def _open(self, accepted: socket.socket) -> None:
        try:
            if self._tls is None:
                await self.loop.connect_accepted_socket(lambda: self, accepted)
            else:
                await self.loop.connect_accepted_socket(
                    lambda: self,
                    accepted,
                    ssl=self._tls.context,
                    ssl_handshake_timeout=self._limits.handshake,
                    ssl_shutdown_timeout=self._limits.close,
                )
        except (OSError, asyncio.CancelledError):
            self._connections.leave(self)

    def end(self) -> None:
        """End at once, in whatever state."""
        if not self.end_opening():
            self.transport.abort()

    def end_opening(self) -> bool:
        """End if the handshake is not over; tell whether that was so."""
        return self._opening is not None and self._opening.cancel()

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request, unless the client's certificate is not one of those that may come in."""
        super().connection_made(transport)
        self._watch()
        if self._tls and not self._tls.admits(transport.get_extra_info("peercert")):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._watch()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP. Where it follows a request that is being answered, it ends both."""
        if self.cycle and not self.cycle.response_complete:
            self.cycle.disconnected = True
        if self.cycle and self.cycle.disconnected and not self._can_answer():
            self.transport.close()
        else:
            super().send_400_response(msg)

    def _can_answer(self) -> bool:
        """Tell whether a refusal would be the answer to the request itself: it is not over, and has none yet."""
        request = self.cycle
        # uvicorn's refusal has a body, which an answer to HEAD must not have.
        return bool(request.more_body) and not request.response_started and request.scope["method"] != "HEAD"

    def pause_writing(self) -> None:
        """Stop writing, since the client does not read: it makes room for others, and ends if that lasts."""
        super().pause_writing()
        self._connections.wait_for_client(self)
        self._write.start()

    def resume_writing(self) -> None:
        """Go on writing."""
        super().resume_writing()
        self._write.stop()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the place back."""
        super().connection_lost(exc)
        self._connections.leave(self)
        self._head.stop()
        self._write.stop()

    def _watch(self) -> None:
        """Note who waits for whom, and set the deadline for a head: a first one, or one that has begun."""
        if self.flow.write_paused:
            return  # whatever a client sends that does not read, it makes room
        if self.cycle and not self.cycle.response_complete:
            self._connections.serve_client(self)
            self._head.stop()
            return
        self._connections.wait_for_client(self)
        if self.cycle is None or self.conn.trailing_data[0]:
            self._head.start()


class _Deadline:
    """Does something when a time is over, unless it is stopped before."""

    def __init__(self, seconds: float, act: Callable[[], None]) -> None:
        self._seconds = seconds
        self._act = act
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Let the time run, from now if it does not run yet."""
        self._timer = self._timer or asyncio.get_running_loop().call_later(self._seconds, self._act)

    def stop(self) -> None:
        """Let it run no more."""
        if self._timer:
            self._timer.cancel()
        self._timer = None


async def admit(listener: socket.socket, connections: Connections, open: Callable[[socket.socket], None]) -> NoReturn:
    """Accept connections for ever, and open each as soon as there is room for it."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            accepted, _ = await loop.sock_accept(listener)
        except ConnectionError:
            continue  # the client is gone already
        except OSError:  # no file descriptor is left
            connections.evict()
            await asyncio.sleep(RETRY_SECONDS)
        else:
            await _when_there_is_room(accepted, connections)
            open(accepted)
            await asyncio.sleep(0)  # sock_accept lets nobody else run where clients queue


async def _when_there_is_room(accepted: socket.socket, connections: Connections) -> None:
    try:
        await connections.room()
    except asyncio.CancelledError:
        accepted.close()
        raise
