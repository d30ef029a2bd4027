"""The slowest query of the dashboards: the graph of the failures of 10,000 operations, of synthetic samples."""

import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import harness
from exporter.kinds.registry import KINDS
from exporter.monitoring.dashboards.queries import failures
from exporter.monitoring.promql import by, failed_items_by
from tests.support import http_requests
from tests.support.prometheus import query_series, run_configured_prometheus
from tests.support.waiting import wait_until

LABELS = ("aws_account_id", "aws_region", "kind")
QUERIES = {
    "a zero for each account, Region and kind": failed_items_by(KINDS, LABELS),
    "a zero for each operation": f"sum {by(LABELS)} ({failures(KINDS, '')})",
}
# Each line has the kind, the number of operations, how many in ten have the series, and the begin of the series.
SERIES = (
    ("iot_job", 8_000, 10, 'aws_iot_job_things{state="succeeded"'),
    ("iot_job", 8_000, 5, 'aws_iot_job_things{state="failed"'),
    *(("iot_job", 8_000, 1, f'aws_iot_job_things{{state="{state}"') for state in ("queued", "rejected", "timed_out")),
    ("greengrass_deployment", 1_000, 10, 'aws_greengrass_deployment_things{state="succeeded"'),
    ("greengrass_deployment", 1_000, 3, 'aws_greengrass_deployment_things{state="failed"'),
    ("thing_registration_task", 800, 10, 'aws_iot_thing_registration_task_failed_things{aws_account_id="1"'),
    ("greengrass_bulk_deployment", 200, 10, 'aws_greengrass_bulk_deployment_invalid_input_records{aws_account_id="1"'),
    ("greengrass_bulk_deployment", 200, 10, 'aws_greengrass_bulk_deployment_groups{status="Failure"'),
)
POINTS, STEP, START = 61, 60, 1_700_000_000
ROUNDS = 3


def report() -> str:
    """Return the time of the query in each installed Prometheus."""
    programs = [name for name in ("prometheus", "prometheus-3") if shutil.which(name)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        text = folder / "samples.txt"
        with text.open("w", encoding="utf-8") as file:
            file.writelines(_samples())
            file.write("# EOF\n")
        command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "data")]
        subprocess.run(command, check=True, capture_output=True)
        rows = [
            (title, *(_seconds(folder, program, query) for program in programs)) for title, query in QUERIES.items()
        ]
    return harness.table(("graph of failures, 10,000 operations, 61 points", *programs), rows)


def _samples() -> Iterator[str]:
    for kind, number, in_ten, series in SERIES:
        for place in range(number):
            if place % 10 < in_ten:
                labels = f'aws_region="r{place % 10}",kind="{kind}",id="{kind}-{place}"'
                yield from (f"{series},{labels}}} 5 {START + STEP * point}\n" for point in range(POINTS))


def _seconds(folder: Path, program: str, query: str) -> str:
    with run_configured_prometheus(folder, {}, program) as url:
        wait_until(lambda: query_series(url, "vector(1)") or None, "Prometheus")
        return f"{statistics.median(_duration(url, query) for _ in range(ROUNDS)):.1f} s"


def _duration(url: str, query: str) -> float:
    parameters: dict[str, str | float] = {"query": query, "start": START, "end": START + STEP * (POINTS - 1)}
    began = time.perf_counter()
    response = http_requests.get(f"{url}/api/v1/query_range", params={**parameters, "step": STEP}, timeout=120)
    if not response.json()["data"]["result"]:
        raise AssertionError("the query returned nothing")
    return time.perf_counter() - began
