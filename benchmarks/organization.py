"""One exporter process that watches many accounts in 17 Regions with three kinds, in the steady state.

AWS is played over TLS by a process of its own. The exporter is a process of its own too, and is scraped over HTTP.
"""

import ssl
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from benchmarks import harness
from benchmarks.tls_endpoint import ACCOUNTS, account_id, tls_endpoint

ACTIVE_ACCOUNTS, TASKS = 50, 4
REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "ap-east-1", "ap-south-1"),
    *("ap-northeast-1", "ap-northeast-2", "ap-southeast-1", "ap-southeast-2"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
)
INTERVAL = 30.0
# Requests for the status page, in the middle between two scrapes.
PAGES = 5
# The rules of the default, with the kinds in every Region.
WATCH = ", ".join(
    f"{{kind: {kind}, discover: {{statuses: [{statuses}], unknown_statuses: true}}}}"
    for kind, statuses in (
        ("thing_registration_task", "InProgress, Cancelling"),
        ("iot_job", "IN_PROGRESS, SCHEDULED, DELETION_IN_PROGRESS"),
        ("greengrass_deployment", "ACTIVE"),
    )
)
SCOPES = f"regions: [{', '.join(REGIONS)}], watch: [{WATCH}]"
OWN = ("aws_iot_bulk_exporter_", "process_")
# Each operation has one row of it.
OPERATION = "aws_iot_bulk_operation_last_read_timestamp_seconds{"
UP, IDLE = "aws_iot_bulk_exporter_up{", "aws_iot_bulk_exporter_idle_cells{"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What is watched, how long it takes until the load is steady, and how often it is then scraped.

    ``started`` are accounts in which a task starts.
    """

    title: str
    config: str
    accounts: int
    warm_seconds: float
    scrapes: int
    started: tuple[int, ...]

    @property
    def scopes(self) -> int:
        """The number of scopes."""
        return self.accounts * len(REGIONS)


ORGANIZATION = Fleet(
    f"{ACCOUNTS:,} accounts x {len(REGIONS)} Regions x 3 kinds, {ACTIVE_ACCOUNTS * TASKS} active tasks",
    f"refresh: {{idle_max_age: 5m}}\norganizations: [{{role_name: reader, {SCOPES}}}]\n",
    accounts=ACCOUNTS,
    warm_seconds=300.0,
    scrapes=12,
    started=tuple(range(100, ACCOUNTS, 45)),
)
# With keys that earlier releases know too. Three of the accounts have active tasks, which is about the same share.
NAMED = (*range(ACTIVE_ACCOUNTS - 3, ACTIVE_ACCOUNTS), *range(100, 147))
ACCOUNT = "  - {{name: a{0}, role_arn: 'arn:aws:iam::{1}:role/reader', {2}}}\n"
NAMED_ACCOUNTS = Fleet(
    f"{len(NAMED)} accounts x {len(REGIONS)} Regions x 3 kinds, {3 * TASKS} active tasks",
    "accounts:\n" + "".join(ACCOUNT.format(number, account_id(number), SCOPES) for number in NAMED),
    accounts=len(NAMED),
    warm_seconds=120.0,
    scrapes=5,
    started=tuple(range(100, 147, 5)),
)


def report() -> str:
    """Return the figures of an organization."""
    return _report(ORGANIZATION)


def named_report() -> str:
    """Return the figures of some accounts that the configuration names."""
    return _report(NAMED_ACCOUNTS)


def _report(fleet: Fleet) -> str:
    with (
        tls_endpoint(lists=True) as endpoint_variables,
        harness.exporter_process(
            fleet.config,
            endpoint_variables["AWS_ENDPOINT_URL"],
            variables={**endpoint_variables, "AWS_REGION": REGIONS[0]},
        ) as (port, process),
    ):
        harness.wait_for(port)
        run = _Run(fleet, port, process, _Endpoint(endpoint_variables))
        return harness.table((fleet.title, "figure"), [*run.figures().items()])


class _Endpoint:
    """The control of the endpoint."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._url = variables["AWS_ENDPOINT_URL"]
        self._context = ssl.create_default_context(cafile=variables["AWS_CA_BUNDLE"])

    def requests(self) -> int:
        """Return the number of requests since the last call of this method."""
        return int(self._get("/requests"))

    def start_task(self, account: str) -> None:
        """Start a task in an account."""
        self._get(f"/start/{account}")

    def _get(self, path: str) -> bytes:
        return httpx.get(self._url + path, verify=self._context).raise_for_status().content


