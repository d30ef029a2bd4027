"""The notes that ``helm install`` prints."""

import shutil
from pathlib import Path

import pytest
import yaml

from tests.support.helm_chart import CHART, KUBE_VERSION, ci_values, helm

# Helm prints the notes only with a cluster, so this template renders them.
NOTES = """notes: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}"""


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the chart with a template that contains the notes."""
    copy = tmp_path_factory.mktemp("chart") / "helm"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "notes.yaml").write_text(NOTES)
    return copy


def notes(chart: Path, *arguments: str) -> str:
    """Return the notes of a release."""
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


def test_the_notes_contain_the_commands_and_the_missing_settings(chart: Path) -> None:
    text = notes(chart)
    assert "port-forward deployment/fleet-aws-iot-bulk-exporter 10098:10098" in text
    assert "curl http://127.0.0.1:10098/metrics" in text
    assert "AWS credentials for the service account fleet-aws-iot-bulk-exporter" in text
    assert "Prometheus does not scrape the exporter yet" in text
    assert "helm test fleet --namespace monitoring" in text
    assert "does not scrape" not in notes(chart, "--set=serviceMonitor.enabled=true")


def test_the_notes_contain_the_flags_for_tls_passwords_and_client_certificates(chart: Path) -> None:
    assert "curl --insecure --user NAME https://127.0.0.1:10098/metrics" in notes(chart, ci_values("tls"))
    text = notes(chart, ci_values("client-certificate"))
    assert "--cert CERTIFICATE --key KEY https://127.0.0.1:10098/bulk/metrics" in text
    assert "would have no client certificate" in text


def test_the_notes_name_the_claims_that_remain(chart: Path) -> None:
    on = "--set=persistence.enabled=true"
    assert "the claim fleet-aws-iot-bulk-exporter-state, which remains when" in notes(chart, on)
    assert "the claims of the shards, which remain when" in notes(chart, on, "--set=shards=2")
    for settings in ("existingClaim=mine", "type=emptyDir", "persistentVolumeClaimRetentionPolicy.whenDeleted=Delete"):
        assert "which remain" not in notes(chart, on, f"--set=persistence.{settings}")


def test_the_notes_depend_on_shards_and_on_the_source_of_the_configuration(chart: Path) -> None:
    text = notes(chart, ci_values("sharded"), "--set=config=null,existingConfigMap.name=mine")
    assert "of one of the 4 shards" in text
    assert "rollout restart statefulset/fleet-aws-iot-bulk-exporter" in text
    assert "ConfigMap fleet, which this release does not own" in notes(chart, ci_values("sidecar"))
    assert "rollout restart" not in notes(chart, ci_values("sidecar"))
    assert "the AWS credentials of the Secret aws" in notes(chart, ci_values("static-credentials"))
