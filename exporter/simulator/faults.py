"""Choose what goes wrong for a request, and do it to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import floor

from exporter.simulator.callers import Caller
from exporter.simulator.edits import Edits, edited
from exporter.simulator.scenario import Fault
from exporter.simulator.wire import Delivery, Reply, Target


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


def edited_by(fault: Fault, reply: Reply) -> Reply:
    """Return the true answer as a fault changes it."""
    edits = Edits(fault.replace or {}, fault.remove or (), fault.double or ())
    return reply if edits == Edits() else edited(reply, edits)


def delivered(fault: Fault, reply: Reply) -> Reply:
    """Return an answer with the headers of a fault, and how it leaves; its length announces all of it."""
    headers = {**reply.headers, **(fault.headers or {})}
    return replace(reply, headers=headers, delivery=_delivery(fault, len(reply.body)))


def _delivery(fault: Fault, length: int) -> Delivery:
    if fault.cut is not None:
        return Delivery(sent=min(fault.cut, length))
    if fault.hang is not None:
        return Delivery(head=fault.hang == "body", sent=length // 2, hangs=True)
    return Delivery(rate=fault.drip or 0)


def _fits(fault: Fault, caller: Caller, target: Target, elapsed: float) -> bool:
    asked = (fault.account, fault.region, fault.service, fault.api, fault.id)
    given = (caller.account, caller.region, target.service, target.api, target.id)
    in_time = fault.since <= elapsed and (fault.until is None or elapsed < fault.until)
    return in_time and all(one is None or one == other for one, other in zip(asked, given, strict=True))
