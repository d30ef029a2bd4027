"""The Helm chart, rendered by the real helm."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from exporter import __version__
from tests.support.programs import program

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))

# Named, because a helm that was built without its release flags assumes a version older than the chart accepts.
OLDEST_KUBERNETES = "--kube-version=1.25.0"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("helm"), *arguments], capture_output=True, text=True, check=False, timeout=60)


def template(*arguments: str, release: str = "fleet") -> subprocess.CompletedProcess[str]:
    return helm("template", release, str(CHART), "--namespace=monitoring", OLDEST_KUBERNETES, *arguments)


def render(*arguments: str, release: str = "fleet") -> list[dict[str, Any]]:
    result = template(*arguments, release=release)
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.safe_load_all(result.stdout) if document]


def objects(documents: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [document for document in documents if document["kind"] == kind]


def one(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (document,) = objects(documents, kind)
    return document


def pod_template(documents: list[dict[str, Any]]) -> dict[str, Any]:
    pod: dict[str, Any] = one(documents, "Deployment")["spec"]["template"]
    return pod


def checksum(*arguments: str) -> str:
    annotations: dict[str, str] = pod_template(render(*arguments))["metadata"]["annotations"]
    return annotations["checksum/config"]


def settings(values: dict[str, Any], schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the path of every setting; values and schema must name the same keys."""
    assert values.keys() == schema["properties"].keys() - {"global"}, prefix
    assert schema["additionalProperties"] is False, prefix
    for key, value in values.items():
        child = schema["properties"][key]
        if value and "properties" in child:
            yield from settings(value, child, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_helm_lint_finds_nothing() -> None:
    result = helm("lint", "--strict", OLDEST_KUBERNETES, str(CHART))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("version", ["1.28", "1.31", "1.34", "1.37"])
@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.stem)
def test_kubernetes_accepts_every_object_and_every_field(values: Path, version: str) -> None:
    for document in render(f"--values={values}"):
        if document["kind"] not in ("PrometheusRule", "ServiceMonitor"):
            kubernetes_validate.validate(document, version, strict=True)


def test_there_are_values_files_to_try() -> None:
    assert CI_VALUES


@pytest.mark.parametrize("values", CI_VALUES, ids=lambda path: path.name)
def test_every_values_file_renders_into_the_namespace_of_the_release(values: Path) -> None:
    documents = render(f"--values={values}")
    assert {"Deployment", "Service"} <= {document["kind"] for document in documents}
    assert {document["metadata"]["namespace"] for document in documents} == {"monitoring"}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("replicaCount", "replicaCount"),
        ("image.tga", "tga"),
        ("service.prot", "prot"),
        ("existingConfigMap.nmae", "nmae"),
        ("serviceAccount.anotations.a", "anotations"),
        ("log.levle", "levle"),
        ("resources.limit.cpu", "limit"),
        ("extraEnv[0].vlaue", "vlaue"),
        ("affinity.podAfinity.a", "podAfinity"),
        ("serviceMonitor.intervall", "intervall"),
        ("serviceMonitor.relabelings[0].target_label", "target_label"),
    ],
)
def test_a_wrong_key_is_refused_with_its_name(path: str, key: str) -> None:
    result = template(f"--set={path}=x")
    assert result.returncode != 0
    assert key in result.stderr


def test_values_schema_and_readme_name_the_same_settings() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    readme = (CHART / "README.md").read_text(encoding="utf-8")
    assert sorted(settings(values, schema)) == sorted(re.findall(r"^\| `([\w.]+)` \|", readme, re.MULTILINE))


def test_a_parent_chart_may_pass_its_global_values() -> None:
    assert render("--set=global.anything=x")


