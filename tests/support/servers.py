"""Real HTTP servers for tests, on a free port of this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from exporter.web.server import Address, listen


@contextmanager
def serving(app: ASGIApp) -> Iterator[str]:
    """Serve an application over HTTP while the block runs; give its base URL."""
    listener = listen(Address("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(timeout=10)


@contextmanager
def hanging() -> Iterator[tuple[str, socket.socket]]:
    """Give the URL of an endpoint that takes connections and requests and never answers, and its socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", listener
