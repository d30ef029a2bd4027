"""HTTP servers for tests, on free ports of this machine."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from exporter.web.listener.server import Address, listen

KEPT_SECONDS = 60


@contextmanager
def serve_app(app: ASGIApp, pair: tuple[Path, Path] | None = None, host: str = "127.0.0.1") -> Iterator[str]:
    """Serve an application while the block runs, and yield its base URL. Use TLS if a certificate and key are given.

    Idle connections stay open long, because a test's next request may be late on a busy machine.
    """
    listener = listen(Address(host, 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_keep_alive=KEPT_SECONDS)
    if pair:
        config.ssl_certfile, config.ssl_keyfile = map(str, pair)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"{'https' if pair else 'http'}://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=1)
        if thread.is_alive() and server.started:
            # Since Python 3.12, a server waits at its end for its connections, also for those whose handler hangs.
            server.servers[0].get_loop().call_soon_threadsafe(_abort_connections, server)
        thread.join(timeout=10)


def _abort_connections(server: uvicorn.Server) -> None:
    for connection in list(server.server_state.connections):
        transport: asyncio.Transport = connection.transport
        transport.abort()


@contextmanager
def hanging_endpoint() -> Iterator[tuple[str, socket.socket]]:
    """Yield the URL of an endpoint that accepts connections and never responds, and its socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener
