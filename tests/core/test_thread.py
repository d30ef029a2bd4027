"""Threads for blocking calls are reused, and a call that hangs delays no other call."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from exporter.core.thread import IDLE_NAME, THREAD_NAME, ThreadPool, start_call
from tests.support.waiting import wait_until

MANY = 20


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


async def thread_of_call(pool: ThreadPool) -> int:
    """Return the thread that ran a call, once it waits for the next call."""
    thread = await start_call(threading.current_thread, start=pool.start)
    await asyncio.to_thread(wait_until, lambda: thread.name == IDLE_NAME or None, "an idle thread")
    return thread.ident or 0


def test_calls_one_after_the_other_use_the_same_thread() -> None:
    async def threads() -> set[int]:
        pool = ThreadPool()
        return {await thread_of_call(pool) for _ in range(MANY)}

    assert len(run(threads())) == 1


def test_a_call_that_hangs_keeps_its_thread_and_delays_no_other_call() -> None:
    async def threads() -> set[int]:
        pool, release = ThreadPool(), threading.Event()
        hanging = [start_call(release.wait, start=pool.start) for _ in range(MANY)]
        used = {await thread_of_call(pool) for _ in range(3)}
        assert not any(future.done() for future in hanging)
        release.set()
        await asyncio.gather(*hanging)
        return used

    assert len(run(threads())) == 1


def test_an_exception_of_a_call_leaves_its_thread_usable() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def results() -> list[Any]:
        pool = ThreadPool()
        calls = (fail, lambda: 7)
        return [await asyncio.gather(start_call(call, start=pool.start), return_exceptions=True) for call in calls]

    [[error], [result]] = run(results())
    assert isinstance(error, ValueError)
    assert result == 7


def test_a_thread_ends_if_it_gets_no_further_call() -> None:
    async def thread() -> threading.Thread:
        return await start_call(threading.current_thread, start=ThreadPool(idle_seconds=0.0).start)

    used: threading.Thread = run(thread())
    used.join(10)
    assert not used.is_alive()


def test_a_pool_whose_idle_thread_ended_starts_another_one() -> None:
    async def threads() -> set[threading.Thread]:
        pool, used = ThreadPool(idle_seconds=0.0), set()
        for _ in range(2):
            thread = await start_call(threading.current_thread, start=pool.start)
            thread.join(10)
            used.add(thread)
        return used

    assert len(run(threads())) == 2


def test_an_idle_thread_counts_as_busy_from_the_moment_it_gets_a_call() -> None:
    async def name_at_start() -> str:
        pool, release = ThreadPool(), threading.Event()
        thread = await start_call(threading.current_thread, start=pool.start)
        await asyncio.to_thread(wait_until, lambda: thread.name == IDLE_NAME or None, "an idle thread")
        call = start_call(release.wait, start=pool.start)
        name: str = thread.name
        release.set()
        await call
        return name

    assert run(name_at_start()) == THREAD_NAME
