"""The series of 10,000 operations in a real Prometheus: those of the exporter, and those that the rules record."""

import shutil
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import harness
from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.rules import RECORDING_GROUP, rules
from exporter.simulator.scenario import parse_scenario
from tests.support.prometheus import query_series, run_configured_prometheus
from tests.support.state_files import ACCOUNT, write_finished

# AWS's quotas apply to each Region, so the first fill of several Regions takes less time.
REGIONS = (
    *("eu-west-1", "eu-west-2", "eu-central-1", "us-east-1", "us-east-2"),
    *("us-west-2", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "ap-south-1"),
)
# Each line has the kind, the number in a Region, the age and the state. Most final operations are jobs: AWS keeps them
# for two years, and registration tasks for 30 days. A tenth of the operations is active. About 40 % of the final ones
# have failures.
MIX = (
    ("iot_job", 380, "20d", "COMPLETED, done: 1.0"),
    ("iot_job", 20, "2h", "COMPLETED, done: 1.0"),
    ("iot_job", 180, "20d", "COMPLETED, done: 1.0, failed: 0.02"),
    ("iot_job", 50, "10d", "CANCELED, done: 0.4, failed: 0.1"),
    ("iot_job", 70, "1h", "IN_PROGRESS, done: 0.5, failed: 0.01"),
    ("greengrass_deployment", 60, "20d", "COMPLETED, done: 1.0"),
    ("greengrass_deployment", 20, "20d", "COMPLETED, done: 1.0, failed: 0.02"),
    ("greengrass_deployment", 10, "10d", "CANCELED, done: 0.4, failed: 0.1"),
    ("greengrass_deployment", 10, "1h", "ACTIVE, done: 0.5, failed: 0.01"),
    ("thing_registration_task", 60, "20d", "Completed, done: 1.0, failed: 0.02"),
    ("thing_registration_task", 12, "20d", "Failed"),
    ("thing_registration_task", 8, "1h", "InProgress, done: 0.5, failed: 0.01"),
    ("greengrass_bulk_deployment", 15, "20d", "Completed, done: 1.0"),
    ("greengrass_bulk_deployment", 3, "20d", "Failed, done: 0.5, failed: 0.1"),
    ("greengrass_bulk_deployment", 2, "1h", "Running, done: 0.5, failed: 0.1"),
)
ACTIVE = ("IN_PROGRESS", "ACTIVE", "InProgress", "Running")
DEPLOYMENT = "greengrass_deployment"
INTERVAL = 15
GROUP_SECONDS = "prometheus_rule_group_last_duration_seconds{"
OF_OPERATIONS = '{__name__=~"aws_iot_bulk_operation_.+|aws_iot_job_.+|aws_iot_thing_.+|aws_greengrass_.+"}'
OF_EXPORTER = '{job="exporter"}'
RECORDED = '{__name__=~".+:aws_iot_bulk_.+"}'
OPERATION = (
    "\n  - {{kind: {kind}, count: {number}, region: {region}, items: 20, created: -{age}, "
    "timeline: [{{at: 0s, status: {state}}}]}}"
)


def report() -> str:
    """Return the numbers of series, and the memory of Prometheus if it is installed."""
    if not shutil.which("prometheus"):
        return "Prometheus is not installed."
    scenario, config = _scenario(), _config()
    with TemporaryDirectory() as name, harness.simulator(scenario) as endpoint:
        folder = Path(name)
        file = folder / "state.db"
        write_finished(file, parse_config(config, KINDS), parse_scenario(scenario, KINDS), time.time())
        with harness.exporter(config, endpoint, f"--state.file={file}") as port:
            _fill(port)
            (folder / "rules.yaml").write_text(prometheus_rules(rules(KINDS)), encoding="utf-8")
            with run_configured_prometheus(folder, _prometheus_config(port, folder)) as url:
                return harness.table(
                    (f"{_operations():,} operations, {_final():,} of them final", "figure"), _rows(url)
                )


def _rows(url: str) -> list[tuple[str, ...]]:
    # Rates need several samples. Then the number of series is constant.
    time.sleep(10 * INTERVAL)
    recorded = _count(url, RECORDED)
    names = "|".join(rules(KINDS).optional)
    optional = _count(url, f'{{__name__=~"{names}"}}')
    own = harness.get(int(url.rpartition(":")[2]), "/metrics")
    durations = [line for line in own.splitlines() if line.startswith(GROUP_SECONDS) and RECORDING_GROUP in line]
    duration = sum(float(line.rpartition(" ")[2]) for line in durations)
    return [
        ("series of operations", f"{_count(url, OF_OPERATIONS):,}"),
        ("all series of the exporter", f"{_count(url, OF_EXPORTER):,}"),
        ("recorded series, `records: all`", f"{recorded:,}"),
        ("recorded series, `records: alerts`", f"{recorded - optional:,}"),
        ("evaluation of the recording rules", f"{duration:.2f} s"),
        ("resident memory of Prometheus", f"{harness.total(own, 'process_resident_memory_bytes ') / 2**20:.0f} MiB"),
    ]


def _count(url: str, series: str) -> int:
    # Scrapes that fail on a busy machine must not count as no series.
    found = query_series(url, f"max_over_time(count({series})[5m:{INTERVAL}s])")
    return int(found[0]["value"][1]) if found else 0


def _operations() -> int:
    # A Greengrass V2 deployment is also a job.
    return len(REGIONS) * sum(number * (2 if kind == DEPLOYMENT else 1) for kind, number, _, _ in MIX)


def _final() -> int:
    active = sum(
        number * (2 if kind == DEPLOYMENT else 1) for kind, number, _, state in MIX if state.startswith(ACTIVE)
    )
    return _operations() - len(REGIONS) * active


def _scenario() -> str:
    lines = (
        OPERATION.format(kind=kind, number=number, region=region, age=age, state=state)
        for region in REGIONS
        for kind, number, age, state in MIX
    )
    return f'accounts: ["{ACCOUNT}"]\nquotas: false\noperations:{"".join(lines)}\n'


def _config() -> str:
    watch = (f"\n      - {{kind: {kind.name}, discover: true}}" for kind in KINDS)
    regions = ", ".join(REGIONS)
    account = f'  - account_id: "{ACCOUNT}"\n    regions: [{regions}]\n    watch:{"".join(watch)}\n'
    return f"aws: {{api_budget: 1.0}}\naccounts:\n{account}"


def _prometheus_config(port: int, folder: Path) -> dict[str, Any]:
    return {
        "global": dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), f"{INTERVAL}s"),
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [{"job_name": "exporter", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}],
    }


def _fill(port: int) -> None:
    """Scrape until the exporter has read every operation."""
    for _ in range(100):
        text = harness.scrape(port, timeout=30)
        if harness.total(text, "aws_iot_bulk_exporter_operations{") == _operations():
            return
    sys.exit("the exporter did not read every operation")
