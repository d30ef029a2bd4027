"""The time to read N operations for the first time, compared to the minimum that the budget allows."""

import sys
import time

from benchmarks import harness

# The kind, an active status, the quota of the describe call, and the number of operations.
CASES = (("thing_registration_task", "InProgress", 10, 150), ("greengrass_bulk_deployment", "Running", 30, 450))
SHARE = 0.5


def report() -> str:
    """Return the minimum, the measured time, their ratio and the throttled calls, for each kind."""
    lines: list[tuple[str, ...]] = []
    for kind, status, quota, number in CASES:
        seconds, throttled = _fill(kind, status, number)
        minimum = number / (quota * SHARE)
        figures = (f"{minimum:.1f} s", f"{seconds:.1f} s", f"{seconds / minimum:.2f}", f"{throttled:.0f}")
        lines.append((f"{number} x {kind}", *figures))
    return harness.table(("operations, 50 ms latency", "N / budget", "filled in", "ratio", "throttled calls"), lines)


def _fill(kind: str, status: str, number: int) -> tuple[float, float]:
    scenario = f"""
accounts: ["111122223333"]
latency: 50ms
operations:
  - {{kind: {kind}, id: x, count: {number}, region: eu-west-1, items: 100, timeline: [{{at: 0s, status: {status}}}]}}
"""
    config = f"""
accounts: [{{account_id: "111122223333", regions: [eu-west-1], watch: [{{kind: {kind}, discover: true}}]}}]
refresh: {{min_age: 1h, stale_after: 2h}}
"""
    with harness.simulated_exporter(scenario, config) as port:
        harness.scrape(port, timeout=0.5)
        began = time.perf_counter()
        text = harness.scrape(port, timeout=300)
        seconds = time.perf_counter() - began
    if harness.total(text, "aws_iot_bulk_exporter_operations{") != number:
        sys.exit("the exporter did not read every operation")
    return seconds, harness.total(text, "aws_iot_bulk_exporter_api_request_errors_total{")
