"""Upgrades and rollbacks of a release with Helm 3 and 4, and the values of an older chart, on a Kubernetes API."""

import shutil
from pathlib import Path

import pytest

from tests.cluster.releases import HELMS, Release
from tests.support.helm_chart import CHART

CLAIM = "--set=persistence.enabled=true"
EXISTING_CLAIM = f"{CLAIM},persistence.existingClaim=mine"
SHARDS = "--set=shards=3"
LABEL = "--set=commonLabels.team=iot"


@pytest.mark.parametrize(
    "settings",
    [
        ["--set=updateStrategy.type=Recreate"],
        ["--set=updateStrategy.rollingUpdate.maxSurge=0"],
        ["--set=hostNetwork=true,updateStrategy.type=Recreate"],
        ["--set=hostNetwork=true,updateStrategy.type=Recreate,containerPort=9099"],
        [CLAIM],
        [f"{CLAIM},updateStrategy.type=OnDelete"],
        [EXISTING_CLAIM],
        [SHARDS],
        [f"{SHARDS},updateStrategy.type=OnDelete"],
        [f"{CLAIM},shards=2"],
    ],
    ids=" ".join,
)
def test_settings_can_be_changed_and_rolled_back(release: Release, settings: list[str]) -> None:
    """A field that Kubernetes fills in belongs to no manager, so Helm 4 cannot remove it."""
    release.allow_every_pod()
    release.upgrade()
    release.upgrade(*settings)
    (workload,) = release.workloads()
    release.upgrade()
    release.roll_back()
    assert release.workloads() == [workload]
    release.roll_back("1")
    assert len(release.workloads()) == 1
    release.roll_back("2")
    assert release.workloads() == [workload]


def test_an_unsuccessful_atomic_upgrade_leaves_one_workload(release: Release) -> None:
    """With a claim in the manifest of the release, its rollback was refused and two workloads remained."""
    release.upgrade(CLAIM)
    release.upgrade()
    before = release.workloads()
    flag = "--atomic" if release.helm == "helm" else "--rollback-on-failure"
    done = release.attempt(CLAIM, SHARDS, "--wait", flag, "--timeout=5s")
    assert done.returncode != 0
    assert release.workloads() == before
    release.upgrade(CLAIM)
    assert len(release.workloads()) == 1


def test_disabling_the_network_of_the_node_leaves_no_port_of_the_node(release: Release) -> None:
    """A port of a node is refused in a restricted namespace."""
    release.allow_every_pod()
    release.upgrade("--set=hostNetwork=true,updateStrategy.type=Recreate")
    release.upgrade()
    (deployment,) = release.objects("apis/apps/v1", "deployments")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "hostPort" not in container["ports"][0]


def test_a_port_of_the_nodes_can_be_set_and_rolled_back(release: Release) -> None:
    """Each Helm has its own port, because Kubernetes can still refuse a port that was just released."""
    port = 30080 + HELMS.index(release.helm)
    release.upgrade()
    release.upgrade(f"--set=service.type=NodePort,service.nodePort={port}")
    assert ports_of_nodes(release) == [port]
    release.roll_back()
    assert ports_of_nodes(release) == [None]


def ports_of_nodes(release: Release) -> list[int | None]:
    """Return the port of the nodes for each port of the Service. None means no port of the nodes."""
    (service,) = release.objects("api/v1", "services")
    return [port.get("nodePort") for port in service["spec"]["ports"]]


def test_the_first_ip_family_changes_after_the_deletion_of_the_service(release: Release) -> None:
    families = "--set=service.ipFamilyPolicy=RequireDualStack,service.ipFamilies={IPv6,IPv4}"
    release.upgrade()
    refused = release.attempt(families)
    assert refused.returncode != 0
    assert "`ipFamilies[0]`" in refused.stderr
    name = "fleet-aws-iot-bulk-exporter"
    release.plane.request("DELETE", f"/api/v1/namespaces/{release.namespace}/services/{name}").raise_for_status()
    release.upgrade(families)
    (service,) = release.objects("api/v1", "services")
    assert service["spec"]["ipFamilies"] == ["IPv6", "IPv4"]


def test_the_values_of_a_release_of_an_older_chart_can_be_reused(
    release: Release, older_charts: dict[str, Path]
) -> None:
    for chart in older_charts.values():
        release.with_chart(chart).upgrade("--set=log.level=debug,prometheusRule.enabled=true")
        release.upgrade("--reuse-values")
        assert "--log.level=debug" in log_flags(release)
        (rule,) = release.objects("apis/monitoring.coreos.com/v1", "prometheusrules")
        assert "(job, namespace, cluster)" in str(rule["spec"]), chart
        release.uninstall()


@pytest.fixture(scope="module")
def json_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the chart with another default: the log format json."""
    copy = shutil.copytree(CHART, tmp_path_factory.mktemp("json") / "helm")
    values = copy / "values.yaml"
    changed = values.read_text().replace("  format: logfmt\n", "  format: json\n")
    assert changed != values.read_text()
    values.write_text(changed)
    return copy


def log_flags(release: Release) -> list[str]:
    """Return the flags for the log in the container of the Deployment."""
    (deployment,) = release.objects("apis/apps/v1", "deployments")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return [argument for argument in container["args"] if argument.startswith("--log.")]


@pytest.mark.parametrize(
    ("flags", "log"),
    [
        ([LABEL], ["--log.level=info", "--log.format=logfmt"]),
        (["--reset-values"], ["--log.level=info", "--log.format=logfmt"]),
        ([], ["--log.level=debug", "--log.format=logfmt"]),
        (["--reset-then-reuse-values", LABEL], ["--log.level=debug", "--log.format=logfmt"]),
        (["--reuse-values", LABEL], ["--log.level=debug", "--log.format=json"]),
    ],
    ids=str,
)
def test_the_flags_of_an_upgrade_decide_which_values_and_defaults_it_uses(
    release: Release, json_chart: Path, flags: list[str], log: list[str]
) -> None:
    release.with_chart(json_chart).upgrade("--set=log.level=debug")
    done = release.run("upgrade", "fleet", ".", *flags)
    assert done.returncode == 0, done.stderr
    assert log_flags(release) == log
