"""Response times of pages that must not wait for AWS, while every AWS call hangs."""

import socket
import statistics
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

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
    """Return the response time of each page while scrapes wait for AWS."""
    with (
        _hanging_endpoint() as endpoint,
        harness.exporter(CONFIG, endpoint) as port,
        ThreadPoolExecutor(SCRAPERS) as scrapers,
    ):
        harness.wait_for(port)
        scrapes = [scrapers.submit(harness.scrape, port, 20) for _ in range(SCRAPERS)]
        seconds = {path: [_seconds(port, path) for _ in range(TIMES)] for path in PATHS}
        if any(scrape.done() for scrape in scrapes):
            sys.exit("a scrape did not wait for AWS")
    rows = [(f"`{path}`", *(f"{1e3 * of(seconds[path]):.0f} ms" for of in (statistics.median, max))) for path in PATHS]
    return harness.table((f"12 cells of which every call hangs, {TIMES} requests each", "median", "longest"), rows)


def _seconds(port: int, path: str) -> float:
    began = time.perf_counter()
    harness.get(port, path)
    return time.perf_counter() - began


@contextmanager
def _hanging_endpoint() -> Iterator[str]:
    """Give the URL of an endpoint that accepts connections and never responds."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
