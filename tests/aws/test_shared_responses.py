"""Responses that several kinds need: a call is cancelled only when no reader waits for it any more."""

import asyncio

from exporter.aws.shared_responses import SharedResponses
from exporter.kinds.response import Response
from tests.support.clocks import ManualClock


class Calls:
    """Calls without a response. Counts those that started and those that are still running."""

    def __init__(self) -> None:
        self.started = 0
        self.running = 0

    async def call(self) -> Response:
        self.started += 1
        self.running += 1
        try:
            return await asyncio.Future[Response]()
        finally:
            self.running -= 1


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_call_is_cancelled_with_its_last_reader() -> None:
    async def run() -> None:
        calls, shared = Calls(), SharedResponses(10.0, ManualClock().clock())
        readers = [asyncio.create_task(shared.get("job", name, calls.call)) for name in ("a", "b")]
        for reader, running in zip(readers, (1, 0), strict=True):
            await _settle()
            reader.cancel()
            await _settle()
            assert (calls.started, calls.running) == (1, running)

    asyncio.run(run())


def test_a_reader_starts_a_new_call_while_the_last_one_is_cancelled() -> None:
    async def run() -> None:
        calls, shared = Calls(), SharedResponses(10.0, ManualClock().clock())
        first = asyncio.create_task(shared.get("job", "a", calls.call))
        await _settle()
        first.cancel()
        await asyncio.sleep(0)
        second = asyncio.create_task(shared.get("job", "b", calls.call))
        await _settle()
        assert (calls.started, calls.running, second.done()) == (2, 1, False)
        second.cancel()
        await _settle()

    asyncio.run(run())
