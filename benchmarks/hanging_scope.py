"""A scope that hangs until the read time-out, and the delay that it causes for other scopes."""

import statistics
import time

from benchmarks import harness

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2")
HUNG = "us-west-2"
RUNS = 5
READ_AT = "aws_iot_bulk_operation_last_read_timestamp_seconds{"
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
    """Return the time until the other scopes are read, with and without the fault."""
    normal = statistics.median(_age(SCENARIO)[0] for _ in range(RUNS))
    faulty = [_age(SCENARIO + FAULT) for _ in range(RUNS)]
    delayed = statistics.median(read for read, _ in faulty)
    longest = max(response for _, response in faulty)
    return harness.table(
        (f"4 scopes, median of {RUNS} first scrapes", "figure", "later by"),
        [
            ("the other scopes are read, nothing hangs", f"{normal * 1e3:.0f} ms", ""),
            ("the other scopes are read, one hangs", f"{delayed * 1e3:.0f} ms", f"{(delayed - normal) * 1e3:.0f} ms"),
            ("longest scrape with a time-out of 4 s, one hangs", f"{longest:.2f} s", ""),
        ],
    )


def _age(scenario: str) -> tuple[float, float]:
    """Return the seconds until the last operation of the other scopes was read, and until the response."""
    with harness.simulated_exporter(scenario, CONFIG) as port:
        harness.wait_for(port)
        began = time.time()
        text = harness.scrape(port, timeout=4)
        response = time.time() - began
    read = [float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(READ_AT)]
    return max(read) - began, response
