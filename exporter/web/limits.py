"""Limits of the HTTP server for connections and requests."""

from __future__ import annotations

from dataclasses import dataclass

# h11 rejects a longer head that arrives in parts, web/protection/security.py one that arrives at once.
MAX_HEAD_BYTES = 16384


@dataclass(frozen=True, slots=True)
class Limits:
    """The number of open connections, and time limits in seconds."""

    # A TLS connection takes about 320 KiB, most of it asyncio's buffer. This is 80 MiB in all.
    connections: int = 256
    handshake: float = 10
    # For the head of a request, and for the first byte on a new connection.
    head: float = 10
    # For a client to read a response once all buffers are full.
    write: float = 60
    # Between two requests. It is longer than a scrape interval, so that Prometheus keeps its connection.
    idle: int = 300
    # For a client to confirm the end of TLS.
    close: float = 1
    # For requests in flight after SIGTERM. Kubernetes kills the process after 30 seconds.
    grace: float = 10