class _Run:
    """One measurement. Scrapes have the time-out that Prometheus sends by default."""

    def __init__(self, fleet: Fleet, port: int, process: int, endpoint: _Endpoint) -> None:
        self._fleet = fleet
        self._port = port
        self._process = process
        self._endpoint = endpoint
        self._text = ""

    def figures(self) -> dict[str, str]:
        """Return the figures by name."""
        fill, fill_cpu = self._fill()
        self._scrape_for(int(self._fleet.warm_seconds / INTERVAL))
        self._endpoint.requests()
        cpu, began = self._cpu(), time.monotonic()
        started = self._start_tasks()
        seen = self._scrape_for(self._fleet.scrapes, started)
        seconds = time.monotonic() - began
        cpu, calls = self._cpu() - cpu, self._endpoint.requests()
        if set(seen) != set(started):
            sys.exit(f"{len(started) - len(seen)} of {len(started)} new operations were not seen")
        delays = [seen[account] - started[account] for account in started]
        memory, scopes = harness.resident(self._process), self._fleet.scopes
        return {
            "the first refresh of all cells": f"{fill:.0f} s",
            "CPU of the first refresh": f"{fill_cpu:.0f} s",
            "resident memory": f"{memory:.0f} MiB",
            "resident memory of a scope": f"{1024 * memory / scopes:.1f} KiB",
            f"CPU in {self._fleet.scrapes} scrapes, one each {INTERVAL:.0f} s": f"{cpu / seconds:.2f} of a core",
            "CPU of a scope in each scrape": f"{1e3 * cpu / self._fleet.scrapes / scopes:.2f} ms",
            "calls to AWS": f"{calls / seconds:.1f} a second",
            "calls to AWS of a scope in each scrape": f"{calls / self._fleet.scrapes / scopes:.2f}",
            f"a new operation is seen, median of {len(delays)}": f"{statistics.median(delays):.0f} s",
            f"a new operation is seen, longest of {len(delays)}": f"{max(delays):.0f} s",
            "rows of the exporter's own metrics": f"{sum(line.startswith(OWN) for line in self._text.splitlines()):,}",
            f"status page, median of {PAGES}": f"{1e3 * self._page_seconds():.0f} ms",
        }

    def _fill(self) -> tuple[float, float]:
        """Scrape until all cells have been read. Return the seconds and those of CPU."""
        began = time.monotonic()
        while harness.total(self._text, UP) + harness.total(self._text, IDLE) < 3 * self._fleet.scopes:
            self._scrape()
            time.sleep(1.0)
        return time.monotonic() - began, self._cpu()

    def _scrape(self) -> None:
        self._text = harness.scrape(self._port, timeout=10.0)

    def _scrape_for(self, number: int, started: Mapping[str, float] = {}) -> dict[str, float]:
        """Scrape at the interval. Return when the task of each account was first seen."""
        seen, began = dict[str, float](), time.monotonic()
        for place in range(1, number + 1):
            time.sleep(max(0.0, began + INTERVAL * place - time.monotonic()))
            self._scrape()
            rows = [line for line in self._text.splitlines() if line.startswith(OPERATION)]
            new = (id for id in started if id not in seen and any(f'"{id}"' in row for row in rows))
            seen.update(dict.fromkeys(new, time.monotonic()))
            print(f"scrape {place}: {len(rows)} operations, {self._cpu():.0f} s", file=sys.stderr, flush=True)
        return seen

    def _start_tasks(self) -> dict[str, float]:
        started = {}
        for account in map(account_id, self._fleet.started):
            self._endpoint.start_task(account)
            started[account] = time.monotonic()
        return started

    def _cpu(self) -> float:
        """Return the seconds of CPU of the exporter."""
        return harness.cpu_seconds(self._process)

    def _page_seconds(self) -> float:
        seconds = []
        for _ in range(PAGES):
            time.sleep(2.0)
            began = time.monotonic()
            harness.get(self._port, "/")
            seconds.append(time.monotonic() - began)
        return statistics.median(seconds)
