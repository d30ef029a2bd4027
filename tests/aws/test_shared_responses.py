"""Answers that several kinds ask for: a reader that ends takes them from nobody else, the last one ends the call."""

from __future__ import annotations

import asyncio

from exporter.aws.shared_responses import SharedAnswers
from exporter.kinds.response import Answer
from tests.support.clocks import ManualClock


class Calls:
    """Calls that never get an answer; tells how many wait for one, and how many were begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.waiting = 0

    async def ask(self) -> Answer:
        """Wait until the call is given up."""
        self.begun += 1
        self.waiting += 1
        try:
            return await asyncio.Future[Answer]()
        finally:
            self.waiting -= 1


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_call_is_given_up_when_the_last_one_who_waits_for_it_ends() -> None:
    async def run() -> None:
        calls, shared = Calls(), SharedAnswers(10.0, ManualClock().clock())
        readers = [asyncio.create_task(shared.get("job", name, calls.ask)) for name in ("a", "b")]
        await _settle()
        readers[0].cancel()
        await _settle()
        assert (calls.begun, calls.waiting) == (1, 1)
        readers[1].cancel()
        await _settle()
        assert (calls.begun, calls.waiting) == (1, 0)

    asyncio.run(run())


def test_who_asks_while_a_call_is_being_given_up_begins_another_one() -> None:
    async def run() -> None:
        calls, shared = Calls(), SharedAnswers(10.0, ManualClock().clock())
        first = asyncio.create_task(shared.get("job", "a", calls.ask))
        await _settle()
        first.cancel()
        await asyncio.sleep(0)
        second = asyncio.create_task(shared.get("job", "b", calls.ask))
        await _settle()
        assert (calls.begun, calls.waiting, second.done()) == (2, 1, False)
        second.cancel()
        await _settle()

    asyncio.run(run())
