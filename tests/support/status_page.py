"""Serves a status page with any number of operations: a real store and real routes, filled by the test."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry

from exporter.core.model import CellKey, Operation, Reading, Scope, Snapshot
from exporter.core.store import Store
from exporter.kinds.thing_registration_task import KIND, ThingRegistrationTask
from exporter.metrics.eta import Estimates
from exporter.metrics.exposition import Exposition
from exporter.metrics.summary import Overview
from exporter.web.api.routes import api_routes
from exporter.web.context import Status
from exporter.web.metrics import Metrics
from exporter.web.routes import application
from exporter.web.ui.pages import page_routes
from tests.support.clocks import ManualClock
from tests.support.servers import serve_app

KEY = CellKey("default", "eu-west-1", KIND.name)
SCOPE = Scope("default", "111122223333", "eu-west-1")


@dataclass(frozen=True, slots=True)
class ServedPage:
    """A page that is being served; ``timeouts`` are those of scrapes. ``requests`` counts the others."""

    url: str
    store: Store
    clock: ManualClock
    timeouts: list[float | None]
    requests: list[Callable[[Snapshot], bool]]

    def fill(self, operations: Sequence[Operation]) -> None:
        """Replace the cell's operations; their reading time is now."""
        readings = tuple(Reading(operation, self.clock.at) for operation in operations)
        self.store.put(Snapshot(KEY, SCOPE, readings, up=True, last_success=self.clock.at, duration=0.5))


def tasks(number: int, done: int = 0) -> list[Operation]:
    """Return registration tasks. ``done`` is added to the counts of each."""
    return [_task(place, done) for place in range(number)]


def _task(place: int, done: int) -> ThingRegistrationTask:
    return ThingRegistrationTask(
        id=f"task-{place:05}",
        status="Completed" if place % 5 == 0 else "InProgress",
        progress=min(1.0, (place % 100 + done) / 100),
        created=datetime(2026, 11, 1, place % 24, place % 60, tzinfo=UTC),
        input=f"s3://factory/2026/input-{place:05}.jsonl",
        succeeded=place * 10 + done,
        failed=place % 7,
    )


async def do_nothing() -> None:
    """Start no refresh."""


@contextmanager
def serve_page(operations: Sequence[Operation] = (), path: str = "/metrics") -> Iterator[ServedPage]:
    """Serve a page of one cell with these operations."""
    clock, timeouts, requests = ManualClock(), list[float | None](), list[Callable[[Snapshot], bool]]()
    estimates = Estimates()
    store = Store((), estimates.note)

    overview = Overview((KIND,), store, estimates, lambda: clock.at)
    metrics = Metrics(store, Exposition({KIND.name: ()}), CollectorRegistry())

    async def refreshed(seconds: float | None) -> Metrics:
        timeouts.append(seconds)
        return metrics

    async def note_request(is_needed: Callable[[Snapshot], bool]) -> None:
        requests.append(is_needed)

    status = Status(
        kinds=(KIND,),
        overview=lambda: overview,
        refresh=note_request,
        start_due=do_nothing,
        now=lambda: clock.at,
    )
    app = application(refreshed, path, [*api_routes(status), *page_routes(status, path)])
    with serve_app(app) as url:
        page = ServedPage(url, store, clock, timeouts, requests)
        if operations:
            page.fill(operations)
        yield page
