"""A TCP relay between a client and a server, and a resolver of names: the network, for tests that break it."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Any

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: a closed socket sends RST."""
BEGINNING = 100
"""Bytes of an answer that still come through before a partition."""
ZONE = ".aws.test"
Address = tuple[str, int]


class Network(Enum):
    """What a relay does with a connection."""

    WELL = auto()
    REFUSED = auto()
    RESET = auto()
    CLOSED = auto()
    PARTED = auto()
    PARTED_IN_AN_ANSWER = auto()


class Relay:
    """Passes bytes on, as its network is; ``target`` is where to. Connections that were kept end when it changes.

    A partition ends none: it carries neither data nor the end of a connection, in both ways.
    """

    def __init__(self, target: Address) -> None:
        self._target = target
        self._network = Network.WELL
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.port = 0

    def switch(self, network: Network, target: Address | None = None) -> None:
        """Change the network, from any thread, and what is behind it."""
        asyncio.run_coroutine_threadsafe(self._switch(network, target or self._target), self._loop).result()

    def run(self) -> None:
        """Relay until ``stop``."""
        self._loop.run_forever()
        self._loop.close()

    def stop(self) -> None:
        """End, from any thread."""
        self.switch(Network.REFUSED)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _switch(self, network: Network, target: Address) -> None:
        self._network, self._target = network, target
        if network not in (Network.PARTED, Network.PARTED_IN_AN_ANSWER):
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
            _hang_up(writer, reset=self._network is Network.RESET)
            return
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        self._writers.add(server_writer)
        await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer, answers=True))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: bool = False) -> None:
        while data := await _read(reader):
            if self._network is Network.PARTED:
                continue
            if self._network is Network.PARTED_IN_AN_ANSWER and answers:
                data, self._network = data[:BEGINNING], Network.PARTED
            writer.write(data)
        if self._network is not Network.PARTED:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(65536)
    except ConnectionError:
        return b""


def _hang_up(writer: asyncio.StreamWriter, reset: bool) -> None:
    connection = writer.get_extra_info("socket")
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        writer.transport.abort()
    else:
        writer.close()


class Names:
    """What a resolver knows: names of this machine, of which some may be lost for a time."""

    def __init__(self) -> None:
        self.lost: set[str] = set()
        self._resolve = socket.getaddrinfo

    def getaddrinfo(self, host: Any, *rest: Any, **more: Any) -> Any:
        """Resolve as ``socket.getaddrinfo``, names of the zone to this machine. Raises its error for lost ones."""
        if host in self.lost:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        known = isinstance(host, str) and host.endswith(ZONE)
        return self._resolve("127.0.0.1" if known else host, *rest, **more)


@contextmanager
def replace_resolver() -> Iterator[Names]:
    """Let this process resolve names by a resolver that can lose them."""
    names, before = Names(), socket.getaddrinfo
    socket.getaddrinfo = names.getaddrinfo
    try:
        yield names
    finally:
        socket.getaddrinfo = before


@contextmanager
def run_relay(target: Address) -> Iterator[Relay]:
    """Give a relay in front of an address while the block runs."""
    relay = Relay(target)
    thread = threading.Thread(target=relay.run, daemon=True)
    thread.start()
    relay.switch(Network.WELL)
    try:
        yield relay
    finally:
        relay.stop()
        thread.join(timeout=10)
