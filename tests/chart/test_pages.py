"""The instructions of docs/kubernetes.md, of the chart's README and of its notes, without a cluster."""

import json
import re
import shlex
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.cli.main import parse_arguments
from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from tests.support.helm_chart import (
    CHART,
    KUBE_VERSION,
    ci_values,
    container_of,
    helm,
    only_object,
    pod_of,
    render,
)
from tests.support.repository import ROOT, program

# Every page that a user of the chart follows.
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("helm/*.md")]
}
PAGE = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
README = (CHART / "README.md").read_text(encoding="utf-8")
RELEASE = "aws-iot-bulk-exporter"
# Helm prints the notes only with a cluster, so this template renders them.
NOTES = """notes: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}"""


def blocks(language: str, page: str = PAGE) -> list[str]:
    """Return the fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def commands(start: str) -> list[list[str]]:
    """Return the words of each command line with this beginning."""
    lines = [
        line
        for page in PAGES.values()
        for block in blocks("sh", page)
        for line in block.replace("\\\n", "").splitlines()
    ]
    return [shlex.split(line) for line in lines if line.startswith(start)]


def values_blocks(page: str) -> list[str]:
    """Return the examples of a values file on a page."""
    return [block for block in blocks("yaml", page) if block.startswith("# values.yaml\n")]


PAGE_VALUES = values_blocks(PAGE)
OTHER_VALUES = [block for page in PAGES.values() if page not in (PAGE, README) for block in values_blocks(page)]


@pytest.mark.parametrize("values", [*PAGE_VALUES, *OTHER_VALUES, *blocks("yaml", README)])
def test_the_chart_accepts_every_example_of_values(values: str, tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text(values)
    assert len(render(f"--values={file}")) >= 5


@pytest.fixture
def page_values(tmp_path: Path) -> tuple[str, ...]:
    """Return flags for all examples of values of the page."""
    files = [tmp_path / f"{number}.yaml" for number in range(len(PAGE_VALUES))]
    for file, block in zip(files, PAGE_VALUES, strict=True):
        file.write_text(block)
    return tuple(f"--values={file}" for file in files)


def test_all_examples_of_the_page_can_be_combined(page_values: tuple[str, ...]) -> None:
    kinds = {document["kind"] for document in render(*page_values)}
    assert {"NetworkPolicy", "ServiceMonitor", "PrometheusRule"} < kinds


HELM_COMMANDS = commands("helm ")


@pytest.mark.parametrize("words", HELM_COMMANDS, ids=" ".join)
def test_every_helm_command_uses_the_same_release(words: list[str]) -> None:
    options = [word for word in words if word.startswith("-")]
    names = [word for word in words[2:] if word == RELEASE]
    assert (names, words[words.index("--namespace") + 1]) == ([RELEASE], "monitoring")
    assert {*options} <= {"--install", "--namespace", "--create-namespace", "--values"}


@pytest.mark.parametrize("words", [words for words in HELM_COMMANDS if "./helm" in words], ids=" ".join)
def test_every_install_command_keeps_all_values_of_the_page(words: list[str], page_values: tuple[str, ...]) -> None:
    files = [value for flag, value in pairwise(words) if flag == "--values"]
    assert files[0] == "values.yaml"
    more = [f"--values={ROOT / file}" for file in files[1:]]
    documents = render(*page_values, *more, release=RELEASE)
    assert {document["kind"] for document in documents} >= {"NetworkPolicy", "ServiceMonitor", "PrometheusRule"}
    images = {container["image"] for container in pod_of(documents)["spec"]["containers"]}
    assert images == {f"REGISTRY/aws-iot-bulk-exporter:{__version__}"}


def test_the_page_names_the_objects_of_its_release() -> None:
    documents = render(release=RELEASE)
    assert {document["metadata"]["name"] for document in documents if document["kind"] != "Pod"} == {RELEASE}
    workloads = {word for words in commands("kubectl") for word in words if word.startswith("deployment/")}
    assert workloads == {f"deployment/{RELEASE}"}


def test_the_readme_deletes_the_objects_of_its_release() -> None:
    single, sharded = (render("--set=persistence.enabled=true", f"--set=shards={n}", release=RELEASE) for n in (1, 2))
    test_name = only_object(single, "Pod")["metadata"]["labels"]["app.kubernetes.io/name"]
    deleted = [words[words.index("delete") + 1 :] for words in commands("kubectl") if "delete" in words]
    assert deleted == [
        ["pod", "--selector", f"app.kubernetes.io/name={test_name}"],
        ["persistentvolumeclaim", "--selector", f"app.kubernetes.io/instance={RELEASE}"],
        ["statefulset", "--selector", f"app.kubernetes.io/instance={RELEASE}"],
    ]
    # Claims have the labels of the pod selector.
    for documents in (single, sharded):
        found = only_object(documents, "StatefulSet")
        for labels in (found["metadata"]["labels"], found["spec"]["selector"]["matchLabels"]):
            assert labels["app.kubernetes.io/instance"] == RELEASE


def test_the_guide_to_scaling_names_the_service_of_the_shards() -> None:
    (service,) = [document for document in render("--set=shards=2", release=RELEASE) if document["kind"] == "Service"]
    (named,) = re.findall(r"names: \[(\S+)\]", (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8"))
    assert named == f"{service['metadata']['name']}.monitoring.svc.cluster.local"


def test_both_roles_trust_only_the_service_account_of_the_pods() -> None:
    account = f"{pod_of(render(release=RELEASE))['spec']['serviceAccountName']}"
    identity, irsa = (json.loads(block)["Statement"][0]["Condition"]["StringEquals"] for block in blocks("json"))
    assert identity == {
        "aws:RequestTag/kubernetes-namespace": "monitoring",
        "aws:RequestTag/kubernetes-service-account": account,
    }
    assert [*irsa.values()] == ["sts.amazonaws.com", f"system:serviceaccount:monitoring:{account}"]


def test_the_check_commands_use_the_mounted_file() -> None:
    found = [words[words.index("check") :] for words in commands("kubectl") if "check" in words]
    assert found
    for command, *arguments in found:
        parse_arguments(command, arguments)
        assert arguments[0] in container_of(render())["args"]


def test_the_scrape_job_selects_only_the_pods_of_the_exporter(tmp_path: Path) -> None:
    (text,) = [block for block in blocks("yaml") if block.startswith("scrape_configs:")]
    file, configuration = tmp_path / "prometheus.yml", yaml.safe_load(text)
    (job,) = configuration["scrape_configs"]
    # Debian's Prometheus is built without Kubernetes.
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["monitoring"]}}]
    file.write_text(yaml.safe_dump(configuration))
    subprocess.run([program("promtool"), "check", "config", file], check=True, capture_output=True)
    name, port = (rule["regex"] for rule in job["relabel_configs"][:2])
    documents = render()
    assert pod_of(documents)["metadata"]["labels"]["app.kubernetes.io/name"] == name
    assert only_object(documents, "Pod")["metadata"]["labels"]["app.kubernetes.io/name"] != name
    assert container_of(documents)["ports"][0]["name"] == port


def test_the_alert_of_the_page_exists_with_its_values(page_values: tuple[str, ...]) -> None:
    groups = only_object(render(*page_values), "PrometheusRule")["spec"]["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    named = {*re.findall(r"`(AwsIot\w+)`", PAGE)}
    assert named
    assert named <= alerts
    assert {*re.findall(r'alertname="(\w+)"', PAGE)} == named


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the chart with a template that contains the notes."""
    copy = tmp_path_factory.mktemp("chart") / "helm"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "notes.yaml").write_text(NOTES)
    return copy


def notes(chart: Path, *arguments: str) -> str:
    """Return the notes of a release."""
    only = "--show-only=templates/notes.yaml"
    result = helm("template", "fleet", str(chart), "--namespace=monitoring", KUBE_VERSION, only, *arguments)
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
    assert "the claim state-fleet-aws-iot-bulk-exporter-single-0, which remains when" in notes(chart, on)
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


def test_the_chart_passes_the_setting_for_failed_items_on(tmp_path: Path) -> None:
    (example,) = (block for block in blocks("yaml", README) if "failures:" in block)
    (tmp_path / "values.yaml").write_text(example)
    rendered = only_object(render(f"--values={tmp_path}/values.yaml"), "ConfigMap")["data"]["config.yaml"]
    assert parse_config(rendered, KINDS).failures
    assert not parse_config(only_object(render(), "ConfigMap")["data"]["config.yaml"], KINDS).failures


def test_the_readme_of_the_chart_names_the_permissions_of_failed_items() -> None:
    section = README.partition("## Failed items")[2].partition("\n## ")[0]
    assert "purpose `failures`" in section
    assert "| failures |" in (ROOT / "docs" / "aws-permissions.md").read_text()
