"""The status page and the JSON API with the 51,000 cells of an organization, from real routes and a filled store."""

import asyncio
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from prometheus_client import CollectorRegistry

from benchmarks import harness
from benchmarks.organization import ACTIVE_ACCOUNTS, REGIONS
from benchmarks.tls_endpoint import ACCOUNTS, account_id
from exporter.core.errors import Reason
from exporter.core.model import CellKey, Failure, Reading, Scope, Snapshot
from exporter.core.store import Store
from exporter.kinds.greengrass_deployment import KIND as DEPLOYMENT
from exporter.kinds.iot_job import KIND as JOB
from exporter.kinds.thing_registration_task import KIND as TASK
from exporter.kinds.thing_registration_task import ThingRegistrationTask
from exporter.metrics.eta import Estimates
from exporter.metrics.exposition import Exposition
from exporter.metrics.summary import Overview
from exporter.web.api.routes import api_routes
from exporter.web.context import Status
from exporter.web.metrics import Metrics
from exporter.web.routes import application
from exporter.web.ui.pages import page_routes

KINDS = (TASK, JOB, DEPLOYMENT)
NOW = 1_800_000_000.0
TIMES = 10
# The numbers of accounts that refuse the role: a few, and all of them.
FAILING = (20, ACCOUNTS)
PATHS = (
    "/",
    "/api/v1/operations",
    "/api/v1/cells?limit=0",
    "/api/v1/cells?account=a7",
    "/api/v1/cells?view=attention&limit=100",
)


def report() -> str:
    """Return the response time and the size of each page, with a few failing accounts and with only failing ones."""
    rows = []
    for failing in FAILING:
        with _served(failing) as port:
            rows += [_row(port, path, failing) for path in PATHS]
    return harness.table((f"{ACCOUNTS * len(REGIONS) * len(KINDS):,} cells", "median", "longest", "size"), rows)


def _row(port: int, path: str, failing: int) -> tuple[str, ...]:
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        text = harness.get(port, path)
        seconds.append(time.perf_counter() - began)
    if not text.startswith("HTTP/1.1 200"):
        sys.exit(f"{path}: {text.partition(chr(10))[0]}")
    times = (f"{1e3 * of(seconds):.0f} ms" for of in (statistics.median, max))
    return (f"`{path}`, {failing:,} accounts fail", *times, f"{len(text) / 1024:,.0f} KiB")


def _store(failing: int) -> Store:
    return Store(
        _snapshot(number, region, kind.name, number < failing)
        for number in range(ACCOUNTS)
        for region in REGIONS
        for kind in KINDS
    )


def _snapshot(number: int, region: str, kind: str, is_failing: bool) -> Snapshot:
    name = f"a{number}"
    key, scope = CellKey(name, region, kind), Scope(name, account_id(number), region)
    if is_failing:
        failure = Failure(Reason.ACCESS_DENIED, "AccessDenied", f"cannot assume the role reader in {scope.account_id}")
        return Snapshot(key, scope, reasons=frozenset({failure.reason}), failures=(failure,), duration=0.1, found=True)
    is_active = kind == TASK.name and number >= ACCOUNTS - ACTIVE_ACCOUNTS and region in REGIONS[:4]
    task = ThingRegistrationTask(id="x", status="InProgress", progress=0.5, succeeded=9, failed=1)
    readings = (Reading(task, NOW),) if is_active else ()
    return Snapshot(key, scope, readings, up=True, last_success=NOW, duration=0.1, found=True)


@contextmanager
def _served(failing: int) -> Iterator[int]:
    """Serve the pages, and give their port."""
    store, estimates = _store(failing), Estimates()
    overview = Overview(KINDS, store, estimates, lambda: NOW)
    metrics = Metrics(store, Exposition({kind.name: () for kind in KINDS}), CollectorRegistry())

    async def refreshed(seconds: float | None) -> Metrics:
        return metrics

    async def refresh(is_needed: object) -> None:
        """Refresh nothing."""

    async def start_due() -> None:
        """Start nothing."""

    status = Status(kinds=KINDS, overview=lambda: overview, refresh=refresh, start_due=start_due, now=lambda: NOW)
    app = application(refreshed, "/metrics", [*api_routes(status), *page_routes(status, "/metrics")])
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=10)
