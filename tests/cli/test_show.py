"""``show`` prints the content of the committed files."""

import re
from pathlib import Path

import pytest

from exporter.cli.commands.show import COMPLETION, MONITORING, SUBJECTS
from tests.support.processes import run_exporter, usage_errors
from tests.support.repository import ROOT

COMMITTED = {
    "metrics": "docs/metrics.md",
    "iam-policy": "docs/iam-policy.json",
    "configuration": "docs/configuration.md",
    "scenarios": "docs/scenarios.md",
    "config-schema": "docs/config.schema.json",
    "openapi": "docs/openapi.json",
    "prometheus-rules": "monitoring/prometheus-rules.yaml",
    "grafana-alerts": "monitoring/grafana-alerts.yaml",
    "alertmanager-inhibitions": "monitoring/alertmanager-inhibitions.yaml",
    "dashboard": "monitoring/dashboards/aws-iot-bulk-fleet.json",
    "dashboard-operation": "monitoring/dashboards/aws-iot-bulk-operation.json",
    "dashboard-exporter": "monitoring/dashboards/aws-iot-bulk-exporter.json",
    "chart-alerts": "helm/files/alerts.yaml",
    "chart-grafana-alerts": "helm/files/grafana-alerts.yaml",
}
# The exporter reads this file itself, so it is not generated.
SOURCES = {"scenario": "exporter/simulator/scenarios/demo.yaml"}

# Helm reads no file outside the chart, so the chart has copies.
CHART_COPIES = {"monitoring/dashboards/*.json": "helm/files/dashboards/"}


@pytest.mark.parametrize("subject", sorted(COMMITTED | SOURCES))
def test_show_prints_the_committed_file(subject: str) -> None:
    done = run_exporter("show", subject, region="")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / (COMMITTED | SOURCES)[subject]).read_text(encoding="utf-8")


def test_every_subject_has_a_committed_file() -> None:
    assert set(SUBJECTS) == {*COMMITTED, *SOURCES, COMPLETION}


@pytest.mark.parametrize("subject", sorted(MONITORING))
def test_show_applies_the_settings_of_a_file(subject: str, tmp_path: Path) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_text('alerts: {AwsIotBulkFailureRatioHigh: {enabled: false}}\nselector: release=~"prod"\n')
    done = run_exporter("show", subject, f"--alerts.file={file}", region="")
    assert (done.returncode, done.stderr) == (0, "")
    if subject.startswith("dashboard"):
        assert r"{release=~\"prod\"" in done.stdout
    else:
        assert "AwsIotBulkFailureRatioHigh" in (ROOT / COMMITTED[subject]).read_text(encoding="utf-8")
        assert "AwsIotBulkFailureRatioHigh" not in done.stdout
    file.write_text("alerts: {AwsIotBulkRatio: {}}\nlabels: 5\n")
    assert usage_errors("show", subject, f"--alerts.file={file}") == [
        f"{file}: labels: expected a mapping",
        f"{file}: alerts.AwsIotBulkRatio: expected the name of an alert",
    ]


def test_make_documents_writes_every_subject_to_its_file() -> None:
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert dict(re.findall(r"show ([a-z-]+) > (\S+)", recipe)) == COMMITTED
    assert dict(re.findall(r"cp (\S+) (\S+)", recipe)) == CHART_COPIES


def test_the_chart_has_copies_of_the_committed_files() -> None:
    for pattern, copy in CHART_COPIES.items():
        originals = {path.name: path.read_bytes() for path in ROOT.glob(pattern)}
        copies = {path.name: path.read_bytes() for path in ROOT.glob(f"{copy}*" if copy.endswith("/") else copy)}
        assert copies == originals != {}
