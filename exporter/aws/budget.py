"""Quota budgets: the exporter's share of each AWS quota, granted to one call at a time by priority."""

import asyncio
import heapq
import itertools
import threading

from exporter.core.clock import Clock
from exporter.kinds.kind import ApiCall
from exporter.metrics.self_metrics import BudgetKey

# Smaller priorities go first: 0 for active and 1 for finished operations, then the time of the last attempt.
Priority = tuple[int, float]

# Seconds over which AWS counts calls. No window of this length may contain more calls than the quota.
WINDOW = 1.0
# Seconds in which a rate of zero would recover completely.
RECOVERY = 60.0
MIN_FACTOR = 1 / 16
# A token may lack this much: waiting for less may be too short for the clock to advance.
ROUNDING = 1e-4


class TokenBucket:
    """Limits calls per second to a share of a quota. A throttled response halves the rate, which recovers slowly.

    AWS: https://docs.aws.amazon.com/general/latest/gr/iot-core.html. Every method is thread-safe.
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
        """The share of the AWS quota that calls may use now, from 0 to 1."""
        with self._lock:
            self._update()
            return self._rate / self._quota * self._factor

    def set_share(self, share: float) -> None:
        """Change the share of the quota. Spent tokens stay spent."""
        with self._lock:
            self._update()
            self._capacity, self._rate = _limits(self._quota, share)
            self._tokens = min(self._tokens, self._capacity)

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until a token is available."""
        with self._lock:
            self._update()
            if self._tokens >= 1.0 - ROUNDING:
                self._tokens -= 1.0
                return 0.0
            return (1.0 - self._tokens) / (self._rate * self._factor)

    def refund(self) -> None:
        """Return a token that was taken and not used."""
        with self._lock:
            self._tokens += 1.0

    def charge(self) -> None:
        """Subtract a token for a request that did not take one, such as a retry of botocore."""
        with self._lock:
            self._update()
            self._tokens -= 1.0

    def slow_down(self) -> None:
        """Halve the rate, once for all throttled responses of one window."""
        with self._lock:
            self._update()
            if self._at - self._halved_at >= WINDOW or self._factor == 1.0:
                self._factor = max(MIN_FACTOR, self._factor / 2)
                self._tokens = min(self._tokens, 0.0)
                self._halved_at = self._at

    def _update(self) -> None:
        now = self._clock.monotonic()
        passed, self._at = max(0.0, now - self._at), now
        self._halved_at = min(self._halved_at, now)
        self._factor = min(1.0, self._factor + passed / RECOVERY)
        self._tokens = min(self._capacity, self._tokens + passed * self._rate * self._factor)


def _limits(quota: float, share: float) -> tuple[float, float]:
    """Return the burst and the rate with which no window contains more calls than the quota."""
    capacity = max(1.0, min(quota * share, quota - quota * share) * WINDOW)
    return capacity, min(quota * share, max(quota - capacity, quota / 2))


class Budget:
    """A token bucket with a queue. The call with the smallest priority gets the next token."""

    def __init__(self, bucket: TokenBucket, clock: Clock) -> None:
        self.bucket = bucket
        self._clock = clock
        self._queue: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        self._task: asyncio.Task[None] | None = None

    async def acquire(self, priority: Priority) -> None:
        """Wait until a call may be made."""
        # Most calls find a token and no queue. They need no task that grants tokens by priority.
        if not self._queue and (self._task is None or self._task.done()) and not self.bucket.take():
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._queue, (priority, next(self._order), granted))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._grant())
        await granted

    async def _grant(self) -> None:
        while self._queue:
            if self._queue[0][2].done():
                heapq.heappop(self._queue)
            elif wait := self.bucket.take():
                await self._clock.sleep(wait)
            else:
                heapq.heappop(self._queue)[2].set_result(None)


class Budgets:
    """The budgets of the process by account id, Region and API.

    A budget is created at its first use and never removed, so that no new configuration refills a bucket.
    """

    def __init__(self, share: float, clock: Clock) -> None:
        self._share = share
        self._clock = clock
        self._budgets: dict[BudgetKey, Budget] = {}
        self._buckets: dict[BudgetKey, TokenBucket] = {}

    def budget(self, account_id: str, region: str, call: ApiCall) -> Budget:
        """Return the budget of an API."""
        key = (account_id, region, call.service, call.quota_name)
        if key not in self._budgets:
            self._budgets[key] = Budget(TokenBucket(call.quota, self._share, self._clock), self._clock)
        self._buckets[account_id, region, call.service, call.name] = self._budgets[key].bucket
        return self._budgets[key]

    def bucket(self, account_id: str, region: str, service: str, api: str) -> TokenBucket | None:
        """Return the bucket that pays for a request, or None for an API without a budget, such as those of STS."""
        return self._buckets.get((account_id, region, service, api))

    def set_share(self, share: float) -> None:
        """Change the share of each quota."""
        self._share = share
        for budget in self._budgets.values():
            budget.bucket.set_share(share)

    def ratio(self, key: BudgetKey) -> float | None:
        """Return the share of the AWS quota that a budget allows now, None before its first use. It is thread-safe."""
        budget = self._budgets.get(key)
        return budget.bucket.ratio if budget else None

    def in_use(self) -> tuple[BudgetKey, ...]:
        """Return the keys of the budgets in use. This method is thread-safe."""
        return tuple(self._budgets)
