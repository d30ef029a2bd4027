"""The schema of the values. Schema and values.yaml contain the same settings."""

from collections.abc import Iterator
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from tests.support.chart_documents import VALUES, sections
from tests.support.helm_chart import read_yaml, render, render_error, values_schema
from tests.support.javascript_patterns import patterns, patterns_that_javascript_refuses

WATCH = "config.accounts[0].watch[0]"


def mismatches(values: dict[str, Any], part: dict[str, Any], documented: set[str], prefix: str = "") -> Iterator[str]:
    """Give each key that is missing in values.yaml or in the schema. Keys below a documented one are skipped."""
    part = values_schema()["definitions"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
    for key in sorted((values.keys() | part["properties"].keys()) - {"global"}):
        path = prefix + key
        if key not in values or key not in part["properties"]:
            yield path
        elif path not in documented:
            yield from mismatches(values[key], part["properties"][key], documented, f"{path}.")


def open_objects(part: Any, path: str = "") -> Iterator[str]:
    """Give each path where the schema has keys and allows unknown ones, except in alternatives."""
    if isinstance(part, list):
        for index, entry in enumerate(part):
            yield from open_objects(entry, f"{path}[{index}]")
    elif isinstance(part, dict):
        if isinstance(part.get("properties"), dict) and not part.keys() & {"additionalProperties", "allOf"}:
            yield path
        for key in part.keys() - {"if"}:
            yield from open_objects(part[key], f"{path}.{key}")


def test_values_and_schema_contain_the_same_settings() -> None:
    documented = {setting.path for settings in sections().values() for setting in settings}
    assert [*mismatches(read_yaml(VALUES), values_schema(), documented)] == []


def test_only_the_values_of_a_parent_chart_allow_unknown_keys() -> None:
    assert [*open_objects(values_schema())] == [".properties.global"]


def test_javascript_can_compile_every_pattern_of_the_schema() -> None:
    assert len({*patterns(values_schema())}) > 10
    assert patterns_that_javascript_refuses(values_schema()) == []


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("replicaCount", "replicaCount"),
        ("image.tga", "tga"),
        ("reload.image.tga", "tga"),
        ("reload.mod", "mod"),
        ("service.prot", "prot"),
        ("existingConfigMap.nmae", "nmae"),
        ("config.acounts", "acounts"),
        ("config.accounts[0].region", "region"),
        (f"{WATCH}.kind=iot_job,{WATCH}.discovr", "discovr"),
        (f"{WATCH}.kind=iot_job,{WATCH}.discover.statuses[0]", "IN_PROGRESS"),
        (f"{WATCH}.kind", KINDS[0].name),
        ("serviceAccount.anotations.a", "anotations"),
        ("aws.credentialsSecret.key", "key"),
        ("log.levle", "levle"),
        ("persistence.storageClass", "storageClass"),
        ("persistence.emptyDir.sizeLimt", "sizeLimt"),
        ("persistence.persistentVolumeClaimRetentionPolicy.whenDelete", "whenDelete"),
        ("web.config.tls_server_config.cert_fle", "cert_fle"),
        ("web.existingSecret.nmae", "nmae"),
        ("resources.limit.cpu", "limit"),
        ("podSecurityContext.runAsUsr", "runAsUsr"),
        ("securityContext.privilegd", "privilegd"),
        ("livenessProbe.timeout", "timeout"),
        ("lifecycle.preStop.exc", "exc"),
        ("updateStrategy.maxSurge", "maxSurge"),
        ("extraEnv[0].name=A,extraEnv[0].vlaue", "vlaue"),
        ("extraEnvFrom[0].secret", "secret"),
        ("extraVolumes[0].name=a,extraVolumes[0].confgMap", "confgMap"),
        ("extraContainers[0].name=a,extraContainers[0].imge", "imge"),
        ("tolerations[0].kye", "kye"),
        ("affinity.podAfinity.a", "podAfinity"),
        ("affinity.nodeAffinity.required", "required"),
        ("topologySpreadConstraints[0].maxSkw", "maxSkw"),
        ("podDisruptionBudget.min", "min"),
        ("networkPolicy.ingress.form", "form"),
        ("networkPolicy.ingress.from[0].podSelektor", "podSelektor"),
        ("networkPolicy.egress.extra[0].port", "port"),
        ("serviceMonitor.intervall", "intervall"),
        ("serviceMonitor.relabelings[0].target_label", "target_label"),
        ("serviceMonitor.endpoint.enableHTTP2", "enableHTTP2"),
        ("serviceMonitor.endpoint.tlsConfig.caFiel", "caFiel"),
        ("serviceMonitor.spec.jobLable", "jobLable"),
        ("podMonitor.endpoint.bearerTokenFile", "bearerTokenFile"),
        ("podMonitor.spec.targetLabels", "targetLabels"),
        ("prometheusRule.spec", "spec"),
        ("dashboards.enabled", "enabled"),
        ("dashboards.configMaps.labels", "labels"),
        ("dashboards.grafanaOperator.instanceSelector.matchLables", "matchLables"),
        ("dashboards.grafanaOperator.spec.foldr", "foldr"),
        ("grafanaAlerts.datasource", "datasource"),
    ],
)
def test_an_unknown_key_or_value_is_refused_with_its_name(path: str, key: str) -> None:
    assert f"'{key}'" in render_error(f"--set={path}=x")


@pytest.mark.parametrize(
    "setting",
    [
        "shards=0",
        "shards=two",
        "service.port=0",
        "containerPort=65536",
        "terminationGracePeriodSeconds=10",
        "image.digest=sha256:0",
        "image.pullPolicy=Sometimes",
        "podDisruptionBudget.minAvailable=half",
        "serviceMonitor.interval=30",
        "serviceMonitor.endpoint.scheme=ftp",
        "config.aws.api_budget=2",
        "fullnameOverride=Upper",
        "commonLabels.a=not a label",
        "persistence.type=pvc",
        "persistence.size=big",
        "persistence.storageClassName=Fast",
        "persistence.persistentVolumeClaimRetentionPolicy.whenScaled=Keep",
        "web.telemetryPath=metrics",
        "web.telemetryPath=/config",
        "web.telemetryPath=/runbooks/AwsIotBulkOperationFailed",
        "web.telemetryPath=/operations/iot_job/a",
        "web.externalUrl=exporter.example",
        "web.externalUrl=https://exporter.example/a b",
        "web.routePrefix=bulk",
        "web.routePrefix=/a//b",
        "prometheusRule.runbooks=${HOME}",
        "dashboards.configMaps.label=not a name",
        "grafanaAlerts.datasourceUid=a uid",
        "aws.region=nowhere",
    ],
)
def test_an_invalid_value_is_refused_with_its_path(setting: str) -> None:
    assert f"'/{setting.partition('=')[0].replace('.', '/')}'" in render_error(f"--set={setting}")


def test_an_error_message_contains_no_secret() -> None:
    settings = "--set=config.accounts[0].external_id[0]=hush,web.config.basic_auth_users.me[0]=hush"
    assert "hush" not in render_error(settings)


def test_global_values_of_a_parent_chart_are_allowed() -> None:
    assert render("--set=global.anything=x")
