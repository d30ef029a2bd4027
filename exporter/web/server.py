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

from exporter.errors import StartError

GRACE_SECONDS = 10
"""How long requests in flight may take after SIGTERM; Kubernetes waits 30 seconds before it kills."""
KEEP_ALIVE_SECONDS = 300
"""Longer than any scrape interval, so that Prometheus keeps its connection."""
BACKLOG = 512


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host means every interface."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Site:
    """An application and the socket it is served on."""

    app: ASGIApp
    listener: socket.socket

    @property
    def url(self) -> str:
        """A URL that opens on this machine."""
        host, port = self.listener.getsockname()[:2]
        if ip_address(host).is_unspecified:
            host = "localhost"
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


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


async def serve(sites: Sequence[Site], on_stop: Callable[[], None]) -> None:
    """Serve all sites until SIGINT or SIGTERM; then answer what is in flight, and return."""
    servers = [_Server(_settings(site.app)) for site in sites]

    def stop() -> None:
        for server in servers:
            server.force_exit = server.should_exit
            server.should_exit = True
        on_stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve(sockets=[site.listener]) for server, site in zip(servers, sites, strict=True)))


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would end the process by the signal after a graceful stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _settings(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
