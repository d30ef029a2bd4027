"""Runs cases against the real exporter and returns the observation of each."""

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from exporter.core.thread import THREAD_NAME
from tests.faults.fault_accounts import BEGINS, ENDS, STALE_AFTER, Setup, Subject
from tests.faults.observation import CellAddress, Observation, ScrapeView, scrape_view
from tests.faults.response_edits import CANARY
from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_simulation
from tests.support.waiting import wait_until

MINUTE = 60.0
# The age at which the exporter reads a cell again, by its default configuration.
MIN_AGE = 10.0
# The scrape time-out in seconds. The thousand pages of an endless list take long on a busy machine.
SCRAPE_TIMEOUT = "600"
# After this many refreshes without a fault, a cell counts as not recovered.
MAX_REFRESHES = 8


class WatchedExporter:
    """An exporter that is scraped at chosen times. Each scrape must parse and must not contain text from AWS."""

    def __init__(self, exporter: ServedExporter) -> None:
        self._exporter = exporter
        self._started = exporter.clock.at

    def scrape_at(self, second: float) -> ScrapeView:
        """Scrape at a second after the start, or now if that second has passed."""
        return self.scrape_after(max(0.0, self._started + second - self._exporter.clock.at))

    def scrape_after(self, seconds: float) -> ScrapeView:
        """Scrape after some seconds."""
        since = self._exporter.clock.at + seconds
        text = self._exporter.scrape(after=seconds, within=SCRAPE_TIMEOUT)
        assert CANARY not in text
        return scrape_view(text, since)

    def check_end(self) -> None:
        """Check that the process is healthy, its log has no text from AWS, and every call to AWS ends."""
        assert http_requests.get(f"{self._exporter.url}/-/healthy").status_code == 200
        assert CANARY not in self._exporter.log.getvalue()
        # An exception that no table names. OpenSSL has causes such as "unexpected eof while reading".
        assert not re.search(r"unexpected [A-Z]", self._exporter.log.getvalue())
        wait_until(lambda: not _has_calls() or None, "the end of abandoned calls")


def _has_calls() -> bool:
    return any(thread.name == THREAD_NAME for thread in threading.enumerate())


def run(setup: Setup) -> Mapping[str, Observation]:
    """Return the observation of each subject of a setup, by the subject's name."""
    with serve_simulation(setup.config, setup.scenario) as simulation:
        watched = WatchedExporter(simulation.exporter)
        if setup.has_short_timeouts:
            _warm_up(watched, setup.subjects)
        views = [
            watched.scrape_at(BEGINS - 50),
            watched.scrape_at(BEGINS + 60),
            watched.scrape_after(STALE_AFTER + 100),
        ]
        after = tuple(_recovery(watched, setup.subjects))
        watched.check_end()
    return {subject.name: observation(cell, subject, views, after) for cell, subject in setup.subjects.items()}


def _warm_up(watched: WatchedExporter, subjects: Mapping[CellAddress, Subject]) -> None:
    """Scrape until the exporter has read everything that no fault concerns, all in one refresh.

    The first calls create clients and open connections. On a busy machine that takes longer than a short time-out.
    """
    unread: set[str] = set()
    for _ in range(int((BEGINS - 50) / MIN_AGE)):
        view = watched.scrape_after(MIN_AGE)
        unread = {name for cell, subject in subjects.items() for name in _affected(cell, subject, [view], view)}
        if not unread:
            return
    raise AssertionError(f"not read before the faults begin: {sorted(unread)}")


def _recovery(watched: WatchedExporter, cells: Iterable[CellAddress]) -> Iterator[ScrapeView]:
    """Scrape after the end of the faults until every cell is up."""
    view = watched.scrape_at(ENDS)
    yield view
    for _ in range(MAX_REFRESHES):
        if all(view.up.get(cell) for cell in cells):
            return
        view = watched.scrape_after(MINUTE)
        yield view


def observation(
    cell: CellAddress, subject: Subject, views: Sequence[ScrapeView], after: Sequence[ScrapeView]
) -> Observation:
    """Return the observation of a subject.

    ``views`` are the scrapes before the fault, during it, and after ``stale_after``. ``after`` follow its end.
    """
    _, during, later = views
    wanted = after[-1].rows.get((cell, subject.id), frozenset())
    return Observation(
        reasons=during.reasons.get(cell, ()),
        up=during.up[cell],
        rows=during.state(cell, subject.id, wanted),
        later=later.state(cell, subject.id, wanted),
        back=next((number for number, view in enumerate(after, 1) if _is_recovered(view, cell, subject)), 0),
        hurt=tuple(dict.fromkeys(_affected(cell, subject, (*views, after[0]), after[-1]))),
    )


def _is_recovered(view: ScrapeView, cell: CellAddress, subject: Subject) -> bool:
    """Return whether a cell is up and all its operations were just read, including those that a list adds."""
    ids = view.ids(cell)
    is_read = all(view.read_at[cell, id] >= view.since for id in ids)
    return view.up[cell] and is_read and ids == (subject.final_ids or {subject.id})


def _affected(cell: CellAddress, subject: Subject, views: Sequence[ScrapeView], last: ScrapeView) -> Iterator[str]:
    """Yield what the fault affected besides its own operation or list. The last view shows everything healthy."""
    for view in views:
        if subject.beside and not view.is_fresh(cell, subject.beside, last.rows.get((cell, subject.beside))):
            yield "the operation beside it"
        for neighbour in subject.neighbours:
            if not _is_healthy(view, neighbour, last):
                yield f"{neighbour.kind} in {neighbour.region} of {neighbour.account}"


def _is_healthy(view: ScrapeView, cell: CellAddress, last: ScrapeView) -> bool:
    known = view.ids(cell) & last.ids(cell)
    is_fresh = all(view.is_fresh(cell, id, last.rows[cell, id]) for id in known)
    return view.up[cell] and is_fresh and bool(known)
