"""Work that blocks, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")

NAME = "work"
"""What such a thread is called."""


async def in_thread(function: Callable[[], T]) -> T:
    """Return what a function gives, from a thread that does not delay the end of the process."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(outcome: Callable[[], None]) -> None:
        if not done.cancelled():
            outcome()

    def work() -> None:
        try:
            outcome = partial(done.set_result, function())
        except Exception as error:
            outcome = partial(done.set_exception, error)
        with suppress(RuntimeError):  # the loop ended before the work did
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, name=NAME, daemon=True).start()
    return await done
