"""The rendered objects of every values file, validated as Kubernetes validates them."""

import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator

from tests.support.chart_documents import sections
from tests.support.helm_chart import (
    CHART,
    CI_VALUES,
    KUBE_VERSION,
    SHARDED_CLAIMS,
    SINGLE_CLAIM,
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
    "values", [CHART / "values.yaml", *CI_VALUES, SHARDED_CLAIMS, SINGLE_CLAIM], ids=lambda path: path.stem
)


def pods_of(documents: Sequence[Document]) -> Iterator[Document]:
    """Give the specification of each pod."""
    yield pod_of(documents)["spec"]
    yield from (document["spec"] for document in objects_of_kind(documents, "Pod"))


def test_helm_lint_finds_nothing() -> None:
    result = helm("lint", "--strict", KUBE_VERSION, str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_tests_use_every_values_file() -> None:
    assert len(CI_VALUES) == len([*(CHART / "ci").iterdir()]) > 1


@cache
def validate(document: str, version: str) -> None:
    """Validate an object against the strict schema of a Kubernetes version. Raises ValidationError."""
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
            validate_fields(f"monitoring.{kind}Endpoint", endpoint, excepted={"interval", "scrapeTimeout"})
            validate_fields(f"monitoring.{kind}Spec", document["spec"], excepted={"selector", "namespaceSelector"})


@EVERY_FILE
def test_the_operator_of_grafana_accepts_every_field_of_a_dashboard(values: Path) -> None:
    for dashboard in objects_of_kind(render(f"--values={values}"), "GrafanaDashboard"):
        validate_fields("grafana.dashboardSpec", dashboard["spec"], excepted={"instanceSelector", "json"})


def validate_fields(definition: str, fields: Document, excepted: set[str]) -> None:
    """Fail if the schema definition has no such field. Fields with separate values are excepted."""
    excepted = {*excepted, "relabelings", "metricRelabelings"}
    definition_validator(definition).validate({key: value for key, value in fields.items() if key not in excepted})


@cache
def definition_validator(definition: str) -> Draft202012Validator:
    """Return a validator by a definition of the schema of the values."""
    schema = {"$ref": f"#/definitions/{definition}", "definitions": values_schema()["definitions"]}
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@EVERY_FILE
def test_every_object_is_unique_and_in_the_namespace_of_the_release(values: Path) -> None:
    documents = render(f"--values={values}")
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names))
    other_kinds = {document["kind"] for document in documents if document["metadata"]["namespace"] != "monitoring"}
    assert other_kinds <= {*CUSTOM, "ConfigMap"}
    assert {document["metadata"]["namespace"] for document in documents} <= {"monitoring", "prometheus", "grafana"}


@EVERY_FILE
def test_every_pod_meets_the_restricted_standard_and_has_no_token(values: Path) -> None:
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
def test_mounted_volumes_probed_ports_and_selected_labels_exist(values: Path) -> None:
    documents = render(f"--values={values}")
    claims = {claim["metadata"]["name"] for claim in workload(documents)["spec"].get("volumeClaimTemplates", [])}
    for pod in pods_of(documents):
        volumes = {volume["name"] for volume in pod.get("volumes", [])} | claims
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


def test_the_default_values_need_no_custom_resource() -> None:
    kinds = {document["kind"] for document in render()}
    assert kinds == {"ServiceAccount", "ConfigMap", "Service", "Deployment", "Pod"}


def test_an_unsupported_version_of_kubernetes_is_reported() -> None:
    assert "1.25.0-0" in template("--kube-version=1.24.0").stderr


@pytest.mark.parametrize(
    "path",
    [
        setting.path
        for settings in sections().values()
        for setting in settings
        if isinstance(setting.default, dict | list)
    ],
)
def test_null_removes_a_group_of_values(path: str) -> None:
    on = "--set=serviceMonitor.enabled=true,networkPolicy.enabled=true,shards=2,reload.mode=sidecar"
    others = ("persistence", "prometheusRule", "dashboards.configMaps", "dashboards.grafanaOperator", "grafanaAlerts")
    assert render(on, *(f"--set={name}.enabled=true" for name in others), f"--set={path}=null")
