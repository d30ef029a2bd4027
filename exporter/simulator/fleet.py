"""The operations of a scenario, by where they are, as they are at a moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from exporter.simulated import Simulated
from exporter.simulator.scenario import Planned
from exporter.simulator.timeline import Stage, stages, state

Place = tuple[str, str, str]
"""A kind, an account and a Region."""


class _Life:
    """One planned operation from its creation on."""

    def __init__(self, planned: Planned, started: float) -> None:
        self.planned = planned
        self.created = started + planned.created
        self._stages = stages(planned.timeline, planned.items)

    def at(self, now: float) -> Simulated | None:
        """Return what the operation looks like, None before it is created."""
        if now < self.created:
            return None
        return self._simulated(state(self._stages, now - self.created), now >= self.created + self._stages[-1].at)

    def _simulated(self, stage: Stage, over: bool) -> Simulated:
        planned = self.planned
        return Simulated(
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
            input=planned.input,
            message=planned.message if over else "",
            error_codes=planned.error_codes if over or stage.failed else (),
            tags=planned.tags,
        )

    def _retries(self, stage: Stage) -> int:
        last = self._stages[-1]
        in_the_end = last.succeeded + last.failed
        done = stage.succeeded + stage.failed
        return self.planned.retries * done // in_the_end if in_the_end else self.planned.retries


class Fleet:
    """Every operation of a scenario; ``started`` is the Unix time of the scenario's second 0."""

    def __init__(self, planned: Sequence[Planned], started: float) -> None:
        self._by_place: dict[Place, list[_Life]] = defaultdict(list)
        for one in planned:
            self._by_place[one.kind, one.account, one.region].append(_Life(one, started))
        for lives in self._by_place.values():
            lives.sort(key=lambda life: -life.created)
        self._by_id = {(*place, life.planned.id): life for place, lives in self._by_place.items() for life in lives}

    def find(self, place: Place, id: str, now: float) -> Simulated | None:
        """Return the operation of this id, None where there is none now."""
        life = self._by_id.get((*place, id))
        return life.at(now) if life else None

    def existing(self, place: Place, now: float) -> Iterator[tuple[int, Simulated]]:
        """Yield the operations that exist, newest first, each with a rank that it keeps when others come or go."""
        for rank, life in enumerate(self._by_place.get(place, ())):
            if simulated := life.at(now):
                yield rank, simulated


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
