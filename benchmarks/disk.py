"""The size of the state file, and the calls and the time that it saves after a restart."""

import sys
import time
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


def report() -> str:
    """Return the bytes for each operation, and the time and calls of the first and the second start."""
    header = (f"{NUMBER} ended operations in {len(REGIONS)} Regions", "file", "each", "first start", "second start")
    return harness.table(header, [_line(kind.name) for kind in KINDS])


def _line(kind: str) -> tuple[str, ...]:
    with TemporaryDirectory() as name, harness.simulator(_scenario(kind)) as endpoint:
        file = Path(name) / "state.db"
        starts = [_start(file, kind, endpoint) for _ in range(2)]
        size = file.stat().st_size
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


def _start(state_file: Path, kind: str, endpoint: str) -> str:
    """Return the seconds until the exporter exports every operation, and the number of calls."""
    watch = f"watch: [{{kind: {kind}, discover: true}}]"
    config = f"""
accounts: [{{account_id: "111122223333", regions: [{", ".join(REGIONS)}], {watch}}}]
refresh: {{min_age: 1h, stale_after: 2h}}
"""
    with harness.exporter(config, endpoint, f"--state.file={state_file}") as port:
        harness.wait_for(port)
        began = time.perf_counter()
        text = harness.scrape(port, timeout=300)
        seconds = time.perf_counter() - began
    if harness.total(text, "aws_iot_bulk_exporter_operations{") != NUMBER:
        sys.exit("the exporter did not read every operation")
    calls = harness.total(text, "aws_iot_bulk_exporter_api_requests_total{")
    return f"{seconds:.1f} s, {calls:.0f} calls"
