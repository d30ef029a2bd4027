"""The fire drill: every alert of the table reaches a receiver of a real Alertmanager, and its end does too."""

from __future__ import annotations

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

from exporter.cli.commands.simulate import isolated
from exporter.cli.drill.cases import Case, cases, scenario_text
from exporter.cli.drill.speed_up import hurried
from exporter.config.duration import seconds
from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.ruleset import rules
from exporter.simulator.scenario import parse_scenario
from tests.support.processes import running
from tests.support.promql import promtool
from tests.support.repository import ROOT
from tests.support.required_programs import program
from tests.support.servers import serving
from tests.support.waiting import until

EVERY_CASE = cases()
ALERTMANAGER = "alertmanager" if shutil.which("alertmanager") else "prometheus-alertmanager"
COMMAND = [sys.executable, "-m", "exporter", "drill"]
ENOUGH_SECONDS = 60

every_case = pytest.mark.parametrize("case", EVERY_CASE, ids=lambda case: case.alert.name)


@dataclass(frozen=True, slots=True)
class Played:
    """A drill that is over: what it printed, and every alert that a receiver got, in order."""

    status: int
    printed: str
    received: list[dict[str, Any]]

    def of(self, case: Case) -> list[dict[str, Any]]:
        """Return what the receiver got of the alert that a case sets off."""
        return [alert for alert in self.received if case.labels.items() <= alert["labels"].items()]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """Run the whole drill once, with an Alertmanager that calls a webhook."""
    program("prometheus")
    program(ALERTMANAGER)
    received: list[dict[str, Any]] = []

    async def hook(request: Request) -> Response:
        received.extend((await request.json())["alerts"])
        return Response()

    with serving(Starlette(routes=[Route("/hook", hook, methods=["POST"])])) as url:
        config = tmp_path_factory.mktemp("drill") / "alertmanager.yml"
        route = {"receiver": "test", "group_by": ["..."], "group_wait": "0s", "group_interval": "1s"}
        receivers = [{"name": "test", "webhook_configs": [{"url": f"{url}/hook"}]}]
        config.write_text(yaml.safe_dump({"route": route, "receivers": receivers}))
        yield Played(*finished([*COMMAND, "--hold", f"--alertmanager.config.file={config}"]), received)


def finished(command: list[str]) -> tuple[int, str]:
    """Run a drill, let go of it where it holds, and return its status and what it printed."""
    printed = ""
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as drill:
        assert drill.stdout is not None
        for line in drill.stdout:
            printed += line
            if line.startswith("held "):
                drill.send_signal(signal.SIGINT)
        return drill.wait(timeout=ENOUGH_SECONDS), printed


def test_the_drill_is_passed(played: Played) -> None:
    assert played.status == 0, played.printed
    assert "NOT " not in played.printed


@every_case
def test_an_alert_fires_with_the_right_labels_and_ends(case: Case, played: Played) -> None:
    states = [alert["status"] for alert in played.of(case)]
    assert "firing" in states, played.printed
    assert states[-1] == "resolved", played.printed


@every_case
def test_a_notification_says_what_the_alert_is_about(case: Case, played: Played) -> None:
    for alert in played.of(case):
        assert alert["labels"]["drill"] == "true"
        assert set(case.alert.labels) <= set(alert["labels"]) | {"instance"}
        texts = alert["annotations"]
        assert set(texts) == {"summary", "description", "runbook_url", "dashboard_url"}
        assert not [text for text in texts.values() if "<no value>" in text or "{{" in text or "<error" in text]


def test_every_alert_has_a_case() -> None:
    assert [case.alert for case in EVERY_CASE] == list(ALERTS)


def test_every_scenario_is_one_for_simulate_and_has_a_region_of_its_own() -> None:
    scenarios = [parse_scenario(scenario_text(case.alert.name), KINDS) for case in EVERY_CASE if case.scenario]
    regions = [{operation.region for operation in scenario.operations} for scenario in scenarios]
    assert len(set().union(*regions)) == len(scenarios)
    for scenario, own in zip(scenarios, regions, strict=True):
        assert {fault.region for fault in scenario.faults} <= own


def test_every_scenario_file_belongs_to_an_alert() -> None:
    files = {file.stem for file in (ROOT / "exporter" / "drill" / "scenarios").iterdir()}
    assert files == {case.alert.name for case in EVERY_CASE if case.scenario}


def test_the_hurried_rules_are_the_same_rules_with_every_time_divided(tmp_path: Path) -> None:
    slow, fast = rules(KINDS), hurried(rules(KINDS), 10)
    for before, after in zip(slow.alerts, fast.alerts, strict=True):
        assert (after.name, after.query, after.labels) == (before.name, before.query, before.labels)
        assert seconds(after.for_) == pytest.approx(seconds(before.for_) / 10)
        assert after.threshold == (before.threshold / 10 if before.unit == "seconds" else before.threshold)
    assert fast.filled("${stalled} ${ended_seconds} ${items} ${runbooks}") == "180000ms 8640 20 docs/runbooks"
    file = tmp_path / "rules.yaml"
    file.write_text(prometheus_rules(fast))
    promtool("check", "rules", file)


def test_a_drill_that_is_ended_leaves_no_program_behind(tmp_path: Path) -> None:
    program("prometheus")
    program(ALERTMANAGER)
    output = tmp_path / "drill.log"
    with running(COMMAND, output) as process:
        until(lambda: "Prometheus  " in output.read_text() or None, "the beginning of the drill")
        started = children(process.pid)
        assert len(started) >= 5
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 130
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_the_programs_see_no_aws_but_the_simulated_one() -> None:
    machine = {"AWS_ENDPOINT_URL_IOT": "https://iot.example", "AWS_PROFILE": "mine", "https_proxy": "x", "PATH": "/bin"}
    alone = isolated(machine, "http://127.0.0.1:1")
    assert alone["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert alone["PATH"] == "/bin"
    assert alone.keys() & {"AWS_ENDPOINT_URL_IOT", "AWS_PROFILE", "https_proxy"} == set()


def test_without_prometheus_the_drill_says_so(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(COMMAND, cwd=ROOT, env=environment, text=True, capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "aws-iot-bulk-exporter: the program prometheus is not installed\n"
