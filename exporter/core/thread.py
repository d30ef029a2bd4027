"""Blocking calls, each in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

# Starts a function without waiting for it.
Start = Callable[[Callable[[], None]], None]

THREAD_NAME = "blocking-call"


def start_thread(function: Callable[[], None]) -> None:
    """Start a daemon thread: it does not delay the end of the process. Raises RuntimeError if no thread is left."""
    threading.Thread(target=function, name=THREAD_NAME, daemon=True).start()


def start_call(
    function: Callable[[], T],
    on_end: Callable[[asyncio.Future[Any]], None] = lambda future: None,
    start: Start = start_thread,
) -> asyncio.Future[T]:
    """Start a blocking function and return the future of its result. Raises what ``start`` raises.

    When the function has ended, the event loop calls ``on_end`` with the future, even if the future was cancelled.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def end(settle: Callable[[], None]) -> None:
        on_end(future)
        if not future.cancelled():
            settle()

    def call() -> None:
        try:
            settle = partial(future.set_result, function())
        except Exception as error:
            settle = partial(future.set_exception, error)
        # The loop may have ended before the function did.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(end, settle)

    start(call)
    return future


async def in_thread(function: Callable[[], T]) -> T:
    """Return the result of a blocking function that runs in a daemon thread."""
    return await start_call(function)
