from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.aws.budget import Budget, Priority, TokenBucket
from tests.support.clocks import ManualClock

some = settings(max_examples=60, deadline=None)
quotas = st.integers(1, 50)
shares = st.floats(0.02, 1)
A_SECOND = 0.999
AT_ONCE: Priority = (0, 0.0)


class Clock(ManualClock):
    """A clock on which whoever may go notes the time before it passes."""

    async def sleep(self, seconds: float) -> None:
        """Give way to other tasks, and then let the time pass."""
        await asyncio.sleep(0)
        await super().sleep(seconds)


def budget_of(quota: float, share: float) -> tuple[Budget, ManualClock]:
    """Return a full budget on a clock of its own."""
    clock = Clock(at=0.0)
    return Budget(TokenBucket(quota, share, clock.clock()), clock.clock()), clock


def bucket_of(quota: float, share: float) -> tuple[TokenBucket, ManualClock]:
    """Return a full bucket on a clock of its own."""
    budget, clock = budget_of(quota, share)
    return budget.bucket, clock


def taken(bucket: TokenBucket) -> int:
    """Return how many tokens there are, and leave none."""
    number = 0
    while not bucket.take():
        number += 1
    return number


async def ask(budget: Budget, clock: ManualClock, gaps: Sequence[float]) -> list[float]:
    """Ask for a call after each gap, and return when each was let through."""
    times: list[float] = []

    async def call() -> None:
        await budget.acquire(AT_ONCE)
        times.append(clock.at)

    async with asyncio.TaskGroup() as calls:
        for gap in gaps:
            if gap:
                await clock.sleep(gap)
            calls.create_task(call())
    return times


async def order_of(budget: Budget, priorities: Sequence[Priority], cancel: int | None = None) -> list[Priority]:
    """Queue up at an empty bucket, and return the priorities in the order in which they were let through."""
    taken(budget.bucket)
    served: list[Priority] = []

    async def call(priority: Priority) -> None:
        await budget.acquire(priority)
        served.append(priority)

    calls = [asyncio.ensure_future(call(priority)) for priority in priorities]
    await asyncio.sleep(0)
    if cancel is not None:
        calls[cancel].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return served


@some
@given(quotas, shares, st.lists(st.just(0.0) | st.floats(0.001, 3), max_size=120))
def test_no_window_of_a_second_holds_more_calls_than_the_quota(quota: int, share: float, gaps: list[float]) -> None:
    budget, clock = budget_of(quota, share)
    times = asyncio.run(ask(budget, clock, gaps))
    assert len(times) == len(gaps)
    for start in times:
        assert sum(start <= time < start + A_SECOND for time in times) <= quota


@some
@given(quotas, shares)
def test_the_rate_in_the_long_run_is_the_share_of_the_quota(quota: int, share: float) -> None:
    budget, clock = budget_of(quota, share)
    burst = taken(budget.bucket)
    asyncio.run(ask(budget, clock, [0.0] * 200))
    assert burst <= max(1, quota * share)
    # Nearly the whole quota leaves no room for a burst of one call: the rate makes it.
    rate = min(quota * share, max(quota - 1, quota / 2))
    assert clock.at * rate == pytest.approx(200, abs=1)


def test_unused_calls_are_not_saved_up() -> None:
    bucket, clock = bucket_of(10, 0.5)
    taken(bucket)
    clock.advance(3600)
    assert taken(bucket) == 5


def test_a_retry_is_paid_for_by_the_next_call() -> None:
    bucket, clock = bucket_of(10, 0.5)
    taken(bucket)
    for _ in range(3):
        bucket.charge()
    assert bucket.take() == pytest.approx(4 / 5)
    clock.advance(4 / 5 + 1e-9)
    assert taken(bucket) == 1


def test_throttling_halves_the_rate_once_in_a_window() -> None:
    bucket, clock = bucket_of(10, 0.5)
    for _ in range(8):
        bucket.throttled()
    assert bucket.ratio == 0.25
    assert bucket.take() == pytest.approx(1 / 2.5)
    clock.advance(0.5)
    bucket.throttled()
    assert bucket.ratio == pytest.approx(0.25, rel=0.02)
    clock.advance(0.5)
    bucket.throttled()
    assert bucket.ratio == pytest.approx(0.125, rel=0.05)


