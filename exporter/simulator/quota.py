"""The AWS quotas: a maximum number of calls in any second, for each account, Region and API."""

from collections import defaultdict, deque

from exporter.kinds.kind import ApiCall
from exporter.simulator.callers import Caller

# Seconds over which calls are counted.
WINDOW = 1.0


class Quotas:
    """The times of recent calls. Bursts are not allowed, so that calls within this limit also pass at AWS.

    AWS: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
    """

    def __init__(self) -> None:
        self._times: dict[tuple[str, str, str, str], deque[float]] = defaultdict(deque)

    def allows(self, caller: Caller, call: ApiCall, now: float) -> bool:
        """Count a call and return whether it is within the quota. ``now`` is in seconds."""
        times = self._times[caller.account, caller.region, call.service, call.quota_name]
        while times and not 0.0 <= now - times[0] < WINDOW:
            times.popleft()
        if len(times) >= call.quota:
            return False
        times.append(now)
        return True
