"""Start time and memory of ``serve``, compared to the imports that any exporter needs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

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


@dataclass(frozen=True, slots=True)
class Run:
    """One pair of runs: the seconds of the imports and of the first response, and the resident MiB after it."""

    imports: float
    response: float
    resident: float


def report() -> str:
    """Return the medians, and the median of the ratios of all pairs."""
    with TemporaryDirectory() as name, harness.simulator(Path(name), SCENARIO) as endpoint:
        runs = [_pair(Path(name), endpoint) for _ in range(RUNS + 1)][1:]
    ratio = statistics.median(run.response / run.imports for run in runs)
    imports = statistics.median(run.imports for run in runs)
    response = statistics.median(run.response for run in runs)
    resident = statistics.median(run.resident for run in runs)
    return harness.table(
        (f"median of {RUNS} pairs", "figure", "ratio"),
        [
            ("import boto3, prometheus_client, pydantic; one client", f"{imports:.2f} s", "1.00"),
            ("`serve`: start to the first /metrics response", f"{response:.2f} s", f"{ratio:.2f}"),
            ("`serve`: resident after it, one account, one Region", f"{resident:.0f} MiB", ""),
        ],
    )


def _pair(folder: Path, endpoint: str) -> Run:
    """Run both in turn, so that a change of the machine's speed affects both."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], env=harness.environment(endpoint), check=True)
    imports = time.perf_counter() - began
    began = time.perf_counter()
    with harness.exporter(folder, CONFIG, endpoint) as port:
        text = harness.scrape(port)
        response = time.perf_counter() - began
    return Run(imports, response, harness.total(text, "process_resident_memory_bytes ") / 2**20)
