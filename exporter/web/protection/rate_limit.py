"""A limit of requests as Go's ``rate.Limiter`` has it."""

from __future__ import annotations

from collections.abc import Callable


class RateLimiter:
    """Lets ``burst`` requests through at once and then one per ``interval`` seconds; without an interval all.

    A burst of 0 lets none through, an interval below 0 all: so does exporter-toolkit.
    """

    def __init__(self, interval: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._interval = interval
        self._burst = burst
        self._monotonic = monotonic
        self._tokens = float(burst)
        self._at = monotonic()

    def allows(self) -> bool:
        """Tell whether a request that comes now is answered."""
        if self._interval <= 0:
            return True
        now = self._monotonic()
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) / self._interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
