"""What one process can watch: memory and CPU by the number of scopes, and what follows for 1,000 accounts."""

from __future__ import annotations

import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import harness

REGIONS = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
]
ACCOUNTS = (1, 18, 200)
"""The last one makes about a shard of the fleet that is asked for."""
REFRESHES = 2
INTERVAL = 30.0
"""Seconds between scrapes in the model."""
BUSY = 0.7
"""The share of a core that the model lets a process use."""
EMPTY = 65.0
"""Resident MiB of a process with one scope, as ``start`` measures it."""
FLEET = 1000 * len(REGIONS)


def report() -> str:
    """Return figures for some numbers of scopes, and shards for 1,000 accounts in 17 Regions from the last ones."""
    lines, cpu, memory = [], 0.0, 0.0
    for accounts in ACCOUNTS:
        line, cpu, memory = _line(accounts)
        lines.append(line)
    shards = math.ceil(FLEET * cpu / (INTERVAL * BUSY))
    table = harness.rows(
        ("scopes", "calls in a refresh", "refresh", "CPU of a refresh", "CPU of a scope", "resident", "of a scope"),
        lines,
    )
    each = math.ceil(FLEET / shards)
    return (
        f"{table}\n\n1,000 accounts in {len(REGIONS)} Regions are {FLEET:,} scopes. "
        f"With a scrape every {INTERVAL:.0f} s\n"
        f"and {BUSY:.0%} of a core for each process they take {shards} shards of {each:,} scopes, "
        f"each with about {each * memory + EMPTY:.0f} MiB."
    )


def _line(accounts: int) -> tuple[tuple[str, ...], float, float]:
    """Return a row, seconds of CPU for one scope's refresh, and MiB for one scope."""
    scopes = accounts * len(REGIONS)
    with (
        TemporaryDirectory() as name,
        harness.simulator(Path(name), _scenario(accounts)) as endpoint,
        harness.exporter(Path(name), _config(accounts), endpoint) as port,
    ):
        harness.wait_for(port)
        empty = _state(harness.scrape(port, timeout=0.5))
        before = _state(harness.scrape(port, timeout=300))
        began = time.perf_counter()
        for _ in range(REFRESHES):
            time.sleep(1.0)
            after = _state(harness.scrape(port, timeout=300))
        seconds = (time.perf_counter() - began) / REFRESHES - 1.0
    calls, cpu = (after[0] - before[0]) / REFRESHES, (after[1] - before[1]) / REFRESHES
    memory = (after[2] - empty[2]) / scopes
    row = (
        f"{scopes}",
        f"{calls:.0f}",
        f"{seconds:.2f} s",
        f"{cpu:.2f} s",
        f"{cpu / scopes * 1e3:.1f} ms",
        f"{after[2]:.0f} MiB",
        f"{memory:.2f} MiB",
    )
    return row, cpu / scopes, memory


def _state(text: str) -> tuple[float, float, float]:
    """Return the calls that were made, seconds of CPU, and resident MiB."""
    return (
        harness.total(text, "aws_iot_bulk_exporter_api_requests_total{"),
        harness.total(text, "process_cpu_seconds_total "),
        harness.total(text, "process_resident_memory_bytes ") / 2**20,
    )


def _number(account: int) -> str:
    return f"{account + 1:012d}"


def _scenario(accounts: int) -> str:
    numbers = [_number(account) for account in range(accounts)]
    operation = (
        '  - {{kind: thing_registration_task, account: "{}", region: {}, timeline: [{{at: 0s, status: InProgress}}]}}'
    )
    lines = [operation.format(number, region) for number in numbers for region in REGIONS]
    return "\n".join((f"accounts: {numbers}", "quotas: true", "latency: 50ms", "operations:", *lines, ""))


def _config(accounts: int) -> str:
    watch = "watch: [{kind: thing_registration_task, discover: true}]"
    account = '  - {{name: "{0}", role_arn: "arn:aws:iam::{0}:role/reader", regions: [{1}], {2}}}'
    lines = [account.format(_number(one), ", ".join(REGIONS), watch) for one in range(accounts)]
    return "\n".join(("accounts:", *lines, "refresh: {min_age: 500ms}", ""))