def test_throttling_without_end_leaves_a_rate() -> None:
    bucket, clock = bucket_of(10, 0.5)
    for _ in range(100):
        bucket.throttled()
        clock.advance(1)
    assert 0 < bucket.ratio < 0.05
    assert bucket.take() < 10


def test_the_rate_recovers_gradually_within_a_minute() -> None:
    bucket, clock = bucket_of(10, 0.5)
    for _ in range(10):
        clock.advance(1)
        bucket.throttled()
    ratios = [bucket.ratio]
    for _ in range(60):
        clock.advance(1)
        ratios.append(bucket.ratio)
    steps = [after - before for before, after in itertools.pairwise(ratios)]
    assert ratios[0] < 0.05
    assert all(0 <= step <= 0.5 / 50 for step in steps)
    assert ratios[30] < 0.5
    assert ratios[-1] == 0.5


@some
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1e6)), max_size=30))
def test_active_operations_go_first_and_then_those_tried_longest_ago(priorities: list[Priority]) -> None:
    budget, _ = budget_of(10, 0.5)
    assert asyncio.run(order_of(budget, priorities)) == sorted(priorities)


def test_a_more_urgent_call_overtakes_those_that_wait() -> None:
    served: list[str] = []

    async def urgent_one_comes_late() -> None:
        asleep, awake, clock = asyncio.Event(), asyncio.Event(), ManualClock(at=0.0)

        async def sleep(seconds: float) -> None:
            clock.advance(seconds)
            asleep.set()
            await awake.wait()

        budget = Budget(TokenBucket(10, 0.5, clock.clock()), replace(clock.clock(), sleep=sleep))
        taken(budget.bucket)

        async def call(name: str, priority: Priority) -> None:
            await budget.acquire(priority)
            served.append(name)

        async with asyncio.TaskGroup() as calls:
            calls.create_task(call("finished", (1, 0.0)))
            calls.create_task(call("old", (0, 5.0)))
            await asleep.wait()
            calls.create_task(call("older", (0, 4.0)))
            await asyncio.sleep(0)
            awake.set()

    asyncio.run(urgent_one_comes_late())
    assert served == ["older", "old", "finished"]


@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_a_cancelled_call_takes_no_token_and_blocks_nobody(cancelled: int) -> None:
    budget, clock = budget_of(10, 0.5)
    priorities: list[Priority] = [(0, 0.0), (0, 1.0), (0, 2.0)]
    served = asyncio.run(order_of(budget, priorities, cancel=cancelled))
    assert served == [one for number, one in enumerate(priorities) if number != cancelled]
    assert clock.at == pytest.approx(2 / 5)


def test_a_clock_that_jumps_back_stops_neither_calls_nor_throttling() -> None:
    bucket, clock = bucket_of(10, 0.5)
    clock.advance(7200)
    taken(bucket)
    bucket.throttled()
    clock.advance(-3600)
    assert bucket.take() == pytest.approx(1 / 2.5)
    clock.advance(1)
    assert bucket.take() == 0
    bucket.throttled()
    assert bucket.ratio == pytest.approx(0.125, rel=0.05)


@pytest.mark.parametrize(("tell", "ratio", "owed"), [(TokenBucket.charge, 0.5, 4000), (TokenBucket.throttled, 0.25, 0)])
def test_threads_that_report_at_once_lose_nothing(tell: Callable[[TokenBucket], None], ratio: float, owed: int) -> None:
    bucket, _ = bucket_of(10, 0.5)
    taken(bucket)
    start = threading.Barrier(8)

    def report() -> None:
        start.wait()
        for _ in range(500):
            tell(bucket)

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(report) for _ in range(8)]:
            done.result()
    assert bucket.ratio == ratio
    assert bucket.take() == pytest.approx((owed + 1) / (10 * ratio))
