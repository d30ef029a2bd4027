"""API calls and memory for the reasons of 100 of 200,000 failed items, with the command and with the server."""

import json
import re
import subprocess
import sys
from typing import Any

from benchmarks import harness
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS

FAILED = 200_000
LIMIT = 100
# The ids of an operation with a single failed item, and of one with many.
FEW, MANY = "few", "many"
OPERATION = """
  - kind: {kind}
    id: {id}
    region: eu-west-1
    items: {items}
    failures: [{{reason: "{reason}"}}]
    timeline: [{{at: 0s, status: {status}, done: 1.0, failed: 1.0}}]
"""
# As long as a reason can be. Python needs four bytes for each character of a text with an emoji.
REASON = f"{{item}} \N{FLOPPY DISK}: {'no space left on device, ' * 40}"
CONFIG = """
accounts: [{{account_id: "111122223333", regions: [eu-west-1], watch: [{watch}]}}]
aws: {{api_budget: 1.0, read_timeout: 1m}}
refresh: {{deadline: 2m}}
failures: true
"""
# Runs a command, and prints its largest resident memory at the end.
MEASURED = """
import sys
from benchmarks.harness import peak
from exporter.cli.main import main
status = main()
print(peak(), file=sys.stderr)
sys.exit(status)
"""


def scenario() -> str:
    """Return a scenario with two operations of each kind, whose items have all failed."""
    operations = (
        OPERATION.format(kind=kind.name, id=id, items=items, reason=REASON, status=min(kind.completed))
        for kind in KINDS
        for id, items in ((FEW, 1), (MANY, FAILED))
    )
    return 'accounts: ["111122223333"]\nquotas: false\noperations:' + "".join(operations)


def config() -> str:
    """Return a configuration that watches the operations and shows their failed items."""
    return CONFIG.format(watch=", ".join(f"{{kind: {kind.name}, ids: [{FEW}, {MANY}]}}" for kind in KINDS))


def report() -> str:
    """Return the calls and the memory for each kind."""
    with harness.simulator(scenario()) as endpoint:
        growth = {kind.name: command_growth(endpoint, kind.name) for kind in KINDS}
        with harness.exporter_process(config(), endpoint) as (port, process):
            rows: list[tuple[str, ...]] = [
                (kind.name, *_figures(port, process, kind, growth[kind.name])) for kind in KINDS
            ]
    header = (f"{LIMIT} of {FAILED:,} failed items", "calls", "memory of the command", "memory of the server")
    return harness.table(header, rows)


def _figures(port: int, process: int, kind: Kind[Any], of_command: float) -> tuple[str, str, str]:
    of_server, calls = server_growth(port, process, kind)
    return str(calls), f"{of_command:+.1f} MiB", f"{of_server:+.1f} MiB"


def command_growth(endpoint: str, kind: str) -> float:
    """Return how many MiB the command needs for many failed items, compared to a single one."""
    return command_peak(endpoint, kind, MANY) - command_peak(endpoint, kind, FEW)


def command_peak(endpoint: str, kind: str, id: str) -> float:
    """Return the largest resident memory of the command, in MiB. Exits if it does not print the failed items."""
    with harness.file_with(config()) as file:
        words = ["failures", f"--config.file={file}", f"--kind={kind}", f"--id={id}", f"--limit={LIMIT}"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURED, *words, "--output=json"],
            env=harness.environment(endpoint),
            capture_output=True,
            text=True,
            check=True,
        )
    _check(json.loads(done.stdout), id)
    return float(done.stderr)


def server_growth(port: int, process: int, kind: Kind[Any]) -> tuple[float, int]:
    """Return how many MiB the server needs for many failed items after a single one, and the number of calls."""
    _request(port, kind.name, FEW)
    memory, calls = harness.resident(process), _failure_calls(port, kind)
    harness.reset_peak(process)
    _request(port, kind.name, MANY)
    return harness.peak(process) - memory, _failure_calls(port, kind) - calls


def _failure_calls(port: int, kind: Kind[Any]) -> int:
    """Return the number of calls for failed items. Those of refreshes do not count."""
    names = "|".join(call.name for call in kind.failures.calls) if kind.failures else ""
    row = rf'^aws_iot_bulk_exporter_api_requests_total{{.*api="(?:{names})".* (\S+)$'
    return int(sum(map(float, re.findall(row, harness.scrape(port), re.MULTILINE))))


def _request(port: int, kind: str, id: str) -> None:
    response = harness.get(port, f"/api/v1/operations/{kind}/{id}/failures?limit={LIMIT}")
    _check(json.loads(response.partition("\r\n\r\n")[2]), id)


def _check(content: dict[str, Any], id: str) -> None:
    items = content.get("items", ())
    if len(items) != (LIMIT if id == MANY else 1) or not all(item["reason"] for item in items):
        sys.exit(f"failed items are missing: {content}")
