"""The operations of a scenario, by where they are and by how calls name them, as they are at a moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.simulator.scenario import Planned
from exporter.simulator.timeline import Stage, stages, state

Place = tuple[str, str, str]
"""A kind, an account and a Region."""
Names = Mapping[str, "Member"]
"""Operations by what a call names them."""


class _Life:
    """One planned operation from its creation on."""

    def __init__(self, planned: Planned, started: float) -> None:
        self.planned = planned
        self.created = started + planned.created
        self._stages = stages(planned.timeline, planned.items)

    def at(self, now: float) -> SimulatedOperation | None:
        """Return what the operation looks like, None before it is created."""
        if now < self.created:
            return None
        return self._simulated(state(self._stages, now - self.created), now >= self.created + self._stages[-1].at)

    def turns(self) -> Iterator[SimulatedOperation]:
        """Yield what the operation looks like at each point of its timeline."""
        return (self._simulated(stage, stage is self._stages[-1]) for stage in self._stages)

    def _simulated(self, stage: Stage, over: bool) -> SimulatedOperation:
        planned = self.planned
        return SimulatedOperation(
            id=planned.id,
            account=planned.account,
            region=planned.region,
            status=stage.status,
            created=_moment(self.created),
            updated=_moment(self.created + stage.at),
            items=planned.items,
            succeeded=stage.succeeded,
            failed=stage.failed,
            retries=self._retries(stage),
            name=planned.name,
            input=planned.input,
            target=planned.target,
            continuous=planned.continuous,
            message=planned.message if over else "",
            error_codes=planned.error_codes if over or stage.failed else (),
            tags=planned.tags,
        )

    def _retries(self, stage: Stage) -> int:
        last = self._stages[-1]
        in_the_end = last.succeeded + last.failed
        done = stage.succeeded + stage.failed
        return self.planned.retries * done // in_the_end if in_the_end else self.planned.retries


@dataclass(frozen=True, slots=True)
class Member:
    """An operation as one of a kind: its own, or another that it shows up as too.

    ``known`` is how it looks once in its life: its names are the same at any time.
    """

    life: _Life
    seen: Callable[[SimulatedOperation], SimulatedOperation | None]
    known: SimulatedOperation

    @property
    def planned_id(self) -> str:
        """The id in the scenario."""
        return self.life.planned.id

    def at(self, now: float) -> SimulatedOperation | None:
        """Return what it looks like as one of the kind, None while there is none."""
        simulated = self.life.at(now)
        return self.seen(simulated) if simulated else None


class Fleet:
    """Every operation of a scenario; ``started`` is the Unix time of the scenario's second 0."""

    def __init__(self, planned: Sequence[Planned], kinds: Sequence[Kind[Any]], started: float) -> None:
        by_name = {kind.name: kind for kind in kinds}
        by_place: dict[Place, list[Member]] = defaultdict(list)
        for one in planned:
            for kind, member in _members(_Life(one, started), by_name):
                by_place[kind, one.account, one.region].append(member)
        self._by_place = {place: _newest_first(members) for place, members in by_place.items()}
        self._by_name = {
            (*place, call.service, call.name): names
            for place, members in self._by_place.items()
            for call, names in _names(by_name[place[0]], members)
        }

    def find(self, place: Place, call: ApiCall, name: str) -> Member | None:
        """Return the operation that a call means by a name, whether or not it exists by now."""
        return self._by_name.get((*place, call.service, call.name), {}).get(name)

    def existing(self, place: Place, now: float) -> Iterator[tuple[int, SimulatedOperation]]:
        """Yield the operations that exist, newest first, each with a rank that it keeps when others come or go."""
        for rank, member in enumerate(self._by_place.get(place, ())):
            if simulated := member.at(now):
                yield rank, simulated


def _members(life: _Life, kinds: Mapping[str, Kind[Any]]) -> Iterator[tuple[str, Member]]:
    """Yield an operation as one of each kind that it is ever seen as."""
    own = life.planned.kind
    for name, seen in {own: _itself, **kinds[own].simulation.also_as}.items():
        known = next(filter(None, map(seen, life.turns())), None)
        if known and name in kinds:
            yield name, Member(life, seen, known)


def _itself(simulated: SimulatedOperation) -> SimulatedOperation | None:
    return simulated


def _newest_first(members: Sequence[Member]) -> Sequence[Member]:
    return sorted(members, key=lambda member: -member.life.created)


def _names(kind: Kind[Any], members: Sequence[Member]) -> Iterator[tuple[ApiCall, Names]]:
    """Yield each call about one operation of a kind, with all that it can name."""
    for call in kind.simulation.answers:
        naming = kind.naming(call)
        yield call, {naming.name(member.known): member for member in members}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
