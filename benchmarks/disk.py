"""The size of the state file, and the calls and the time that it saves after a restart."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import harness
from exporter.kinds.registry import KINDS

REGIONS = tuple(
    f"{place}-{number}" for place in ("eu-west", "us-east", "us-west", "ap-south", "sa-east") for number in (1, 2)
)
IN_EACH_REGION = 50
NUMBER = len(REGIONS) * IN_EACH_REGION
# The status of completed operations; ``COMPLETED`` for the other kinds.
COMPLETED = {"thing_registration_task": "Completed", "greengrass_bulk_deployment": "Completed"}


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the exporter: the seconds until it exports every operation, and the number of calls."""

    seconds: float
    calls: float


def report() -> str:
    """Return the bytes for each operation, and the time and calls of the first and the second start."""
    header = (f"{NUMBER} ended operations in {len(REGIONS)} Regions", "file", "each", "first start", "second start")
    return harness.table(header, [_line(kind.name) for kind in KINDS])


def _line(kind: str) -> tuple[str, ...]:
    with TemporaryDirectory() as name, harness.simulator(Path(name), _scenario(kind)) as endpoint:
        first, second = (_run(Path(name), kind, endpoint) for _ in range(2))
        size = (Path(name) / "state.db").stat().st_size
    starts = (f"{run.seconds:.1f} s, {run.calls:.0f} calls" for run in (first, second))
    return (kind, f"{size / 1024:.0f} KiB", f"{size / NUMBER:.0f} bytes", *starts)


def _scenario(kind: str) -> str:
    status = COMPLETED.get(kind, "COMPLETED")
    operations = "".join(
        f"  - {{kind: {kind}, count: {IN_EACH_REGION}, region: {region}, created: -2h, items: 150000,\n"
        f"     input: s3://factory-onboarding/2026/week-47/sensors.jsonl,\n"
        f"     timeline: [{{at: 0s, status: {status}, done: 1.0, failed: 0.01}}]}}\n"
        for region in REGIONS
    )
    return f'accounts: ["111122223333"]\nquotas: false\noperations:\n{operations}'


def _run(folder: Path, kind: str, endpoint: str) -> _Run:
    watch = f"watch: [{{kind: {kind}, discover: true}}]"
    config = f"""
accounts: [{{account_id: "111122223333", regions: [{", ".join(REGIONS)}], {watch}}}]
refresh: {{min_age: 1h, stale_after: 2h}}
"""
    with harness.exporter(folder, config, endpoint, f"--state.file={folder / 'state.db'}") as port:
        harness.wait_for(port)
        began = time.perf_counter()
        text = harness.scrape(port, timeout=300)
        seconds = time.perf_counter() - began
    if harness.total(text, "aws_iot_bulk_exporter_operations{") != NUMBER:
        sys.exit("the exporter did not read every operation")
    return _Run(seconds, harness.total(text, "aws_iot_bulk_exporter_api_requests_total{"))
