"""A real exporter over HTTP for tests: boto3 to an endpoint on one side, uvicorn on the other."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from starlette.types import Receive, Scope, Send

from exporter.app.exporter import new_service
from exporter.aws.models import Models
from exporter.config.loader import parse_config
from exporter.config.sections import Config
from exporter.core.log import Log, new_log
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from exporter.state.state_file import Archive
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.servers import serve_app


@dataclass(frozen=True, slots=True)
class Exporter:
    """An exporter that is being served; its clock stands still unless it is moved."""

    url: str
    clock: ManualClock
    log: io.StringIO
    files: list[str]

    def scrape(self, after: float = 60.0, within: str = "60", accept: str = "*/*") -> str:
        """Return what /metrics answers, by default after enough time that every cell is due again.

        ``within`` are the seconds that the scraper says it waits.
        """
        self.clock.advance(after)
        headers = {"X-Prometheus-Scrape-Timeout-Seconds": within, "Accept": accept}
        response = http_requests.get(f"{self.url}/metrics", headers=headers, timeout=max(60.0, float(within)))
        assert response.status_code == 200
        return response.text

    def reload(self, config: str) -> httpx.Response:
        """Write another configuration and let the exporter read it."""
        self.files.append(config)
        return http_requests.post(f"{self.url}/-/reload")

    def operations(self) -> str:
        """Return the rows of the operations, without headers and without when they were read."""
        rows = self.scrape().splitlines()
        return "\n".join(row for row in rows if row.startswith(("aws_iot_", "aws_greengrass_")) and _is_fact(row))


def _is_fact(row: str) -> bool:
    return not row.startswith(("aws_iot_bulk_exporter_", "aws_iot_bulk_operation_last_success"))


@contextmanager
def serve_exporter(
    config: str,
    endpoint: str,
    clock: ManualClock | None = None,
    kinds: Sequence[Kind[Any]] = KINDS,
    archive: Callable[[Log], Archive] | None = None,
) -> Iterator[Exporter]:
    """Serve an exporter whose AWS is the endpoint, with credentials that mean nothing.

    ``archive`` makes what it keeps beyond its end, and starts it.
    """
    with aws_environment(endpoint):
        clock, text, files = clock or ManualClock(), io.StringIO(), [config]
        log = new_log("debug", stream=text)
        kept = archive(log) if archive else None

        def read() -> Config:
            return parse_config(files[-1], kinds)

        service = new_service(read(), kinds, log, clock=clock.clock(), read=read, archive=kept)
        with serve_app(service.app) as url:
            yield Exporter(url, clock, text, files)


@contextmanager
def aws_environment(endpoint: str, **more: str) -> Iterator[None]:
    """Let AWS SDKs of this process see the endpoint, and nothing of this machine."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        {
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            **more,
        }
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True, slots=True)
class Simulation:
    """A simulated AWS that shares its clock with an exporter, and the targets of the requests it got."""

    exporter: Exporter
    requests: list[str]

    def requests_of(self, scrape: Callable[[], object]) -> list[str]:
        """Return the requests that a scrape caused, sorted."""
        return added_requests(scrape, self.requests)


def added_requests(scrape: Callable[[], object], requests: list[str]) -> list[str]:
    """Return what a scrape adds to a list of requests, sorted."""
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
    """Serve the simulator with a scenario; give its URL, and the targets of the requests that it gets."""
    requests = list[str]()
    simulator = application(parse_scenario(scenario, kinds), kinds, Models(), now=lambda: clock.at)

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            query = scope["query_string"].decode()
            requests.append(scope["path"] + (f"?{query}" if query else ""))
        await simulator(scope, receive, send)

    with serve_app(recorded) as endpoint:
        yield endpoint, requests
