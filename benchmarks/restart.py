"""A restart with 10,000 finished operations: the time until all are exported, and the calls to AWS."""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import harness
from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import parse_scenario
from tests.support.state_files import LAST, finished_config, finished_scenario, write_finished

EACH = 2500
OPERATIONS = EACH * len(LAST)
REQUESTS = "aws_iot_bulk_exporter_api_requests_total{"
LISTS = f'{REQUESTS}api="List'
OPERATION = "aws_iot_bulk_operation_info{"


def report() -> str:
    """Return the seconds from the start of the process until every operation is exported, and the cost."""
    config, scenario = finished_config(EACH), finished_scenario(EACH)
    with TemporaryDirectory() as name, harness.simulator(scenario) as endpoint:
        file = Path(name) / "state.db"
        write_finished(file, parse_config(config, KINDS), parse_scenario(scenario, KINDS), time.time())
        size = file.stat().st_size / 2**20
        began = time.perf_counter()
        with harness.exporter(config, endpoint, f"--state.file={file}") as port:
            harness.wait_for(port)
            listening = time.perf_counter() - began
            cpu = harness.total(_complete_scrape(port), "process_cpu_seconds_total ")
            served = time.perf_counter() - began
            text = harness.scrape(port, timeout=60)
    described = harness.total(text, REQUESTS) - harness.total(text, LISTS)
    rows: list[tuple[str, ...]] = [
        ("start to `/-/ready`", f"{listening:.1f} s"),
        ("start to the first /metrics with all of them", f"{served:.1f} s"),
        ("CPU until then", f"{cpu:.1f} s"),
        ("describe calls", f"{described:.0f}"),
        ("list calls", f"{harness.total(text, LISTS):.0f}"),
        ("size of the file", f"{size:.1f} MiB"),
    ]
    return harness.table((f"{OPERATIONS:,} finished operations, {EACH:,} of each kind", "figure"), rows)


def _complete_scrape(port: int) -> str:
    """Return the first response that contains every operation."""
    for _ in range(100):
        text = harness.scrape(port, timeout=1.0)
        if sum(line.startswith(OPERATION) for line in text.splitlines()) == OPERATIONS:
            return text
    sys.exit("the exporter does not export every operation")
