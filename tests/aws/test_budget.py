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

few_examples = settings(max_examples=60, deadline=None)
quotas = st.integers(1, 50)
shares = st.floats(0.02, 1)
A_SECOND = 0.999
AT_ONCE: Priority = (0, 0.0)


class Clock(ManualClock):
    """A clock that lets other tasks run before it advances."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        await super().sleep(seconds)


def budget_of(quota: float = 10, share: float = 0.5) -> tuple[Budget, ManualClock]:
    clock = Clock(at=0.0)
    return Budget(TokenBucket(quota, share, clock.clock()), clock.clock()), clock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(at=0.0)


@pytest.fixture
def bucket(clock: ManualClock) -> TokenBucket:
    """The bucket of half a quota of 10 calls per second."""
    return TokenBucket(10, 0.5, clock.clock())


def empty(bucket: TokenBucket) -> int:
    """Take all tokens and return their number."""
    number = 0
    while not bucket.take():
        number += 1
    return number


async def call_times(budget: Budget, clock: ManualClock, gaps: Sequence[float]) -> list[float]:
    """Request a call after each gap, and return the time of each call."""
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


async def call_order(budget: Budget, priorities: Sequence[Priority], cancel: int | None = None) -> list[Priority]:
    """Request calls while the bucket is empty, and return the priorities in the order of the calls."""
    empty(budget.bucket)
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


@few_examples
@given(quotas, shares, st.lists(st.just(0.0) | st.floats(0.001, 3), max_size=120))
def test_no_second_has_more_calls_than_the_quota(quota: int, share: float, gaps: list[float]) -> None:
    budget, clock = budget_of(quota, share)
    times = asyncio.run(call_times(budget, clock, gaps))
    assert len(times) == len(gaps)
    for start in times:
        assert sum(start <= time < start + A_SECOND for time in times) <= quota


@few_examples
@given(quotas, shares)
def test_the_long_term_rate_is_the_share_of_the_quota(quota: int, share: float) -> None:
    budget, clock = budget_of(quota, share)
    burst = empty(budget.bucket)
    asyncio.run(call_times(budget, clock, [0.0] * 200))
    assert burst <= max(1, quota * share)
    # A share of nearly 1 lowers the rate, so that a burst of one call fits into the quota.
    rate = min(quota * share, max(quota - 1, quota / 2))
    assert clock.at * rate == pytest.approx(200, abs=1)


def test_unused_calls_are_not_saved_up(bucket: TokenBucket, clock: ManualClock) -> None:
    empty(bucket)
    clock.advance(3600)
    assert empty(bucket) == 5


def test_a_retry_delays_the_next_call(bucket: TokenBucket, clock: ManualClock) -> None:
    empty(bucket)
    for _ in range(3):
        bucket.charge()
    assert bucket.take() == pytest.approx(4 / 5)
    clock.advance(4 / 5 + 1e-9)
    assert empty(bucket) == 1


def test_throttling_halves_the_rate_once_per_window(bucket: TokenBucket, clock: ManualClock) -> None:
    for _ in range(8):
        bucket.slow_down()
    assert bucket.ratio == 0.25
    assert bucket.take() == pytest.approx(1 / 2.5)
    clock.advance(0.5)
    bucket.slow_down()
    assert bucket.ratio == pytest.approx(0.25, rel=0.02)
    clock.advance(0.5)
    bucket.slow_down()
    assert bucket.ratio == pytest.approx(0.125, rel=0.05)


def test_continued_throttling_never_stops_all_calls(bucket: TokenBucket, clock: ManualClock) -> None:
    for _ in range(100):
        bucket.slow_down()
        clock.advance(1)
    assert 0 < bucket.ratio < 0.05
    assert bucket.take() < 10


def test_the_rate_recovers_gradually_within_a_minute(bucket: TokenBucket, clock: ManualClock) -> None:
    for _ in range(10):
        clock.advance(1)
        bucket.slow_down()
    ratios = [bucket.ratio]
    for _ in range(60):
        clock.advance(1)
        ratios.append(bucket.ratio)
    steps = [after - before for before, after in itertools.pairwise(ratios)]
    assert ratios[0] < 0.05
    assert all(0 <= step <= 0.5 / 50 for step in steps)
    assert ratios[30] < 0.5
    assert ratios[-1] == 0.5


@few_examples
@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1e6)), max_size=30))
def test_active_operations_go_first_then_the_oldest_attempt(priorities: list[Priority]) -> None:
    budget, _ = budget_of()
    assert asyncio.run(call_order(budget, priorities)) == sorted(priorities)


@pytest.mark.anyio
async def test_a_more_urgent_call_overtakes_waiting_ones(bucket: TokenBucket, clock: ManualClock) -> None:
    served: list[str] = []
    asleep, awake = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        clock.advance(seconds)
        asleep.set()
        await awake.wait()

    budget = Budget(bucket, replace(clock.clock(), sleep=sleep))
    empty(bucket)

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
    assert served == ["older", "old", "finished"]


@pytest.mark.parametrize("cancelled", [0, 1, 2])
def test_a_cancelled_call_takes_no_token_and_blocks_no_other(cancelled: int) -> None:
    budget, clock = budget_of()
    priorities: list[Priority] = [(0, 0.0), (0, 1.0), (0, 2.0)]
    served = asyncio.run(call_order(budget, priorities, cancel=cancelled))
    del priorities[cancelled]
    assert served == priorities
    assert clock.at == pytest.approx(2 / 5)


def test_a_clock_that_jumps_back_stops_no_calls_and_no_throttling(bucket: TokenBucket, clock: ManualClock) -> None:
    clock.advance(7200)
    empty(bucket)
    bucket.slow_down()
    clock.advance(-3600)
    assert bucket.take() == pytest.approx(1 / 2.5)
    clock.advance(1)
    assert bucket.take() == 0
    bucket.slow_down()
    assert bucket.ratio == pytest.approx(0.125, rel=0.05)


@pytest.mark.parametrize(
    ("report", "ratio", "owed"), [(TokenBucket.charge, 0.5, 4000), (TokenBucket.slow_down, 0.25, 0)]
)
def test_concurrent_reports_are_all_counted(
    bucket: TokenBucket, report: Callable[[TokenBucket], None], ratio: float, owed: int
) -> None:
    empty(bucket)
    start = threading.Barrier(8)

    def repeat() -> None:
        start.wait()
        for _ in range(500):
            report(bucket)

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(repeat) for _ in range(8)]:
            done.result()
    assert bucket.ratio == ratio
    assert bucket.take() == pytest.approx((owed + 1) / (10 * ratio))
