"""A scope that hangs for its whole read time-out: how much later are the rows of the other scopes read?"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import harness

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2")
HUNG = "us-west-2"
RUNS = 5
READ_AT = "aws_iot_bulk_operation_last_success_timestamp_seconds{"
OPERATION = (
    "  - {{kind: thing_registration_task, id: x, count: 5, region: {}, timeline: [{{at: 0s, status: InProgress}}]}}"
)
SCENARIO = 'accounts: ["111122223333"]\nlatency: 50ms\noperations:\n' + "\n".join(map(OPERATION.format, REGIONS))
FAULT = f"\nfaults: [{{region: {HUNG}, delay: 20s}}]\n"
CONFIG = f"""
accounts:
  - account_id: "111122223333"
    regions: [{", ".join(REGIONS)}]
    watch: [{{kind: thing_registration_task, discover: true}}]
"""


def report() -> str:
    """Return when the last row of the other scopes was read, after the scrape began, with and without the fault."""
    fine = statistics.median(_age(SCENARIO)[0] for _ in range(RUNS))
    hung = [_age(SCENARIO + FAULT) for _ in range(RUNS)]
    rows = statistics.median(one[0] for one in hung)
    longest = max(one[1] for one in hung)
    return harness.rows(
        (f"4 scopes, median of {RUNS} first scrapes", "figure", "later by"),
        [
            ("the other scopes are read, nothing hangs", f"{fine * 1e3:.0f} ms", ""),
            ("the other scopes are read, one hangs", f"{rows * 1e3:.0f} ms", f"{(rows - fine) * 1e3:.0f} ms"),
            ("a scrape with a 4 s time-out answers, one hangs, at the latest", f"{longest:.2f} s", ""),
        ],
    )


def _age(scenario: str) -> tuple[float, float]:
    """Return the seconds until the last row of the other scopes was read, and until the scrape answered."""
    with (
        TemporaryDirectory() as name,
        harness.simulator(Path(name), scenario) as endpoint,
        harness.exporter(Path(name), CONFIG, endpoint) as port,
    ):
        harness.wait_for(port)
        began = time.time()
        text = harness.scrape(port, timeout=4)
        answered = time.time() - began
    read = [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(READ_AT)]
    return max(read) - began, answered
