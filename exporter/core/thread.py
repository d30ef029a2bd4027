"""Blocking calls in daemon threads, which do not delay the end of the process."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

# Starts a function without waiting for it.
Start = Callable[[Callable[[], None]], None]

# The name of a thread while it runs a call, and while it waits for the next one.
THREAD_NAME = "blocking-call"
IDLE_NAME = "idle-thread"
# A thread ends after so many seconds without a call.
IDLE_SECONDS = 60.0


def start_thread(function: Callable[[], None]) -> None:
    """Start a daemon thread: it does not delay the end of the process. Raises RuntimeError if no thread is left."""
    threading.Thread(target=function, name=THREAD_NAME, daemon=True).start()


class ThreadPool:
    """Threads that are reused. It has no limit: a call starts at once, also while other calls hang.

    A thread that was idle for the shortest time gets the next call, so that surplus threads end.
    """

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._idle: list[tuple[threading.Thread, queue.SimpleQueue[Callable[[], None]]]] = []
        self._lock = threading.Lock()

    def start(self, function: Callable[[], None]) -> None:
        """Start a function without waiting for it. Raises RuntimeError if no thread can be started."""
        with self._lock:
            thread, calls = self._idle.pop() if self._idle else (None, None)
        if thread and calls:
            # The thread has a call from now on, although it has not woken up yet.
            thread.name = THREAD_NAME
            calls.put(function)
        else:
            start_thread(partial(self._work, function))

    def _work(self, function: Callable[[], None]) -> None:
        thread, calls = threading.current_thread(), queue.SimpleQueue[Callable[[], None]]()
        following: Callable[[], None] | None = function
        while following:
            following()
            # While the thread waits, it must not keep the function and its result.
            following = None
            thread.name = IDLE_NAME
            with self._lock:
                self._idle.append((thread, calls))
            following = self._next_call(thread, calls)

    def _next_call(
        self, thread: threading.Thread, calls: queue.SimpleQueue[Callable[[], None]]
    ) -> Callable[[], None] | None:
        try:
            return calls.get(timeout=self._idle_seconds)
        except queue.Empty:
            with self._lock:
                if (thread, calls) in self._idle:
                    self._idle.remove((thread, calls))
                    return None
        # A call has just been given to this thread.
        return calls.get()


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
