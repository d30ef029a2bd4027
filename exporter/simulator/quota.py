"""AWS's quotas: a bucket of calls for each account, Region and API, filled again by and by."""

from __future__ import annotations

from exporter.kind import ApiCall
from exporter.simulator.callers import Caller

Key = tuple[str, str, str, str]


class Quotas:
    """How many calls each bucket still holds. A full one holds a second's worth.

    AWS: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    """

    def __init__(self) -> None:
        self._left: dict[Key, tuple[float, float]] = {}

    def allows(self, caller: Caller, call: ApiCall, now: float) -> bool:
        """Take one call from its bucket; tell whether there was one. ``now`` is in seconds."""
        key = (caller.account, caller.region, call.service, call.quota_name)
        left, at = self._left.get(key, (call.quota, now))
        left = min(call.quota, left + max(0.0, now - at) * call.quota)
        allowed = left >= 1
        self._left[key] = (left - 1 if allowed else left, now)
        return allowed
