"""What ``show`` prints is what is committed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.cli.commands.show import RULES, SUBJECTS
from exporter.cli.main import SUBJECTS as PRINTED_SUBJECTS
from tests.support.command_line import exporter, refusal
from tests.support.repository import ROOT

COMMITTED = {
    "metrics": "docs/metrics.md",
    "iam-policy": "docs/iam-policy.json",
    "config-schema": "docs/config.schema.json",
    "openapi": "docs/openapi.json",
    "prometheus-rules": "monitoring/prometheus-rules.yaml",
    "grafana-alerts": "monitoring/grafana-alerts.yaml",
    "dashboard": "monitoring/dashboards/aws-iot-bulk-fleet.json",
    "dashboard-operation": "monitoring/dashboards/aws-iot-bulk-operation.json",
    "dashboard-exporter": "monitoring/dashboards/aws-iot-bulk-exporter.json",
    "chart-alerts": "helm/files/alerts.yaml",
}

IN_THE_CHART = {
    "monitoring/grafana-alerts.yaml": "helm/files/grafana-alerts.yaml",
    "monitoring/dashboards/*.json": "helm/files/dashboards/",
}
"""What helm, which reads no file outside a chart, has a copy of."""


@pytest.mark.parametrize("subject", sorted(COMMITTED))
def test_show_prints_what_is_committed(subject: str) -> None:
    done = exporter("show", subject, region="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / COMMITTED[subject]).read_text(encoding="utf-8")


def test_the_subjects_of_the_command_line_are_those_that_can_be_shown() -> None:
    assert set(PRINTED_SUBJECTS) == {*SUBJECTS, *RULES} == set(COMMITTED)


@pytest.mark.parametrize("subject", sorted(RULES))
def test_show_takes_thresholds_from_a_file(subject: str, tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text("alerts: {AwsIotBulkFailureRatioHigh: {severity: page}}\n")
    done = exporter("show", subject, f"--alerts.file={file}", region="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("severity: page") == 1
    file.write_text("alerts: {AwsIotBulkRatio: {}}\nlabels: 5\n")
    assert refusal("show", subject, f"--alerts.file={file}") == [
        "labels: expected a mapping",
        "alerts.AwsIotBulkRatio: expected the name of an alert",
    ]


def test_make_documents_writes_every_subject_to_its_file() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert dict(re.findall(r"show ([a-z-]+) > (\S+)", recipe)) == COMMITTED
    assert dict(re.findall(r"cp (\S+) (\S+)", recipe)) == IN_THE_CHART


def test_the_chart_has_what_is_committed() -> None:
    for pattern, copy in IN_THE_CHART.items():
        originals = {path.name: path.read_bytes() for path in ROOT.glob(pattern)}
        copies = {path.name: path.read_bytes() for path in ROOT.glob(f"{copy}*" if copy.endswith("/") else copy)}
        assert copies == originals != {}
