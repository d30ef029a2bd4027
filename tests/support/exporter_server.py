"""Serves real exporters over HTTP. Their AWS is an endpoint of the test, called by boto3."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
from starlette.types import Receive, Scope, Send

from exporter.app.exporter import new_exporter
from exporter.aws.models import Models
from exporter.config.loader import parse_config
from exporter.config.sections import Config
from exporter.core.log import Log, new_log
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from exporter.state.state_file import StateFile
from exporter.state.writer import WriteTiming
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.servers import serve_app
from tests.support.waiting import TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True)
class ServedExporter:
    """An exporter that listens on ``url``. Only tests move its clock. ``files`` are its configurations, newest last."""

    url: str
    clock: ManualClock
    log: io.StringIO
    files: list[str]

    def scrape(self, after: float = 60.0, within: str = f"{TIMEOUT_SECONDS}", accept: str = "*/*") -> str:
        """Return the response of /metrics.

        By default the clock first moves so far that every cell is due. ``within`` is the scrape time-out in seconds.
        """
        self.clock.advance(after)
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": within, "Accept": accept}
        timeout = max(TIMEOUT_SECONDS, float(within))
        response = http_requests.get(f"{self.url}/metrics", headers=headers, timeout=timeout)
        assert response.status_code == 200
        return response.text

    def reload(self, config: str) -> httpx.Response:
        """Add a configuration and make the exporter reload it."""
        self.files.append(config)
        return http_requests.post(f"{self.url}/-/reload")

    def operations(self) -> str:
        """Return the samples of operations, without the times of their reads."""
        rows = self.scrape().splitlines()
        others = ("aws_iot_bulk_exporter_", "aws_iot_bulk_operation_last_read")
        families = ("aws_iot_", "aws_greengrass_")
        return "\n".join(row for row in rows if row.startswith(families) and not row.startswith(others))


@contextmanager
def serve_exporter(
    config: str,
    endpoint: str,
    clock: ManualClock | None = None,
    kinds: Sequence[Kind[Any]] = KINDS,
    state_file: Callable[[Log], StateFile] | None = None,
) -> Iterator[ServedExporter]:
    """Serve an exporter whose AWS is the endpoint.

    ``state_file`` creates and starts the exporter's state file.
    """
    with aws_environment(endpoint):
        clock, text, files = clock or ManualClock(), io.StringIO(), [config]
        log = new_log("debug", stream=text)
        kept = state_file(log) if state_file else None

        def read() -> Config:
            return parse_config(files[-1], kinds)

        service = new_exporter(read(), kinds, log, clock=clock.clock(), read=read, state_file=kept)
        with serve_app(service.app) as url:
            yield ServedExporter(url, clock, text, files)


@contextmanager
def aws_environment(endpoint: str, **more: str) -> Iterator[None]:
    """Give the AWS SDKs of this process the endpoint and test credentials, and hide this machine's AWS settings."""
    settings = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with patch.dict(os.environ, {**kept, **settings, **more}, clear=True):
        yield


@dataclass(frozen=True, slots=True)
class Simulation:
    """An exporter and a simulated AWS with the same clock. ``requests`` are the targets of all requests to AWS."""

    exporter: ServedExporter
    requests: list[str]

    def requests_of(self, scrape: Callable[[], object]) -> list[str]:
        """Return the requests that a scrape caused, sorted."""
        return added_requests(scrape, self.requests)


def added_requests(scrape: Callable[[], object], requests: list[str]) -> list[str]:
    """Return the requests that a scrape adds to a list, sorted."""
    before = len(requests)
    scrape()
    return sorted(requests[before:])


@contextmanager
def serve_simulation(config: str, scenario: str, kinds: Sequence[Kind[Any]] = KINDS) -> Iterator[Simulation]:
    """Serve an exporter whose AWS is the simulator with a scenario."""
    clock = ManualClock()
    with (
        serve_simulated_aws(scenario, clock, kinds) as (endpoint, requests),
        serve_exporter(config, endpoint, clock, kinds) as exporter,
    ):
        yield Simulation(exporter, requests)


@contextmanager
def serve_simulated_aws(
    scenario: str, clock: ManualClock, kinds: Sequence[Kind[Any]] = KINDS
) -> Iterator[tuple[str, list[str]]]:
    """Serve the simulator with a scenario. Yield its URL and the list of its requests' targets."""
    requests = list[str]()
    simulator = application(parse_scenario(scenario, kinds), kinds, Models(), now=lambda: clock.at)

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            query = scope["query_string"].decode()
            requests.append(scope["path"] + (f"?{query}" if query else ""))
        await simulator(scope, receive, send)

    with serve_app(recorded) as endpoint:
        yield endpoint, requests


WRITE_AT_ONCE = WriteTiming(pause=0.0, retry=0.0, timeout=TIMEOUT_SECONDS, shutdown_timeout=TIMEOUT_SECONDS)


@dataclass(frozen=True, slots=True)
class RestartableAws:
    """A simulated AWS that outlives several exporters, which share a state file."""

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
        pace: WriteTiming = WRITE_AT_ONCE,
        prepare: Callable[[StateFile], None] = lambda state_file: None,
    ) -> Iterator[ServedExporter]:
        """Serve an exporter with the state file. At the end the state file is completely written.

        ``url`` replaces the simulated AWS. ``prepare`` gets the state file before its start.
        """
        state_files = list[StateFile]()

        def start_state_file(log: Log) -> StateFile:
            state_files.append(StateFile(self.file, self.kinds, self.clock.clock(), log, pace))
            prepare(state_files[0])
            state_files[0].start()
            return state_files[0]

        try:
            with serve_exporter(config, url or self.url, self.clock, self.kinds, start_state_file) as exporter:
                yield exporter
        finally:
            for state_file in state_files:
                state_file.close()

    def requests_of(self, scrape: Callable[[], object]) -> list[str]:
        """Return the requests that a scrape caused, sorted."""
        return added_requests(scrape, self.requests)


@contextmanager
def restartable_exporter(scenario: str, file: Path, kinds: Sequence[Kind[Any]] = KINDS) -> Iterator[RestartableAws]:
    """Serve a simulated AWS for exporters that share a state file."""
    clock = ManualClock()
    with serve_simulated_aws(scenario, clock, kinds) as (url, requests):
        yield RestartableAws(url, requests, clock, file, kinds)
