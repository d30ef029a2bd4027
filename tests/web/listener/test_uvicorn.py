"""The undocumented attributes of uvicorn that the listener uses exist in the installed version."""

import asyncio
import inspect
import re
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.web.listener.connections import Connection
from tests.support.http_server import stub_app

OVERRIDDEN = {
    "connection_lost",
    "connection_made",
    "data_received",
    "eof_received",
    "on_response_complete",
    "pause_writing",
    "resume_writing",
    "send_400_response",
    "shutdown",
}
PROTOCOL = {"conn", "cycle", "flow", "loop", "transport"}
PARTS = {
    ("conn", "trailing_data"),
    ("cycle", "disconnected"),
    ("cycle", "more_body"),
    ("cycle", "response_complete"),
    ("cycle", "response_started"),
    ("cycle", "scope"),
    ("flow", "write_paused"),
}
SERVER = {"capture_signals", "config", "serve", "server_state", "should_exit"}


class Transport(asyncio.Transport):
    """A transport that discards the response."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Discard the data."""

    def is_closing(self) -> bool:
        """Return False: the transport stays open."""
        return False


async def protocol_after_a_request(server: uvicorn.Server) -> Any:
    """Return uvicorn's protocol after one request on a connection."""
    protocol = H11Protocol(server.config, server.server_state, {"connection": 1}, asyncio.get_running_loop())
    protocol.connection_made(Transport())
    protocol.data_received(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.gather(*server.server_state.tasks)
    return protocol


def test_uvicorn_has_the_attributes_that_the_listener_uses() -> None:
    server = uvicorn.Server(uvicorn.Config(stub_app(), log_config=None))
    protocol = asyncio.run(protocol_after_a_request(server))
    assert [name for name in OVERRIDDEN | PROTOCOL if not hasattr(protocol, name)] == []
    assert [pair for pair in PARTS if not hasattr(getattr(protocol, pair[0]), pair[1])] == []
    assert [name for name in SERVER if not hasattr(server, name)] == []
    assert protocol.conn.trailing_data == (b"", False)
    assert protocol.cycle.scope["state"] == {"connection": 1}
    assert (protocol.cycle.response_complete, protocol.flow.write_paused) == (True, False)


def test_the_lists_name_all_attributes_that_the_listener_uses() -> None:
    source = inspect.getsource(Connection)
    own = {*vars(Connection), *re.findall(r"self\.(\w+)(?:: .*)? = ", source)}
    assert set(re.findall(r"self\.(\w+)", source)) - own == PROTOCOL
    assert set(re.findall(r"self\.(conn|cycle|flow)\.(\w+)", source)) == PARTS
    assert {name for name in vars(Connection) if hasattr(H11Protocol, name) and not name.startswith("_")} == OVERRIDDEN
