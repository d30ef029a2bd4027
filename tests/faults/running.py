"""Run a group of cases against the real exporter, and tell what each came to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

import httpx

from exporter.kind import DISCOVER
from tests.faults.effects import CANARY
from tests.faults.sight import Sight, sight
from tests.faults.table import Case, Group, Seen, groups
from tests.faults.world import BEGINS, ENDS, STALE_AFTER, Place, config, neighbours, operation_id, places, scenario
from tests.support.exporting import Exporter, simulating
from tests.support.waiting import until

MINUTE = 60.0
MOST_REFRESHES = 8
"""After so many refreshes without the fault a cell does not come back any more."""


class Watched:
    """An exporter, scraped at chosen moments; each scrape must parse, and hold nothing that AWS said."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._started = exporter.clock.at

    def at(self, second: float) -> Sight:
        """Scrape at a second since the start, or now if that has passed."""
        clock = self._exporter.clock
        return self.after(max(0.0, self._started + second - clock.at))

    def after(self, seconds: float) -> Sight:
        """Scrape after some time."""
        since = self._exporter.clock.at + seconds
        text = self._exporter.scrape(after=seconds)
        assert CANARY not in text
        return sight(text, since)

    def end(self) -> None:
        """The process lives, said nothing of what AWS said, and no call goes on."""
        assert httpx.get(f"{self._exporter.url}/-/healthy", timeout=60).status_code == 200
        assert CANARY not in self._exporter.log.getvalue()
        assert "unexpected" not in self._exporter.log.getvalue()
        until(lambda: not _calls() or None, "calls that were abandoned")


def _calls() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "aws-call"]


def run(name: str) -> Mapping[str, Seen]:
    """Return what became of each case of a group, by their names."""
    (group,) = [group for group in groups() if group.name == name]
    with simulating(config(group), scenario(group)) as simulation:
        watched = Watched(simulation.exporter)
        before, during, later = watched.at(BEGINS / 2), watched.at(BEGINS + 60), watched.after(STALE_AFTER + 100)
        after = tuple(_afterwards(watched, group))
        watched.end()
    return {case.name: _seen(place, case, (before, during, later), after) for place, case in places(group).items()}


def _afterwards(watched: Watched, group: Group) -> Iterator[Sight]:
    """Scrape after the end of the faults until every cell is up."""
    found = watched.at(ENDS)
    yield found
    for _ in range(MOST_REFRESHES):
        if all(found.up.get(place) for place in places(group)):
            return
        found = watched.after(MINUTE)
        yield found


def _seen(place: Place, case: Case, sights: Sequence[Sight], after: Sequence[Sight]) -> Seen:
    before, during, later = sights
    id = operation_id(case.kind, "a")
    wanted = after[-1].rows.get((place, id), frozenset())
    return Seen(
        reasons=during.reasons.get(place, ()),
        up=during.up[place],
        rows=during.state(place, id, wanted),
        later=later.state(place, id, wanted),
        back=next((number for number, one in enumerate(after, 1) if _is_whole(one, place, case)), 0),
        hurt=tuple(dict.fromkeys(_hurt(place, case, (before, during, later, after[0]), after[-1]))),
    )


def _is_whole(found: Sight, place: Place, case: Case) -> bool:
    """Tell whether a cell is up and its operations are read anew, those that a list should have told of too."""
    which = "abc" if case.purpose == DISCOVER else "ab"
    ids = {operation_id(case.kind, one) for one in which}
    read = all(found.read_at[place, id] >= found.since for id in found.ids(place))
    return found.up[place] and read and found.ids(place) == ids


def _hurt(place: Place, case: Case, sights: Sequence[Sight], last: Sight) -> Iterator[str]:
    """Yield what noticed the fault besides the operation or the list that it is about."""
    spared = operation_id(case.kind, "b")
    for found in sights:
        if not found.is_fresh(place, spared, last.rows.get((place, spared), frozenset())):
            yield "the operation beside it"
        for other in neighbours(place):
            yield from _noticed(found, other, last)


def _noticed(found: Sight, place: Place, last: Sight) -> Iterator[str]:
    known = {id: rows for (one, id), rows in last.rows.items() if one == place and not id.endswith("-c")}
    fresh = all(found.is_fresh(place, id, rows) for id, rows in known.items())
    if not (found.up[place] and fresh and known):
        yield f"{place.kind} in {place.region} of {place.account}"
