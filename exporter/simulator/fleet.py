"""The operations of a scenario: find them by place and name, and return their state at a time."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.kinds.kind import ApiCall, Kind, Naming
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.simulator.scenario import PlannedOperation
from exporter.simulator.timeline import Stage, stage_at, stages_of

# A kind, an account id and a Region.
Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _RunningOperation:
    """A planned operation with its state at every time since it was created."""

    id: str
    planned: PlannedOperation
    created: float
    stages: Sequence[Stage]
    tags: tuple[tuple[str, str], ...]

    def at(self, now: float) -> SimulatedOperation | None:
        """Return the operation at a time, or None before it is created."""
        if now < self.created:
            return None
        has_ended = now >= self.created + self.stages[-1].at
        return self._simulated(stage_at(self.stages, now - self.created), has_ended)

    def at_each_stage(self) -> Iterator[SimulatedOperation]:
        """Yield the operation at each point of its timeline."""
        return (self._simulated(stage, stage is self.stages[-1]) for stage in self.stages)

    def _simulated(self, stage: Stage, has_ended: bool) -> SimulatedOperation:
        planned = self.planned
        return SimulatedOperation(
            id=self.id,
            account=planned.account,
            region=planned.region,
            status=stage.status,
            created=_utc(self.created),
            updated=_utc(self.created + stage.at),
            items=planned.items,
            succeeded=stage.succeeded,
            failed=stage.failed,
            retries=self._retries(stage),
            allowed_retries=tuple(planned.allowed_retries.items()),
            name=planned.name,
            input=planned.input,
            target=planned.target,
            continuous=planned.continuous,
            message=planned.message if has_ended else "",
            reason_code=planned.reason_code if has_ended else "",
            abort_percentage=planned.abort_percentage,
            error_codes=planned.error_codes if has_ended or stage.failed else (),
            reasons=tuple((entry.reason, entry.items) for entry in planned.failures),
            tags=self.tags,
        )

    def _retries(self, stage: Stage) -> int:
        last = self.stages[-1]
        done_at_the_end = last.succeeded + last.failed
        done = stage.succeeded + stage.failed
        return self.planned.retries * done // done_at_the_end if done_at_the_end else self.planned.retries


@dataclass(frozen=True, slots=True)
class Member:
    """An operation as a member of one kind: its own kind, or another kind that also lists it.

    ``convert`` returns the operation as that kind shows it, or None. ``example`` is the operation at any time when
    that kind shows it; its names never change.
    """

    operation: _RunningOperation
    convert: Callable[[SimulatedOperation], SimulatedOperation | None]
    example: SimulatedOperation

    def at(self, now: float) -> SimulatedOperation | None:
        """Return the operation at a time as the kind shows it, or None while it does not exist."""
        simulated = self.operation.at(now)
        return self.convert(simulated) if simulated else None


class Fleet:
    """All operations of a scenario. ``started`` is the Unix time at which the scenario begins."""

    def __init__(self, planned: Sequence[PlannedOperation], kinds: Sequence[Kind[Any]], started: float) -> None:
        by_name = {kind.name: kind for kind in kinds}
        by_place: dict[Place, list[Member]] = defaultdict(list)
        for operation in _running_operations(planned, started):
            for kind, member in _members(operation, by_name):
                by_place[kind, operation.planned.account, operation.planned.region].append(member)
        for members in by_place.values():
            members.sort(key=lambda member: member.operation.created, reverse=True)
        self._by_place = by_place
        self._by_name = {
            (*place, call.service, call.name): _members_by_name(members, by_name[place[0]].naming(call))
            for place, members in by_place.items()
            for call in _described_calls(by_name[place[0]])
        }

    def find(self, place: Place, call: ApiCall, name: str) -> Member | None:
        """Return the operation with this name in the requests of an API, even if it does not exist yet."""
        return self._by_name.get((*place, call.service, call.name), {}).get(name)

    def existing(self, place: Place, now: float) -> Iterator[tuple[int, SimulatedOperation]]:
        """Yield the existing operations, newest first, each with a rank that never changes."""
        for rank, member in enumerate(self._by_place.get(place, ())):
            if simulated := member.at(now):
                yield rank, simulated


def _described_calls(kind: Kind[Any]) -> Iterator[ApiCall]:
    yield from kind.simulation.responses
    yield from kind.simulation.item_responses


def _running_operations(planned: Sequence[PlannedOperation], started: float) -> Iterator[_RunningOperation]:
    for position, entry in enumerate(planned):
        stages, tags = stages_of(entry.timeline, entry.items), tuple(sorted(entry.tags.items()))
        for id in entry.ids(position):
            yield _RunningOperation(id, entry, started + entry.created, stages, tags)


def _members(operation: _RunningOperation, kinds: Mapping[str, Kind[Any]]) -> Iterator[tuple[str, Member]]:
    """Yield the operation as a member of each kind that shows it at any time."""
    own = operation.planned.kind
    for name, convert in {own: lambda simulated: simulated, **kinds[own].simulation.as_other_kinds}.items():
        example = next(filter(None, map(convert, operation.at_each_stage())), None)
        if example and name in kinds:
            yield name, Member(operation, convert, example)


def _members_by_name(members: Sequence[Member], naming: Naming) -> dict[str, Member]:
    return {naming.name(member.example): member for member in members}


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
