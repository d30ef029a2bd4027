"""The fire drill: a real Alertmanager notifies a receiver when each alert fires and resolves."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.cli.commands.simulate import isolated_environment
from exporter.cli.drill.cases import Case, cases, scenario_text
from exporter.cli.drill.speed_up import speed_up
from exporter.config.duration import parse_duration
from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.rules import rules
from exporter.simulator.scenario import parse_scenario
from tests.support.processes import run_process
from tests.support.promql import Promtool
from tests.support.repository import ROOT, program
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

EVERY_CASE = cases()
ALERTMANAGER = "alertmanager" if shutil.which("alertmanager") else "prometheus-alertmanager"
COMMAND = [sys.executable, "-m", "exporter", "drill"]
EXIT_SECONDS = 60

every_case = pytest.mark.parametrize("case", EVERY_CASE, ids=lambda case: case.alert.name)


@dataclass(frozen=True, slots=True)
class DrillResult:
    """A finished drill: its exit status, its output, and the received alerts in order."""

    status: int
    output: str
    received: list[dict[str, Any]]

    def notifications(self, case: Case) -> list[dict[str, Any]]:
        """Return the received alerts of a case."""
        return [alert for alert in self.received if case.labels.items() <= alert["labels"].items()]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DrillResult]:
    """Run the drill once, with an Alertmanager that calls a webhook."""
    program("prometheus")
    program(ALERTMANAGER)
    received: list[dict[str, Any]] = []

    async def hook(request: Request) -> Response:
        received.extend((await request.json())["alerts"])
        return Response()

    with serve_app(Starlette(routes=[Route("/hook", hook, methods=["POST"])])) as url:
        config = tmp_path_factory.mktemp("drill") / "alertmanager.yml"
        route = {"receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        receivers = [{"name": "test", "webhook_configs": [{"url": f"{url}/hook"}]}]
        config.write_text(yaml.safe_dump({"route": route, "receivers": receivers}))
        yield DrillResult(*run_drill([*COMMAND, "--hold", f"--alertmanager.config.file={config}"]), received)


def run_drill(command: list[str]) -> tuple[int, str]:
    """Run a drill, release it when it holds, and return its exit status and output."""
    output = ""
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as drill:
        assert drill.stdout is not None
        for line in drill.stdout:
            output += line
            if line.startswith("held "):
                drill.send_signal(signal.SIGINT)
        return drill.wait(timeout=EXIT_SECONDS), output


def test_the_drill_passes(result: DrillResult) -> None:
    assert result.status == 0, result.output
    assert "NOT " not in result.output


@every_case
def test_an_alert_fires_with_the_right_labels_and_ends(case: Case, result: DrillResult) -> None:
    states = [alert["status"] for alert in result.notifications(case)]
    assert "firing" in states, result.output
    assert states[-1] == "resolved", result.output


@every_case
def test_a_notification_has_complete_labels_and_annotations(case: Case, result: DrillResult) -> None:
    for alert in result.notifications(case):
        assert alert["labels"]["drill"] == "true"
        assert set(case.alert.labels) <= set(alert["labels"]) | {"namespace", "cluster"}
        texts = alert["annotations"]
        assert set(texts) == {"summary", "description"}
        assert not [text for text in texts.values() if "<no value>" in text or "{{" in text or "<error" in text]


def test_every_alert_has_a_case_and_every_scenario_file_belongs_to_an_alert() -> None:
    assert [case.alert for case in EVERY_CASE] == list(ALERTS)
    files = {file.stem for file in (ROOT / "exporter" / "cli" / "drill" / "scenarios").iterdir()}
    assert files == {case.alert.name for case in EVERY_CASE if case.scenario}


def test_every_scenario_is_valid_and_has_its_own_region() -> None:
    scenarios = [parse_scenario(scenario_text(case.alert.name), KINDS) for case in EVERY_CASE if case.scenario]
    regions = [{operation.region for operation in scenario.operations} for scenario in scenarios]
    assert len(set().union(*regions)) == len(scenarios)
    for scenario, own in zip(scenarios, regions, strict=True):
        assert {fault.region for fault in scenario.faults} <= own


def test_speed_up_divides_only_the_times_of_the_rules(tmp_path: Path, promtool: Promtool) -> None:
    slow, fast = rules(KINDS), speed_up(rules(KINDS), 10)
    for before, after in zip(slow.alerts, fast.alerts, strict=True):
        assert (after.name, after.query, after.labels) == (before.name, before.query, before.labels)
        assert parse_duration(after.for_) == pytest.approx(parse_duration(before.for_) / 10)
        assert after.threshold == (before.threshold / 10 if before.unit == "seconds" else before.threshold)
    assert fast.substitute("${stalled_iot_job_seconds} ${ended_seconds} ${rate} ${items}") == "720 8640 90000ms 20"
    file = tmp_path / "rules.yaml"
    file.write_text(prometheus_rules(fast))
    promtool("check", "rules", file)


def test_a_terminated_drill_stops_all_its_programs(tmp_path: Path) -> None:
    program("prometheus")
    program(ALERTMANAGER)
    output = tmp_path / "drill.log"
    with run_process(COMMAND, output) as process:
        wait_until(lambda: "Prometheus  " in output.read_text() or None, "the start of the drill")
        started = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(started) >= 5
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=300) == 130
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


def test_the_programs_use_only_the_simulated_aws() -> None:
    machine = {"AWS_ENDPOINT_URL_IOT": "https://iot.example", "AWS_PROFILE": "mine", "https_proxy": "x", "PATH": "/bin"}
    environment = isolated_environment(machine, "http://127.0.0.1:1")
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert environment["PATH"] == "/bin"
    assert environment.keys() & {"AWS_ENDPOINT_URL_IOT", "AWS_PROFILE", "https_proxy"} == set()


def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, text=True, capture_output=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "aws-iot-bulk-exporter: the program prometheus is not installed\n"
