"""The rate limit of requests, with the semantics of Go's ``rate.Limiter``."""

from __future__ import annotations

from collections.abc import Callable

from exporter.web.protection.config_file import RateLimit


class RateLimiter:
    """A token bucket: it contains ``burst`` tokens at most and gains one per ``interval`` seconds.

    As in exporter-toolkit, an interval of 0 or less means no limit, and a burst of 0 rejects every request.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._limit = RateLimit()
        self._tokens = 0.0
        self._at = monotonic()

    def take_token(self, limit: RateLimit) -> bool:
        """Return whether the next request is within the limit. A changed limit begins with a full bucket."""
        now = self._monotonic()
        if limit != self._limit:
            self._limit, self._tokens, self._at = limit, float(limit.burst), now
        if limit.interval <= 0:
            return True
        self._tokens = min(float(limit.burst), self._tokens + (now - self._at) / limit.interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
