"""Upgrades and rollbacks between all values files with Helm 3 and 4, and from older charts, on a Kubernetes API."""

import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cluster.releases import Release
from tests.support.helm_chart import CHART, CI_VALUES, SINGLE_CLAIM
from tests.support.repository import ROOT, program

# Kubernetes cannot change the first family of a Service, so the order is that of the cluster. A test below changes it.
SAME_FIRST_FAMILY = "--set=service.ipFamilies={IPv4,IPv6}"
# Charts before the dashboards, with the first claims, and with the values of today: for a repository without tags.
OLDER = ("e784de8", "8e10d90", "200e31b")
VALUES = [*CI_VALUES, SINGLE_CLAIM]
CLAIM = "--set=persistence.enabled=true"
EXISTING_CLAIM = f"{CLAIM},persistence.existingClaim=mine"
SHARDS = "--set=shards=3"
LABEL = "--set=commonLabels.team=iot"


def arguments_of(values: Path) -> list[str]:
    """Return the arguments of helm for a values file."""
    more = [SAME_FIRST_FAMILY] if values.name == "ipv6-values.yaml" else []
    return [f"--values={values}", *more]


@pytest.mark.matrix
@pytest.mark.parametrize("origin", VALUES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_upgrade_from_a_values_file_succeeds_and_can_be_rolled_back(release: Release, origin: Path) -> None:
    release.upgrade(*arguments_of(origin))
    (workload,) = release.workloads()
    for target in VALUES:
        release.upgrade(*arguments_of(target))
        assert len(release.workloads()) == 1, target
        release.roll_back()
        assert release.workloads() == [workload], target
    release.uninstall()
    assert release.workloads() == []


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


@pytest.fixture(scope="module")
def older_charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the charts of the last three tags, or of the commits that stand for them, by revision."""
    folder = tmp_path_factory.mktemp("older")
    tags = git("tag", "--sort=-creatordate").stdout.split()[:3]
    return {revision: extracted_chart(revision, folder) for revision in tags or OLDER}


def git(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git in the repository and return its result, whatever its status."""
    return subprocess.run([program("git"), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def extracted_chart(revision: str, folder: Path) -> Path:
    """Write the chart of a revision into a folder, and return its path. Skip the test without the history."""
    archive = folder / f"{revision}.tar"
    done = git("archive", f"--output={archive}", revision, "helm")
    if done.returncode != 0:
        pytest.skip(f"this copy of the repository has no revision {revision}")
    with tarfile.open(archive) as opened:
        opened.extractall(folder / revision, filter="data")
    return folder / revision / "helm"


def shared_values(chart: Path) -> Sequence[tuple[Path, Path]]:
    """Return the values files of an older chart that this chart also has, each with that of this chart."""
    current = {path.name: path for path in VALUES}
    older = sorted((chart / "ci").glob("*-values.yaml"))
    return [(path, current[path.name]) for path in older if path.name in current]


@pytest.mark.matrix
def test_releases_of_older_charts_can_be_upgraded_and_rolled_back(
    release: Release, older_charts: dict[str, Path]
) -> None:
    """Each values file is installed anew: Helm 4 cannot change the strategy of an older chart's Deployment."""
    for chart in older_charts.values():
        older = release.with_chart(chart)
        for values, current in shared_values(chart):
            older.upgrade(*arguments_of(values))
            (workload,) = release.workloads()
            release.upgrade(*arguments_of(current))
            assert len(release.workloads()) == 1
            older.roll_back()
            assert release.workloads() == [workload]
            release.uninstall()


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
