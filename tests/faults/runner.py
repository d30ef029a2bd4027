"""Run a group of cases against the real exporter, and tell what each came to."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

import httpx

from tests.faults.fault_accounts import BEGINS, ENDS, STALE_AFTER, Place, Subject, World
from tests.faults.observation import Seen
from tests.faults.response_edits import CANARY
from tests.faults.scrape_view import Sight, sight
from tests.support.exporter_server import Exporter, serve_simulation
from tests.support.waiting import wait_until

MINUTE = 60.0
PATIENCE = "600"
"""Seconds that a scrape waits: a busy machine takes its time for the thousand pages of a list that does not end."""
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
        text = self._exporter.scrape(after=seconds, within=PATIENCE)
        assert CANARY not in text
        return sight(text, since)

    def end(self) -> None:
        """The process lives, said nothing of what AWS said, and no call goes on."""
        assert httpx.get(f"{self._exporter.url}/-/healthy", timeout=60).status_code == 200
        assert CANARY not in self._exporter.log.getvalue()
        assert "unexpected" not in self._exporter.log.getvalue()
        wait_until(lambda: not _calls() or None, "calls that were abandoned")


def _calls() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "aws-call"]


def run(world: World) -> Mapping[str, Seen]:
    """Return what became of each subject of a world, by their names."""
    with serve_simulation(world.config, world.scenario) as simulation:
        watched = Watched(simulation.exporter)
        if world.waits:
            # The first scrape makes every client, which on a busy machine may take longer than short time-outs allow.
            watched.at(0)
        sights = [watched.at(BEGINS / 2), watched.at(BEGINS + 60), watched.after(STALE_AFTER + 100)]
        after = tuple(_afterwards(watched, world.subjects))
        watched.end()
    return {subject.name: seen(place, subject, sights, after) for place, subject in world.subjects.items()}


def _afterwards(watched: Watched, subjects: Iterable[Place]) -> Iterator[Sight]:
    """Scrape after the end of the faults until every cell is up."""
    found = watched.at(ENDS)
    yield found
    for _ in range(MOST_REFRESHES):
        if all(found.up.get(place) for place in subjects):
            return
        found = watched.after(MINUTE)
        yield found


def seen(place: Place, subject: Subject, sights: Sequence[Sight], after: Sequence[Sight]) -> Seen:
    """Return what a subject came to, by scrapes before and during its fault, after ``stale_after``, and afterwards."""
    _, during, later = sights
    wanted = after[-1].rows.get((place, subject.id), frozenset())
    return Seen(
        reasons=during.reasons.get(place, ()),
        up=during.up[place],
        rows=during.state(place, subject.id, wanted),
        later=later.state(place, subject.id, wanted),
        back=next((number for number, one in enumerate(after, 1) if _is_whole(one, place, subject)), 0),
        hurt=tuple(dict.fromkeys(_hurt(place, subject, (*sights, after[0]), after[-1]))),
    )


def _is_whole(found: Sight, place: Place, subject: Subject) -> bool:
    """Tell whether a cell is up and its operations are read anew, those that a list should have told of too."""
    ids = found.ids(place)
    read = all(found.read_at[place, id] >= found.since for id in ids)
    return found.up[place] and read and ids == (subject.comes or {subject.id})


def _hurt(place: Place, subject: Subject, sights: Sequence[Sight], last: Sight) -> Iterator[str]:
    """Yield what noticed the fault besides the operation or the list that it is about."""
    for found in sights:
        if subject.beside and not found.is_fresh(place, subject.beside, last.rows.get((place, subject.beside))):
            yield "the operation beside it"
        for other in subject.neighbours:
            if not _is_well(found, other, last):
                yield f"{other.kind} in {other.region} of {other.account}"


def _is_well(found: Sight, place: Place, last: Sight) -> bool:
    known = found.ids(place) & last.ids(place)
    fresh = all(found.is_fresh(place, id, last.rows[place, id]) for id in known)
    return found.up[place] and fresh and bool(known)
