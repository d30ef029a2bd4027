"""A rate limit with the semantics of Go's ``rate.Limiter``."""

from __future__ import annotations

from collections.abc import Callable


class RateLimiter:
    """A token bucket: it holds ``burst`` tokens and gains one per ``interval`` seconds.

    As in exporter-toolkit, an interval of 0 or less means no limit, and a burst of 0 rejects every request.
    """

    def __init__(self, interval: float, burst: int, monotonic: Callable[[], float]) -> None:
        self._interval = interval
        self._burst = burst
        self._monotonic = monotonic
        self._tokens = float(burst)
        self._at = monotonic()

    def take_token(self) -> bool:
        """Return whether the next request is within the limit, and count it if it is."""
        if self._interval <= 0:
            return True
        now = self._monotonic()
        self._tokens = min(float(self._burst), self._tokens + (now - self._at) / self._interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
