from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from exporter.aws.workers import Workers
from exporter.core.errors import ApiError, Reason

SOON = 0.02
NEVER = 600.0
HANGS = """
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


async def hang(workers: Workers, release: threading.Event) -> None:
    """Make a call that ends when it is released, and abandon it."""
    with pytest.raises(ApiError) as caught:
        await workers.run(release.wait, SOON)
    assert caught.value.reason is Reason.TIMEOUT


def test_a_call_gives_what_its_function_gives() -> None:
    assert asyncio.run(Workers(1).run(lambda: "answer", NEVER)) == "answer"


def test_an_exception_passes_through_and_gives_the_place_back() -> None:
    async def fail_and_call() -> int:
        workers = Workers(1)
        with pytest.raises(KeyError, match="member"):
            await workers.run(lambda: dict[str, int]()["member"], NEVER)
        return await workers.run(lambda: 7, NEVER)

    assert asyncio.run(fail_and_call()) == 7


def test_a_call_that_misses_its_deadline_is_abandoned_and_counted_until_it_ends() -> None:
    async def abandon() -> None:
        workers, release, both = Workers(2), threading.Event(), threading.Barrier(2, timeout=60)
        await hang(workers, release)
        await hang(workers, release)
        assert workers.abandoned == 2
        release.set()
        await asyncio.gather(workers.run(both.wait, NEVER), workers.run(both.wait, NEVER))
        assert workers.abandoned == 0

    asyncio.run(abandon())


def test_calls_go_on_beside_abandoned_ones_until_there_are_too_many_and_other_cells_go_on() -> None:
    async def fill() -> int:
        workers, release = Workers(2), threading.Event()
        for _ in range(2):
            await hang(workers, release)
        assert await workers.run(lambda: 6, NEVER) == 6
        for _ in range(2):
            await hang(workers, release)
        with pytest.raises(ApiError, match="every worker of the cell hangs"):
            await workers.run(lambda: 7, SOON)
        answer = await Workers(2).run(lambda: 8, NEVER)
        release.set()
        return answer

    assert asyncio.run(fill()) == 8


def test_no_more_calls_run_at_once_than_there_are_places() -> None:
    both, running, most = threading.Barrier(2, timeout=60), [0], [0]
    lock = threading.Lock()

    def call() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        both.wait()
        with lock:
            running[0] -= 1

    async def make_calls() -> None:
        workers = Workers(2)
        await asyncio.gather(*(workers.run(call, NEVER) for _ in range(6)))

    asyncio.run(make_calls())
    assert most == [2]


def test_a_call_that_ends_in_the_moment_it_is_cancelled_is_not_counted_for_ever() -> None:
    async def cancel_and_end_at_once() -> int:
        workers, release, started = Workers(1), threading.Event(), asyncio.get_running_loop().create_future()

        def call() -> None:
            started.get_loop().call_soon_threadsafe(started.set_result, threading.current_thread())
            release.wait()

        running = asyncio.ensure_future(workers.run(call, NEVER))
        thread: threading.Thread = await started
        release.set()
        thread.join()
        running.cancel()
        await asyncio.wait([running])
        assert await workers.run(lambda: 7, NEVER) == 7
        return workers.abandoned

    assert asyncio.run(cancel_and_end_at_once()) == 0


def test_a_caller_that_stops_waiting_for_a_place_takes_none() -> None:
    async def stop_waiting() -> int:
        workers, release = Workers(1), threading.Event()
        await hang(workers, release)
        waiting = asyncio.ensure_future(workers.run(lambda: 7, NEVER))
        await asyncio.sleep(0)
        waiting.cancel()
        release.set()
        return await workers.run(lambda: 8, NEVER)

    assert asyncio.run(stop_waiting()) == 8


def test_a_machine_without_threads_left_costs_the_call_and_no_place() -> None:
    async def call_without_threads() -> int:
        workers = Workers(1)
        before = threading.stack_size(1 << 46)
        try:
            with pytest.raises(ApiError, match="no thread is left"):
                await workers.run(lambda: 7, NEVER)
        finally:
            threading.stack_size(before)
        return await workers.run(lambda: 8, NEVER)

    assert asyncio.run(call_without_threads()) == 8


def test_a_call_that_hangs_does_not_delay_the_end_of_the_process() -> None:
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "timeout: the call took longer than its deadline\n"
    assert done.stderr == ""
