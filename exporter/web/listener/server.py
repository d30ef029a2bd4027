"""The HTTP server: listening sockets, uvicorn behind them, and shutdown within the grace period."""

from __future__ import annotations

import asyncio
import errno
import os
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
from exporter.web.limits import MAX_HEAD_BYTES, Limits
from exporter.web.listener.connections import Connection, Connections, accept_connections, connection_app
from exporter.web.protection.tls import Tls

BACKLOG = 512
# What to do about an address that cannot be bound.
_CURES = {
    errno.EADDRINUSE: "choose another port",
    errno.EACCES: "choose a port above 1023, or allow CAP_NET_BIND_SERVICE",
    errno.EPERM: "choose a port above 1023, or allow CAP_NET_BIND_SERVICE",
    errno.EADDRNOTAVAIL: "use an address of this machine, or only :PORT for all addresses",
    errno.EAFNOSUPPORT: "use an IPv4 address, such as 0.0.0.0, or enable IPv6",
}
_HOST_CURE = "correct the host name, or use only :PORT for all addresses"
_OTHER_CURE = "use another address, or only :PORT for all addresses"


@dataclass(frozen=True, slots=True)
class Address:
    """An address to listen on. An empty host means every interface."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return the address as a user writes it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServedApp:
    """An application and its listening socket.

    ``tls`` returns the TLS of a new connection, or None for plain HTTP. ``prefix`` is that of all paths.
    """

    app: ASGIApp
    listener: socket.socket
    tls: Callable[[], Tls | None] = lambda: None
    prefix: str = ""

    @property
    def url(self) -> str:
        """The URL that reaches the application from this machine."""
        host, port = self.listener.getsockname()[:2]
        if ip_address(host).is_unspecified:
            host = "localhost"
        scheme = "https" if self.tls() else "http"
        return f"{scheme}://[{host}]:{port}{self.prefix}" if ":" in host else f"{scheme}://{host}:{port}{self.prefix}"


def parse_address(text: str) -> Address:
    """Return the address in a text such as ``:10098``, ``127.0.0.1:10098`` or ``[::1]:10098``. Raises ValueError."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]*)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError("expected host:port, such as :10098 or [::1]:10098")
    return Address(match[1] or match[2] or "", int(match[3]))


def listen(address: Address) -> socket.socket:
    """Return a listening socket, for IPv4 and IPv6 if the host is empty or ``::``. Raises StartError."""
    try:
        listener = _bind(address)
    except (OSError, UnicodeError) as error:
        raise StartError(f"cannot listen on {address}: {_reason(error)}") from None
    # Accepted sockets inherit the option. asyncio sets it only on sockets with an explicit protocol number, and
    # create_server passes none. Without it a response on a kept connection waits 40 ms for a delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _reason(error: OSError | UnicodeError) -> str:
    """Return the reason of the system and the cure. ``create_server`` adds the address, which the message contains."""
    if isinstance(error, UnicodeError):
        return f"no such host; {_HOST_CURE}"
    if error.errno is None or isinstance(error, socket.gaierror):
        return f"{error.strerror or error}; {_HOST_CURE}"
    return f"{os.strerror(error.errno)}; {_CURES.get(error.errno, _OTHER_CURE)}"


def _bind(address: Address) -> socket.socket:
    if address.host and not (_is_any_ipv6(address.host) and socket.has_dualstack_ipv6()):
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", address.port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    return socket.create_server(("", address.port), backlog=BACKLOG)


