"""A simulated AWS for pods, which can hold its responses back."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from starlette.types import Receive, Scope, Send

from exporter.aws.models import Models
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support.servers import serve_app
from tests.support.waiting import TIMEOUT_SECONDS

PAUSE = 0.05


@dataclass(slots=True)
class HeldAws:
    """A simulated AWS: its URL, and whether it holds its responses back and has a request without a response."""

    url: str = ""
    is_holding: bool = False
    has_request: Event = field(default_factory=Event)

    @contextmanager
    def hold_responses(self) -> Iterator[None]:
        """Hold every response back until the block ends."""
        self.has_request.clear()
        self.is_holding = True
        try:
            yield
        finally:
            self.is_holding = False

    def wait_for_request(self) -> None:
        """Wait for a request whose response is held back."""
        assert self.has_request.wait(TIMEOUT_SECONDS), "no request to AWS"

    async def respond(self) -> None:
        """Return when a response may be sent."""
        while self.is_holding:
            self.has_request.set()
            await asyncio.sleep(PAUSE)


@contextmanager
def serve_held_aws(scenario: str, host: str) -> Iterator[HeldAws]:
    """Serve the simulator with a scenario on an address while the block runs."""
    simulator = application(parse_scenario(scenario, KINDS), KINDS, Models())
    aws = HeldAws()

    async def held(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await aws.respond()
        await simulator(scope, receive, send)

    with serve_app(held, host=host) as url:
        aws.url = url
        yield aws
