"""Every values file, as Kubernetes would see it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest

from tests.support.chart_tables import VALUES, sections
from tests.support.helm_chart import (
    CHART,
    CI_VALUES,
    KUBE_VERSION,
    SHARDED_CLAIMS,
    Document,
    helm,
    objects_of_kind,
    pod_of,
    render,
    template,
    values_schema,
    workload,
)

MONITORS = {"ServiceMonitor": "endpoints", "PodMonitor": "podMetricsEndpoints"}
CUSTOM = {*MONITORS, "PrometheusRule", "GrafanaDashboard"}
EVERY_FILE = pytest.mark.parametrize(
    "values", [CHART / "values.yaml", *CI_VALUES, SHARDED_CLAIMS], ids=lambda path: path.stem
)


def pods_of(documents: Sequence[Document]) -> Iterator[Document]:
    """Give the specification of each pod."""
    yield pod_of(documents)["spec"]
    yield from (document["spec"] for document in objects_of_kind(documents, "Pod"))


def test_helm_lint_finds_nothing() -> None:
    result = helm("lint", "--strict", KUBE_VERSION, str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_are_values_files_to_try_and_none_that_nobody_reads() -> None:
    assert len(CI_VALUES) == len([*(CHART / "ci").iterdir()]) > 1


@cache
def validate(document: str, version: str) -> None:
    """Hold an object to the strict schema of a Kubernetes version. Raises ValidationError."""
    kubernetes_validate.validate(json.loads(document), version, strict=True)


@pytest.mark.parametrize("version", ["1.28", "1.31", "1.34", "1.37"])
@EVERY_FILE
def test_kubernetes_accepts_every_object_and_every_field(values: Path, version: str) -> None:
    for document in render(f"--values={values}"):
        if document["kind"] not in CUSTOM:
            validate(json.dumps(document), version)


@EVERY_FILE
def test_the_operator_accepts_every_field_of_a_monitor(values: Path) -> None:
    for document in render(f"--values={values}"):
        if document["kind"] in MONITORS:
            kind = document["kind"][0].lower() + document["kind"][1:]
            (endpoint,) = document["spec"].pop(MONITORS[document["kind"]])
            assert endpoint.pop("port") == "http"
            accepted(f"monitoring.{kind}Endpoint", endpoint, but={"interval", "scrapeTimeout"})
            accepted(f"monitoring.{kind}Spec", document["spec"], but={"selector", "namespaceSelector"})


@EVERY_FILE
def test_the_operator_of_grafana_accepts_every_field_of_a_dashboard(values: Path) -> None:
    for dashboard in objects_of_kind(render(f"--values={values}"), "GrafanaDashboard"):
        accepted("grafana.dashboardSpec", dashboard["spec"], but={"instanceSelector", "json"})


def accepted(definition: str, fields: Document, but: set[str]) -> None:
    """Fail when a definition of the schema does not know a field, apart from those that are values of their own."""
    own = {*but, "relabelings", "metricRelabelings"}
    described = {"$ref": f"#/definitions/{definition}", "definitions": values_schema()["definitions"]}
    jsonschema.validate({key: value for key, value in fields.items() if key not in own}, described)


@EVERY_FILE
def test_every_object_stands_once_and_in_the_namespace_of_the_release(values: Path) -> None:
    documents = render(f"--values={values}")
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names))
    elsewhere = {document["kind"] for document in documents if document["metadata"]["namespace"] != "monitoring"}
    assert elsewhere <= {*CUSTOM, "ConfigMap"}
    assert {document["metadata"]["namespace"] for document in documents} <= {"monitoring", "prometheus", "grafana"}


@EVERY_FILE
def test_every_pod_keeps_to_the_restricted_level_and_has_no_token(values: Path) -> None:
    for pod in pods_of(render(f"--values={values}")):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert isinstance(pod["securityContext"]["runAsUser"], int)
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


@EVERY_FILE
def test_what_is_mounted_probed_and_selected_exists(values: Path) -> None:
    documents = render(f"--values={values}")
    claimed = {claim["metadata"]["name"] for claim in workload(documents)["spec"].get("volumeClaimTemplates", [])}
    for pod in pods_of(documents):
        volumes = {volume["name"] for volume in pod.get("volumes", [])} | claimed
        for container in pod["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
            ports = {port["name"] for port in container.get("ports", [])}
            probes = [container[probe] for probe in container if probe.endswith("Probe")]
            handlers = [probe.get("httpGet") or probe["tcpSocket"] for probe in probes]
            assert {handler["port"] for handler in handlers} <= ports
    labels = pod_of(documents)["metadata"]["labels"].items()
    assert workload(documents)["spec"]["selector"]["matchLabels"].items() <= labels
    for document in objects_of_kind(documents, "Service") + objects_of_kind(documents, "PodDisruptionBudget"):
        selector = document["spec"]["selector"]
        assert selector.get("matchLabels", selector).items() <= labels


def test_without_values_no_object_needs_a_custom_resource() -> None:
    kinds = {document["kind"] for document in render()}
    assert kinds == {"ServiceAccount", "ConfigMap", "Service", "Deployment", "Pod"}


def test_a_kubernetes_that_is_too_old_is_told_so() -> None:
    assert "1.25.0-0" in template("--kube-version=1.24.0").stderr


@pytest.mark.parametrize(
    "path",
    [
        setting.path
        for settings in sections(VALUES.read_text(encoding="utf-8")).values()
        for setting in settings
        if isinstance(setting.default, dict | list)
    ],
)
def test_null_takes_a_group_of_values_away(path: str) -> None:
    on = "--set=serviceMonitor.enabled=true,networkPolicy.enabled=true,shards=2,reload.mode=sidecar"
    others = ("persistence", "prometheusRule", "dashboards.configMaps", "dashboards.grafanaOperator", "grafanaAlerts")
    assert render(on, *(f"--set={name}.enabled=true" for name in others), f"--set={path}=null")