def _is_any_ipv6(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.version == 6 and address.is_unspecified


def listen_all(addresses: Sequence[Address]) -> list[socket.socket]:
    """Return a listening socket for each address. Raises StartError that names every address that fails."""
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


async def serve(apps: Sequence[ServedApp], on_stop: Callable[[], None], limits: Limits = Limits()) -> None:
    """Serve applications until SIGINT or SIGTERM, then drain and return. A second signal ends the drain."""
    server = Server(apps, on_stop, limits)
    for number in (signal.SIGINT, signal.SIGTERM):
        handle_signal(number, server.stop)
    await server.run()


def handle_signal(number: signal.Signals, handler: Callable[[], None]) -> None:
    """Call a handler on the running event loop for each signal, however busy the loop is.

    asyncio passes signals to the loop through a pipe, and so do finished threads. If hundreds of calls to AWS end while
    the loop is busy, the pipe is full and asyncio loses the signal.
    """
    loop = asyncio.get_running_loop()
    # A signal must wake the loop.
    loop.add_signal_handler(number, lambda: None)
    signal.signal(number, lambda *_: loop.call_soon_threadsafe(handler))
    signal.set_wakeup_fd(signal.set_wakeup_fd(-1), warn_on_full_buffer=False)


class Server:
    """Serves applications until ``stop`` is called.

    uvicorn processes HTTP. This class accepts the connections, because uvicorn's listeners and limits cannot do two
    things: count a connection before its handshake, and use the TLS that is valid when the connection begins.
    """

    def __init__(self, apps: Sequence[ServedApp], on_stop: Callable[[], None], limits: Limits = Limits()) -> None:
        self._apps = apps
        self._on_stop = on_stop
        self._limits = limits
        self._connections = Connections(limits)
        self._stopped, self._stopped_again = asyncio.Event(), asyncio.Event()

    def stop(self) -> None:
        """Drain and shut down. A second call ends the drain."""
        if self._stopped.is_set():
            self._stopped_again.set()
        else:
            self._stopped.set()
            self._on_stop()

    async def run(self) -> None:
        """Serve until ``stop`` is called, then drain for the grace period at most."""
        async with asyncio.TaskGroup() as tasks:
            servers = [_Uvicorn(_uvicorn_config(app, self._limits)) for app in self._apps]
            serving = [tasks.create_task(server.serve(sockets=[])) for server in servers]
            accepting = [tasks.create_task(self._accept(*pair)) for pair in zip(self._apps, servers, strict=True)]
            await self._stopped.wait()
            drain = tasks.create_task(self._drain(servers, serving, accepting))
            second_stop = tasks.create_task(self._stopped_again.wait())
            await asyncio.wait((drain, second_stop), timeout=self._limits.grace, return_when=asyncio.FIRST_COMPLETED)
            for task in (*serving, *accepting, drain, second_stop):
                task.cancel()
        self._close_listeners()
        for connection in self._connections:
            connection.abort()

    async def _accept(self, app: ServedApp, server: uvicorn.Server) -> None:
        def open(accepted: socket.socket, host: str) -> None:
            Connection(server, self._connections, self._limits, app.tls(), host).open(accepted)

        await accept_connections(app.listener, self._connections, open)

    async def _drain(
        self, servers: list[_Uvicorn], serving: list[asyncio.Task[None]], accepting: list[asyncio.Task[None]]
    ) -> None:
        # While requests are in flight, new connections are accepted: /-/ready must report 503 on them.
        if in_flight := [task for server in servers for task in server.server_state.tasks]:
            await asyncio.wait(in_flight)
        for task in accepting:
            task.cancel()
        await asyncio.wait(accepting)
        self._close_listeners()
        for connection in self._connections:
            connection.cancel_handshake()
        for server in servers:
            server.should_exit = True
        await asyncio.wait(serving)

    def _close_listeners(self) -> None:
        for app in self._apps:
            app.listener.close()


class _Uvicorn(uvicorn.Server):
    """uvicorn without its signal handlers. After a graceful shutdown they would end the process by the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(app: ServedApp, limits: Limits) -> uvicorn.Config:
    return uvicorn.Config(
        connection_app(app.app, app.prefix),
        http="h11",
        ws="none",
        log_config=None,
        # uvicorn warns of invalid requests, which are no fault of this process.
        log_level="error",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.idle,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
    )
