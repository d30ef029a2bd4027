"""The commands of the runbooks for failed items print the reasons of the operation that caused the alert."""

import json
import os
import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.aws.models import Models
from exporter.cli.drill.cases import Case, cases, scenario_text
from exporter.config.duration import parse_duration
from exporter.config.strict_yaml import parse_yaml
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.monitoring.test_runbooks import WITH_FAILED_ITEMS
from tests.support.exporter_server import aws_environment
from tests.support.processes import run_exporter
from tests.support.repository import ROOT
from tests.support.servers import serve_app

COMMAND = re.compile(r"^aws-iot-bulk-exporter (failures .*)$", re.MULTILINE)
LABELS = {"KIND": "kind", "ID": "id", "REGION": "aws_region"}
# All of its things may have succeeded after a retry.
MAY_HAVE_SUCCEEDED = "AwsIotBulkOperationOutcomeUnknown"


def runbook_command(case: Case) -> str:
    """Return the arguments of the command in the runbook of an alert, empty if it has none."""
    text = Path(ROOT, "docs", "runbooks", f"{case.alert.name}.md").read_text(encoding="utf-8")
    found = COMMAND.search(text)
    return found[1] if found else ""


def words(command: str, labels: Mapping[str, str]) -> list[str]:
    """Return the words of a command with the labels of an alert."""
    return [re.sub(r"(?<==)[A-Z]+$", lambda match: labels[LABELS[match[0]]], word) for word in shlex.split(command)]


CASES = [case for case in cases() if runbook_command(case)]


def test_the_runbooks_of_alerts_on_failed_items_have_the_command() -> None:
    assert {case.alert.name for case in CASES} == set(WITH_FAILED_ITEMS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert.name)
def test_the_command_prints_the_reasons_of_the_operation_that_fired(case: Case) -> None:
    passed, scenario = [0.0], scenario_text(case.alert.name)
    reasons = [failure["reason"] for failure in parse_yaml(scenario)["operations"][0].get("failures", ())]
    assert reasons or case.alert.name == MAY_HAVE_SUCCEEDED
    # The clock runs, because the simulator throttles calls as AWS does.
    aws = application(parse_scenario(scenario, KINDS), KINDS, Models(), now=lambda: time.time() + passed[0])
    with serve_app(aws) as endpoint, aws_environment(endpoint):
        passed[0] = parse_duration("15m")
        arguments = words(runbook_command(case), case.labels)
        done = run_exporter(*arguments, "--output=json", environment=os.environ)
    assert (done.returncode, done.stderr) == (0, "")
    groups = " ".join(group["reason"] for group in json.loads(done.stdout)["groups"])
    assert bool(groups) == bool(reasons)
    # The words before the parts that differ between items.
    for begin in (re.split(r"[{/\d]", reason)[0].strip() for reason in reasons):
        assert begin in groups
