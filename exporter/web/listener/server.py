"""Listen and serve: addresses as Prometheus writes them, uvicorn behind them, an end within the grace period."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address

import uvicorn
from starlette.types import ASGIApp

from exporter.core.errors import StartError
from exporter.web.listener.connections import LONGEST_HEAD, Connection, Connections, Limits, admit
from exporter.web.protection.tls import Tls

BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host means every interface."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Site:
    """An application and the socket it is served on; ``tls`` tells for each connection how it is secured, if at all."""

    app: ASGIApp
    listener: socket.socket
    tls: Callable[[], Tls | None] = lambda: None

    @property
    def url(self) -> str:
        """A URL that opens on this machine."""
        host, port = self.listener.getsockname()[:2]
        if ip_address(host).is_unspecified:
            host = "localhost"
        scheme = "https" if self.tls() else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def parse_address(text: str) -> Address:
    """Return an address written as ``:10098``, ``127.0.0.1:10098`` or ``[::1]:10098``. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError("expected host:port, as :10098 or [::1]:10098")
    return Address(match[1] or match[2] or "", int(match[3]))


def listen(address: Address) -> socket.socket:
    """Return a listening socket, for IPv4 and IPv6 where no host is named. Raises StartError."""
    try:
        listener = _bind(address)
    except (OSError, UnicodeError) as error:
        why = error.strerror or error if isinstance(error, OSError) else "no such host"
        raise StartError(f"cannot listen on {address.host}:{address.port}: {why}") from None
    # Accepted sockets inherit it. asyncio sets it only where the protocol is named, which create_server does not do:
    # without it every answer on a kept connection waits 40 ms for the client's delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _bind(address: Address) -> socket.socket:
    if address.host:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", address.port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("", address.port), backlog=BACKLOG)


def listen_all(addresses: Sequence[Address]) -> list[socket.socket]:
    """Return a listening socket for each address. Raises StartError with every one that cannot be had."""
    listeners, failures = [], []
    for address in addresses:
        try:
            listeners.append(listen(address))
        except StartError as error:
            failures.append(str(error))
    if failures:
        for listener in listeners:
            listener.close()
        raise StartError("; ".join(failures))
    return listeners


async def serve(sites: Sequence[Site], on_stop: Callable[[], None]) -> None:
    """Serve all sites until SIGINT or SIGTERM; then answer what is in flight, and return. A second one ends at once."""
    server = Server(sites, on_stop)
    for number in (signal.SIGINT, signal.SIGTERM):
        hear(number, server.stop)
    await server.run()


def hear(number: signal.Signals, act: Callable[[], None]) -> None:
    """Do something on the running loop whenever a signal comes, however busy the loop is.

    asyncio tells the loop of signals by a pipe, which threads that are done use too. Where calls to AWS end by the
    hundred while the loop does something else the pipe is full, and asyncio loses the signal.
    """
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(number, lambda: None)  # lets a signal wake the loop
    signal.signal(number, lambda *_: loop.call_soon_threadsafe(act))
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)


class Server:
    """Serves sites until it is told to stop.

    uvicorn speaks HTTP. Accepting is done here: a connection gets the TLS that holds when it comes, and is counted
    before its handshake, which uvicorn's own listeners and limits do not do.
    """

    def __init__(self, sites: Sequence[Site], on_stop: Callable[[], None], limits: Limits = Limits()) -> None:
        self._sites = sites
        self._on_stop = on_stop
        self._limits = limits
        self._connections = Connections(limits.connections)
        self._stopped, self._stopped_again = asyncio.Event(), asyncio.Event()

    def stop(self) -> None:
        """End well; called a second time, end at once."""
        if self._stopped.is_set():
            self._stopped_again.set()
        else:
            self._stopped.set()
            self._on_stop()

    async def run(self) -> None:
        """Return when it has ended, at the latest when the time of grace is over."""
        async with asyncio.TaskGroup() as tasks:
            servers = [_Uvicorn(_settings(site.app, self._limits)) for site in self._sites]
            serving = [tasks.create_task(server.serve(sockets=[])) for server in servers]
            doors = [tasks.create_task(self._admit(*pair)) for pair in zip(self._sites, servers, strict=True)]
            await self._stopped.wait()
            ending = tasks.create_task(self._end(servers, serving, doors))
            hurry = tasks.create_task(self._stopped_again.wait())
            await asyncio.wait((ending, hurry), timeout=self._limits.grace, return_when=asyncio.FIRST_COMPLETED)
            for task in (*serving, *doors, ending, hurry):
                task.cancel()
        self._close()
        for connection in self._connections:
            connection.end()

    async def _admit(self, site: Site, server: uvicorn.Server) -> None:
        def open(accepted: socket.socket) -> None:
            Connection(server, self._connections, self._limits, site.tls()).open(accepted)

        await admit(site.listener, self._connections, open)

    async def _end(
        self, servers: list[_Uvicorn], serving: list[asyncio.Task[None]], doors: list[asyncio.Task[None]]
    ) -> None:
        # Who comes while others are being answered is let in, to be told that the exporter is not ready any more.
        if in_flight := [task for server in servers for task in server.server_state.tasks]:
            await asyncio.wait(in_flight)
        for door in doors:
            door.cancel()
        await asyncio.wait(doors)
        self._close()
        for connection in self._connections:
            connection.end_opening()
        for server in servers:
            server.should_exit = True
        await asyncio.wait(serving)

    def _close(self) -> None:
        for site in self._sites:
            site.listener.close()


class _Uvicorn(uvicorn.Server):
    """uvicorn without its own signal handlers, which would end the process by the signal after a graceful stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _settings(app: ASGIApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        log_config=None,
        log_level="error",  # it warns of what strangers send, which is no fault of this process
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle,
        h11_max_incomplete_event_size=LONGEST_HEAD,
    )
