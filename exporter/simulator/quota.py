"""AWS's quotas: so many calls in any second, for each account, Region and API."""

from __future__ import annotations

from collections import defaultdict, deque

from exporter.kinds.kind import ApiCall
from exporter.simulator.callers import Caller

Key = tuple[str, str, str, str]
WINDOW = 1.0
"""Seconds over which calls are counted."""


class Quotas:
    """When calls were made, as long as they count. It allows no burst: what passes here passes at AWS.

    AWS: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    """

    def __init__(self) -> None:
        self._made: dict[Key, deque[float]] = defaultdict(deque)

    def allows(self, caller: Caller, call: ApiCall, now: float) -> bool:
        """Count one call, and tell whether it is within the quota. ``now`` is in seconds."""
        made = self._made[caller.account, caller.region, call.service, call.quota_name]
        while made and not 0.0 <= now - made[0] < WINDOW:
            made.popleft()
        if len(made) >= call.quota:
            return False
        made.append(now)
        return True
