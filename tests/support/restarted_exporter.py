"""An exporter that ends and begins again, while AWS, the time and its state file go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.core.log import Log
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.state.state_file import Archive
from exporter.state.writer import Pace
from tests.support.clocks import ManualClock
from tests.support.exporter_server import Exporter, added_requests, serve_exporter, serve_simulated_aws
from tests.support.waiting import TIMEOUT_SECONDS

WRITE_AT_ONCE = Pace(pause=0.0, retry=0.0, patience=TIMEOUT_SECONDS, shutdown_timeout=TIMEOUT_SECONDS)


@dataclass(frozen=True, slots=True)
class RestartableExporter:
    """A simulated AWS, and an exporter of it each time one is asked for."""

    url: str
    requests: list[str]
    clock: ManualClock
    file: Path
    kinds: Sequence[Kind[Any]]

    @contextmanager
    def exporter(
        self,
        config: str,
        url: str = "",
        pace: Pace = WRITE_AT_ONCE,
        prepare: Callable[[Archive], None] = lambda archive: None,
    ) -> Iterator[Exporter]:
        """Serve an exporter with the state file, of AWS or whatever has the URL; at its end all is written.

        ``prepare`` may do something to the archive before it starts.
        """
        archives = list[Archive]()

        def archive(log: Log) -> Archive:
            archives.append(Archive(self.file, self.kinds, self.clock.clock(), log, pace))
            prepare(archives[0])
            archives[0].start()
            return archives[0]

        try:
            with serve_exporter(config, url or self.url, self.clock, self.kinds, archive) as exporter:
                yield exporter
        finally:
            for one in archives:
                one.close()

    def requests_of(self, scrape: Callable[[], object]) -> list[str]:
        """Return the requests that a scrape caused, sorted."""
        return added_requests(scrape, self.requests)


@contextmanager
def restartable_exporter(
    scenario: str, file: Path, kinds: Sequence[Kind[Any]] = KINDS
) -> Iterator[RestartableExporter]:
    """Simulate an AWS for exporters that share a state file."""
    clock = ManualClock()
    with serve_simulated_aws(scenario, clock, kinds) as (url, requests):
        yield RestartableExporter(url, requests, clock, file, kinds)
