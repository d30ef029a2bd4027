"""What ``helm install`` says when it is done."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.support.helm_chart import CHART, KUBE_VERSION, ci_values, helm

NOTES = """notes: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}"""
"""A template that shows them: without a cluster helm keeps them to itself."""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart with a template more."""
    copy = tmp_path_factory.mktemp("chart") / "helm"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "notes.yaml").write_text(NOTES)
    return copy


def notes(chart: Path, *arguments: str) -> str:
    """The notes of a release."""
    words = (
        "template",
        "fleet",
        str(chart),
        "--namespace=monitoring",
        KUBE_VERSION,
        "--show-only=templates/notes.yaml",
    )
    result = helm(*words, *arguments)
    assert result.returncode == 0, result.stderr
    return str(yaml.safe_load(result.stdout)["notes"])


def test_the_notes_lead_to_the_metrics_and_say_what_is_missing(chart: Path) -> None:
    told = notes(chart)
    assert "port-forward deployment/fleet-aws-iot-bulk-exporter 10098:10098" in told
    assert "curl http://127.0.0.1:10098/metrics" in told
    assert "AWS credentials for the service account fleet-aws-iot-bulk-exporter" in told
    assert "Prometheus does not scrape the exporter yet" in told
    assert "helm test fleet --namespace monitoring" in told
    assert "does not scrape" not in notes(chart, "--set=serviceMonitor.enabled=true")


def test_the_notes_know_tls_passwords_and_client_certificates(chart: Path) -> None:
    assert "curl --insecure --user NAME https://127.0.0.1:10098/metrics" in notes(chart, ci_values("tls"))
    told = notes(chart, ci_values("client-certificate"))
    assert "--cert CERTIFICATE --key KEY https://127.0.0.1:10098/bulk/metrics" in told
    assert "would have no client certificate" in told


def test_the_notes_tell_which_claims_stay(chart: Path) -> None:
    on = "--set=persistence.enabled=true"
    assert "the claim fleet-aws-iot-bulk-exporter-state, which remains when" in notes(chart, on)
    assert "the claims of the shards, which remain when" in notes(chart, on, "--set=shards=2")
    for settings in ("existingClaim=mine", "type=emptyDir", "persistentVolumeClaimRetentionPolicy.whenDeleted=Delete"):
        assert "which remain" not in notes(chart, on, f"--set=persistence.{settings}")


def test_the_notes_know_shards_and_whose_the_configuration_is(chart: Path) -> None:
    told = notes(chart, ci_values("sharded"), "--set=config=null,existingConfigMap.name=mine")
    assert "of one of the 4 shards" in told
    assert "rollout restart statefulset/fleet-aws-iot-bulk-exporter" in told
    assert "ConfigMap fleet, which this release does not own" in notes(chart, ci_values("sidecar"))
    assert "rollout restart" not in notes(chart, ci_values("sidecar"))
    assert "the AWS credentials of the Secret aws" in notes(chart, ci_values("static-credentials"))
