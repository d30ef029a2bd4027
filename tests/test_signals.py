"""Signals reach a busy process: those that are lost would be a reload that never comes, or an end that does not."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from exporter.web.server import hear

MANY = 100_000
"""More than any pipe holds."""


@pytest.fixture
def number() -> Iterator[signal.Signals]:
    """A signal that nobody else listens to, as it was before when the test is over."""
    before = signal.getsignal(signal.SIGUSR1)
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_is_heard_while_threads_tell_the_loop_more_than_it_takes(number: signal.Signals) -> None:
    async def run() -> None:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        hear(number, heard.set)
        for _ in range(MANY):
            loop.call_soon_threadsafe(lambda: None)
        os.kill(os.getpid(), number)
        await asyncio.wait_for(heard.wait(), timeout=60)

    asyncio.run(run())


def test_a_signal_wakes_a_loop_that_has_nothing_to_do(number: signal.Signals) -> None:
    async def run() -> None:
        heard = asyncio.Event()
        hear(number, heard.set)
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), number)
        await asyncio.wait_for(heard.wait(), timeout=60)

    asyncio.run(run())