def test_two_releases_in_one_namespace_share_no_name_and_no_pod() -> None:
    first, second = (render("--set=serviceMonitor.enabled=true", release=name) for name in ("east", "west"))

    def names(documents: list[dict[str, Any]]) -> set[tuple[str, str]]:
        return {(document["kind"], document["metadata"]["name"]) for document in documents}

    assert len(names(first)) == len(first)
    assert not names(first) & names(second)
    selector: dict[str, str] = one(first, "Service")["spec"]["selector"]
    assert selector.items() <= pod_template(first)["metadata"]["labels"].items()
    assert not selector.items() <= pod_template(second)["metadata"]["labels"].items()


def test_a_user_label_cannot_break_the_selector() -> None:
    documents = render(*(f"--set={key}.app\\.kubernetes\\.io/instance=other" for key in ("podLabels", "commonLabels")))
    selector: dict[str, str] = one(documents, "Deployment")["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/instance"] == "fleet"
    assert selector.items() <= pod_template(documents)["metadata"]["labels"].items()


def test_the_default_configuration_is_empty() -> None:
    assert yaml.safe_load(one(render(), "ConfigMap")["data"]["config.yaml"]) == {}


def test_the_configuration_reaches_the_pod_as_it_was_written() -> None:
    values = CHART / "ci" / "full-values.yaml"
    written = yaml.safe_load(values.read_text(encoding="utf-8"))["config"]
    assert yaml.safe_load(one(render(f"--values={values}"), "ConfigMap")["data"]["config.yaml"]) == written


def test_a_changed_configuration_rolls_the_pod() -> None:
    assert checksum("--set=config.refresh.min_age=15s") != checksum("--set=config.refresh.min_age=20s")
    assert checksum("--set=log.level=debug") == checksum()


def test_an_existing_config_map_is_mounted_and_none_is_made() -> None:
    documents = render("--set=existingConfigMap.name=mine,existingConfigMap.key=exporter.yaml")
    volumes = {volume["name"]: volume for volume in pod_template(documents)["spec"]["volumes"]}
    assert objects(documents, "ConfigMap") == []
    assert volumes["config"]["configMap"] == {
        "name": "mine",
        "items": [{"key": "exporter.yaml", "path": "config.yaml"}],
    }
    assert "annotations" not in pod_template(documents)["metadata"]


def test_a_configuration_beside_an_existing_config_map_is_refused() -> None:
    result = template("--set=existingConfigMap.name=mine,config.refresh.min_age=15s")
    assert result.returncode != 0
    assert "config and existingConfigMap.name exclude each other" in result.stderr


def test_service_account_annotations_stay_text() -> None:
    key = "eks.amazonaws.com/sts-regional-endpoints"
    path = "serviceAccount.annotations." + key.replace(".", "\\.")
    annotations = one(render(f"--set-string={path}=true"), "ServiceAccount")["metadata"]["annotations"]
    assert annotations == {key: "true"}
    refused = template(f"--set={path}=true")
    assert refused.returncode != 0
    assert "sts-regional-endpoints" in refused.stderr


def test_no_token_for_the_kubernetes_api_is_mounted() -> None:
    documents = render()
    assert one(documents, "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod_template(documents)["spec"]["automountServiceAccountToken"] is False


def test_no_service_monitor_is_made_unless_asked() -> None:
    assert objects(render(), "ServiceMonitor") == []
    documents = render("--set=serviceMonitor.enabled=true")
    monitor = one(documents, "ServiceMonitor")["spec"]
    service = one(documents, "Service")
    (endpoint,) = monitor["endpoints"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_a_digest_replaces_the_tag() -> None:
    digest = f"sha256:{'0' * 64}"
    (container,) = pod_template(render(f"--set=image.tag=v2,image.digest={digest}"))["spec"]["containers"]
    assert container["image"] == f"aws-iot-bulk-exporter@{digest}"


def test_the_user_of_the_pod_is_the_user_of_the_image() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user, group = re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)[-1]
    context = pod_template(render())["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))


def test_the_chart_installs_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    (container,) = pod_template(render())["spec"]["containers"]
    assert chart["appVersion"] == __version__
    assert container["image"].endswith(f":{__version__}")
