import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from exporter.aws.workers import Workers
from exporter.core.errors import ApiError, Reason

pytestmark = pytest.mark.anyio
SOON = 0.02
NEVER = 600.0
HANGING_CALL = """
import asyncio, threading
from exporter.aws.workers import Workers
from exporter.core.errors import ApiError

async def main():
    try:
        await Workers(1).run(threading.Event().wait, 0.02)
    except ApiError as error:
        print(error)

asyncio.run(main())
"""


class Threads:
    """Starts a thread for each call, and can wait for the end of all of them."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def start(self, function: Callable[[], None]) -> None:
        self._threads.append(threading.Thread(target=function, daemon=True))
        self._threads[-1].start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


async def abandon_call(workers: Workers, release: threading.Event) -> None:
    """Make a call that ends when it is released, and abandon it."""
    with pytest.raises(ApiError) as caught:
        await workers.run(release.wait, SOON)
    assert caught.value.reason is Reason.TIMEOUT


async def test_a_call_returns_the_result_of_its_function() -> None:
    assert await Workers(1).run(lambda: "result", NEVER) == "result"


async def test_an_exception_becomes_an_api_error_and_frees_the_slot() -> None:
    workers = Workers(1)
    with pytest.raises(ApiError, match="cannot be parsed"):
        await workers.run(lambda: dict[str, int]()["member"], NEVER)
    assert await workers.run(lambda: 7, NEVER) == 7


async def test_an_abandoned_call_is_counted_until_it_ends() -> None:
    threads, release = Threads(), threading.Event()
    workers = Workers(2, threads.start)
    await abandon_call(workers, release)
    await abandon_call(workers, release)
    assert workers.abandoned == 2
    release.set()
    threads.join()
    # Each thread has reported its end to the event loop, which now handles the reports.
    await asyncio.sleep(0)
    assert workers.abandoned == 0


async def test_abandoned_calls_block_their_cell_only_above_the_limit_and_never_another_cell() -> None:
    workers, release = Workers(2), threading.Event()
    for _ in range(2):
        await abandon_call(workers, release)
    assert await workers.run(lambda: 6, NEVER) == 6
    for _ in range(2):
        await abandon_call(workers, release)
    with pytest.raises(ApiError, match="all calls of the cell hang"):
        await workers.run(lambda: 7, SOON)
    assert await Workers(2).run(lambda: 8, NEVER) == 8
    release.set()


async def test_no_more_calls_run_at_the_same_time_than_there_are_slots() -> None:
    both, running, most = threading.Barrier(2, timeout=300), [0], [0]
    lock = threading.Lock()

    def call() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        both.wait()
        with lock:
            running[0] -= 1

    workers = Workers(2)
    await asyncio.gather(*(workers.run(call, NEVER) for _ in range(6)))
    assert most == [2]


async def test_a_call_that_ends_while_it_is_cancelled_is_not_counted_afterwards() -> None:
    threads, release = Threads(), threading.Event()
    workers = Workers(1, threads.start)
    running = asyncio.ensure_future(workers.run(release.wait, NEVER))
    await asyncio.sleep(0)
    release.set()
    threads.join()
    running.cancel()
    await asyncio.wait([running])
    assert await workers.run(lambda: 7, NEVER) == 7
    assert workers.abandoned == 0


async def test_a_cancelled_caller_takes_no_slot() -> None:
    workers, release = Workers(1), threading.Event()
    await abandon_call(workers, release)
    waiting = asyncio.ensure_future(workers.run(lambda: 7, NEVER))
    await asyncio.sleep(0)
    waiting.cancel()
    release.set()
    assert await workers.run(lambda: 8, NEVER) == 8


async def test_a_system_without_free_threads_fails_the_call_and_frees_the_slot() -> None:
    workers = Workers(1)
    before = threading.stack_size(1 << 46)
    try:
        with pytest.raises(ApiError, match="cannot start a thread"):
            await workers.run(lambda: 7, NEVER)
    finally:
        threading.stack_size(before)
    assert await workers.run(lambda: 8, NEVER) == 8


def test_a_hanging_call_does_not_delay_the_end_of_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGING_CALL], capture_output=True, text=True, timeout=300, check=True)
    assert (done.stdout, done.stderr) == ("timeout: the call took longer than its deadline\n", "")


async def test_calls_that_wait_for_a_slot_start_as_soon_as_slots_are_free() -> None:
    workers, release = Workers(2), threading.Event()

    async def call() -> int:
        # As the gateway does: a call that finds no free slot after its wait waits again.
        while not workers.has_free_slot:
            await workers.wait_for_slot(NEVER)
            await asyncio.sleep(0)
        return await workers.run(lambda: 7, NEVER)

    running = [asyncio.create_task(workers.run(release.wait, NEVER)) for _ in range(2)]
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(call()) for _ in range(6)]
    await asyncio.sleep(0)
    release.set()
    assert await asyncio.wait_for(asyncio.gather(*waiting), 30) == [7] * 6
    assert await asyncio.gather(*running) == [True] * 2
