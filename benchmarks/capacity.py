"""The capacity of one process: memory and CPU by the number of scopes, and an estimate for 1,000 accounts."""

import math
import time

from benchmarks import harness
from exporter.config.partitions import ENABLED_BY_DEFAULT

REGIONS = sorted(ENABLED_BY_DEFAULT)
# The last number is about one shard of the fleet.
ACCOUNTS = (1, 18, 200)
REFRESHES = 2
# The assumptions of the estimate: seconds between two scrapes, and the maximum load of a core.
INTERVAL = 30.0
MAX_LOAD = 0.7
# The resident MiB of a process with one scope, which the benchmark ``start`` measures.
BASE_MEMORY = 66.0
FLEET = 1000 * len(REGIONS)


def report() -> str:
    """Return the figures by number of scopes, and the shards for 1,000 accounts in 17 Regions."""
    lines, cpu, memory = [], 0.0, 0.0
    for accounts in ACCOUNTS:
        line, cpu, memory = _line(accounts)
        lines.append(line)
    shards = math.ceil(FLEET * cpu / (INTERVAL * MAX_LOAD))
    table = harness.table(
        ("scopes", "calls in a refresh", "refresh", "CPU of a refresh", "CPU of a scope", "resident", "of a scope"),
        lines,
    )
    shard_scopes = math.ceil(FLEET / shards)
    return (
        f"{table}\n\n1,000 accounts in {len(REGIONS)} Regions are {FLEET:,} scopes. "
        f"With a scrape every {INTERVAL:.0f} s\n"
        f"and {MAX_LOAD:.0%} of a core for each process they take {shards} shards of {shard_scopes:,} scopes, "
        f"each with about {shard_scopes * memory + BASE_MEMORY:.0f} MiB."
    )


def _line(accounts: int) -> tuple[tuple[str, ...], float, float]:
    """Return a row, and the seconds of CPU and the MiB for each scope."""
    scopes = accounts * len(REGIONS)
    with harness.simulated_exporter(_scenario(accounts), _config(accounts)) as port:
        harness.wait_for(port)
        before = _state(harness.scrape(port, timeout=300))
        began = time.perf_counter()
        for _ in range(REFRESHES):
            time.sleep(1.0)
            after = _state(harness.scrape(port, timeout=300))
        seconds = (time.perf_counter() - began) / REFRESHES - 1.0
    calls, cpu = (after[0] - before[0]) / REFRESHES, (after[1] - before[1]) / REFRESHES
    memory = (after[2] - BASE_MEMORY) / scopes
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
    """Return the number of calls, the seconds of CPU and the resident MiB."""
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
    lines = [account.format(_number(index), ", ".join(REGIONS), watch) for index in range(accounts)]
    return "\n".join(("accounts:", *lines, "refresh: {min_age: 500ms}", ""))
