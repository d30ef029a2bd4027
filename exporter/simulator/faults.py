"""Choose what goes wrong for a request, and do it to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import floor

from exporter.simulator.callers import Caller
from exporter.simulator.scenario import Fault
from exporter.simulator.wire import Reply, Target


class Faults:
    """The faults of a scenario, with a count of the requests that each has met."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._met = [0] * len(self._faults)

    def choose(self, caller: Caller, target: Target, elapsed: float) -> Fault | None:
        """Return the first fault that fits. A share below 1 is spread evenly, so that a run repeats exactly."""
        for number, fault in enumerate(self._faults):
            if not _fits(fault, caller, target, elapsed):
                continue
            self._met[number] += 1
            met = self._met[number]
            if floor(met * fault.share) > floor((met - 1) * fault.share):
                return fault
        return None


def instead(fault: Fault) -> Reply | None:
    """Return the body that a fault answers with, None if it has none."""
    if fault.body is None:
        return None
    return Reply(fault.status or 200, fault.body.encode(errors="replace"), fault.content_type)


def damaged(fault: Fault, reply: Reply) -> Reply:
    """Return an answer of which a fault sends but the first bytes, although its length announces all."""
    return reply if fault.cut is None else replace(reply, sent=min(fault.cut, len(reply.body)))


def _fits(fault: Fault, caller: Caller, target: Target, elapsed: float) -> bool:
    asked = (fault.account, fault.region, fault.service, fault.api, fault.id)
    given = (caller.account, caller.region, target.service, target.api, target.id)
    in_time = fault.since <= elapsed and (fault.until is None or elapsed < fault.until)
    return in_time and all(one is None or one == other for one, other in zip(asked, given, strict=True))
