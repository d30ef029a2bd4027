"""A TCP relay between a client and a server, and a resolver: a network that tests can break."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any
from unittest.mock import patch

# SO_LINGER with no time: close() sends RST.
RESET = struct.pack("ii", 1, 0)
# The bytes of a response that arrive before a partition.
BEGINNING = 100
ZONE = ".aws.test"
Address = tuple[str, int]


class Network(Enum):
    """The state of the network, which decides what a relay does with a connection."""

    HEALTHY = auto()
    REFUSED = auto()
    RESET = auto()
    CLOSED = auto()
    PARTITIONED = auto()
    PARTITIONED_IN_A_RESPONSE = auto()


class Relay:
    """Relays connections to ``target``. A change of the network closes every open connection.

    A partition closes none: it drops data and the end of a connection in both directions.
    """

    def __init__(self, target: Address) -> None:
        self._target = target
        self._network = Network.HEALTHY
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0

    def switch(self, network: Network, target: Address | None = None) -> None:
        """Change the network and optionally the target, from any thread."""
        asyncio.run_coroutine_threadsafe(self._switch(network, target or self._target), self._loop).result()

    def run(self) -> None:
        """Relay until ``stop``."""
        self._loop.run_forever()
        self._loop.close()

    def stop(self) -> None:
        """Stop, from any thread."""
        self.switch(Network.REFUSED)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _switch(self, network: Network, target: Address) -> None:
        self._network, self._target = network, target
        if network not in (Network.PARTITIONED, Network.PARTITIONED_IN_A_RESPONSE):
            await self._drop()
        if network is Network.REFUSED and self._server:
            self._server.close()
            self._server = None
        elif network is not Network.REFUSED and self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        if self._network in (Network.RESET, Network.CLOSED):
            await _read(reader)
            if self._network is Network.RESET:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        self._writers.add(server_writer)
        await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer, is_response=True))

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_response: bool = False
    ) -> None:
        while data := await _read(reader):
            if self._network is Network.PARTITIONED:
                continue
            if self._network is Network.PARTITIONED_IN_A_RESPONSE and is_response:
                data, self._network = data[:BEGINNING], Network.PARTITIONED
            writer.write(data)
        if self._network is not Network.PARTITIONED:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionError:
        return b""


@contextmanager
def resolve_zone() -> Iterator[set[str]]:
    """Resolve names of the zone to this machine while the block runs. Yield a set: the names in it are unknown."""
    lost, resolve = set[str](), socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        if host in lost:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        known = isinstance(host, str) and host.endswith(ZONE)
        return resolve("127.0.0.1" if known else host, *rest, **more)

    with patch.object(socket, "getaddrinfo", getaddrinfo):
        yield lost


@contextmanager
def run_relay(target: Address) -> Iterator[Relay]:
    """Run a relay in front of an address while the block runs."""
    relay = Relay(target)
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    relay.switch(Network.HEALTHY)
    try:
        yield relay
    finally:
        relay.stop()
        thread.join(timeout=10)
