"""Budgets: a share of each AWS quota, given out one call at a time, in the order of need."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading

from exporter.core.clock import Clock

Priority = tuple[int, float]
"""Smaller goes first: 0 for active and 1 for finished operations, then when it was last tried."""

WINDOW = 1.0
"""Seconds over which AWS counts calls: no window of this length may hold more calls than the quota."""
RECOVERY = 60.0
"""Seconds in which a rate that was cut to nothing would be whole again."""
SMALLEST = 1 / 16
ROUNDING = 1e-4
"""What a token may lack: a wait for less might be too short to move a clock."""


class TokenBucket:
    """Calls per second up to a share of a quota; a throttling answer halves the rate, and it climbs back slowly.

    AWS: https://docs.aws.amazon.com/general/latest/gr/iot-core.html. Its methods may be called from any thread.
    """

    def __init__(self, quota: float, share: float, clock: Clock) -> None:
        self._quota = quota
        self._clock = clock
        self._capacity, self._rate = _limits(quota, share)
        self._tokens = self._capacity
        self._factor = 1.0
        self._at = self._halved_at = clock.monotonic()
        self._lock = threading.Lock()

    @property
    def ratio(self) -> float:
        """The share of AWS's quota that calls may use now."""
        with self._lock:
            self._pass_time()
            return self._rate / self._quota * self._factor

    def share(self, share: float) -> None:
        """Allow another share of the quota from now on. What is spent stays spent."""
        with self._lock:
            self._pass_time()
            self._capacity, self._rate = _limits(self._quota, share)
            self._tokens = min(self._tokens, self._capacity)

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until there may be one."""
        with self._lock:
            self._pass_time()
            if self._tokens >= 1.0 - ROUNDING:
                self._tokens -= 1.0
                return 0.0
            return (1.0 - self._tokens) / (self._rate * self._factor)

    def refund(self) -> None:
        """Give back a token that was taken and not used."""
        with self._lock:
            self._tokens += 1.0

    def charge(self) -> None:
        """Pay for an attempt that was made without asking, as botocore's retries are."""
        with self._lock:
            self._pass_time()
            self._tokens -= 1.0

    def throttled(self) -> None:
        """Halve the rate, once for all the answers of one window."""
        with self._lock:
            self._pass_time()
            if self._at - self._halved_at >= WINDOW or self._factor == 1.0:
                self._factor = max(SMALLEST, self._factor / 2)
                self._tokens = min(self._tokens, 0.0)
                self._halved_at = self._at

    def _pass_time(self) -> None:
        now = self._clock.monotonic()
        passed, self._at = max(0.0, now - self._at), now
        self._halved_at = min(self._halved_at, now)
        self._factor = min(1.0, self._factor + passed / RECOVERY)
        self._tokens = min(self._capacity, self._tokens + passed * self._rate * self._factor)


def _limits(quota: float, share: float) -> tuple[float, float]:
    """Return the burst and the rate, such that no window holds more calls than the quota."""
    capacity = max(1.0, min(quota * share, quota - quota * share) * WINDOW)
    return capacity, min(quota * share, max(quota - capacity, quota / 2))


class Budget:
    """A token bucket with a queue: who needs a token most gets the next one."""

    def __init__(self, bucket: TokenBucket, clock: Clock) -> None:
        self.bucket = bucket
        self._clock = clock
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._giver: asyncio.Task[None] | None = None

    async def acquire(self, priority: Priority) -> None:
        """Return when a call may be made."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, next(self._order), turn))
        if self._giver is None or self._giver.done():
            self._giver = asyncio.create_task(self._give())
        await turn

    async def _give(self) -> None:
        while self._waiting:
            if self._waiting[0][2].done():
                heapq.heappop(self._waiting)
            elif wait := self.bucket.take():
                await self._clock.sleep(wait)
            else:
                heapq.heappop(self._waiting)[2].set_result(None)
