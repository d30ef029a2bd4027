"""Limits of the HTTP server for connections and requests."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

# h11 rejects a longer head that arrives in parts, web/protection/security.py one that arrives at once.
MAX_HEAD_BYTES = 16384
# Responses of a route that are rendered at the same time. Each uses a whole processor, so more at once are not faster.
MAX_RENDERINGS = 2
# Of an address. A client of IPv6 usually has a network of this length.
IPV6_NETWORK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Limits:
    """The number of open connections, and time limits in seconds."""

    # A TLS connection takes about 320 KiB, most of it asyncio's buffer. This is 85 MiB in all with the health checks.
    connections: int = 256
    # From one address. Other addresses always have places, and an ingress or a NAT has enough for its clients.
    connections_per_address: int = 192
    # More connections, for health checks only. They are used if no connection can be closed for another one.
    health_connections: int = 16
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


def client_address(host: str) -> bytes:
    """Return the address of a client, or its network for IPv6, where a client has as many addresses as it wants."""
    address = ip_address(host)
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped.packed if address.ipv4_mapped else address.packed[:IPV6_NETWORK_BYTES]
    return address.packed
