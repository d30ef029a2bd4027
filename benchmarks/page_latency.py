"""AWS hangs everywhere: how soon do the pages answer that must not wait for it?"""

from __future__ import annotations

import socket
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import harness

PATHS = ("/-/healthy", "/-/ready", "/", "/config", "/api/v1/operations")
TIMES = 50
SCRAPERS = 2
CONFIG = """
accounts:
  - account_id: "111122223333"
    regions: [eu-west-1, eu-central-1, us-east-1, us-west-2]
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: iot_job, discover: true}
      - {kind: greengrass_deployment, discover: true}
refresh: {min_age: 1s}
"""


def report() -> str:
    """Return the milliseconds until each page answered, while scrapes wait for an AWS that never does."""
    with (
        TemporaryDirectory() as name,
        _hanging() as endpoint,
        harness.exporter(Path(name), CONFIG, endpoint) as port,
        ThreadPoolExecutor(SCRAPERS) as scrapers,
    ):
        harness.wait_for(port)
        waiting = [scrapers.submit(harness.scrape, port, 20) for _ in range(SCRAPERS)]
        taken = {path: [_seconds(port, path) for _ in range(TIMES)] for path in PATHS}
        if any(scrape.done() for scrape in waiting):
            sys.exit("a scrape did not wait for what hangs")
    rows = [(f"`{path}`", *(f"{1e3 * of(taken[path]):.0f} ms" for of in (statistics.median, max))) for path in PATHS]
    return harness.rows((f"12 cells of which every call hangs, {TIMES} requests each", "median", "longest"), rows)


def _seconds(port: int, path: str) -> float:
    began = time.perf_counter()
    harness.get(port, path)
    return time.perf_counter() - began


@contextmanager
def _hanging() -> Iterator[str]:
    """Give the URL of an endpoint that takes connections and requests and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
