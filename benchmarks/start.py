"""Start time and memory of ``serve``, compared to the imports that any exporter needs."""

import statistics
import subprocess
import sys
import time

from benchmarks import harness

RUNS = 7
IMPORTS = "import boto3, prometheus_client, pydantic; boto3.client('iot', region_name='eu-west-1')"
SCENARIO = """
accounts: ["111122223333"]
operations:
  - {kind: thing_registration_task, region: eu-west-1, items: 9, timeline: [{at: 0s, status: InProgress}]}
"""
CONFIG = """
accounts: [{account_id: "111122223333", regions: [eu-west-1], watch: [{kind: thing_registration_task, discover: true}]}]
"""


def report() -> str:
    """Return the medians, and the median of the ratios of all pairs."""
    with harness.simulator(SCENARIO) as endpoint:
        pairs = [_pair(endpoint) for _ in range(RUNS + 1)][1:]
    ratio = statistics.median(response / imports for imports, response, _ in pairs)
    imports, response, resident = map(statistics.median, zip(*pairs, strict=True))
    return harness.table(
        (f"median of {RUNS} pairs", "figure", "ratio"),
        [
            ("import boto3, prometheus_client, pydantic; one client", f"{imports:.2f} s", "1.00"),
            ("`serve`: start to the first /metrics response", f"{response:.2f} s", f"{ratio:.2f}"),
            ("`serve`: resident after it, one account, one Region", f"{resident:.0f} MiB", ""),
        ],
    )


def _pair(endpoint: str) -> tuple[float, float, float]:
    """Return the seconds of the imports and of the first response, and the resident MiB after it.

    Both run in turn, so that a change of the machine's speed affects both.
    """
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], env=harness.environment(endpoint), check=True)
    imports = time.perf_counter() - began
    began = time.perf_counter()
    with harness.exporter(CONFIG, endpoint) as port:
        text = harness.scrape(port)
        response = time.perf_counter() - began
    return (imports, response, harness.total(text, "process_resident_memory_bytes ") / 2**20)
