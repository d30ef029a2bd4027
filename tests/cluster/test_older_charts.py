"""Upgrades from the charts of older releases and rollbacks to them, with Helm 3 and 4 on a Kubernetes API."""

import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cluster.releases import Release
from tests.cluster.values import VALUES, arguments_of
from tests.support.repository import ROOT, program

# Charts before the dashboards, with the first claims, and with the values of today: for a repository without tags.
OLDER = ("e784de8", "8e10d90", "200e31b")


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


def test_releases_of_older_charts_can_be_upgraded_and_rolled_back(
    release: Release, older_charts: dict[str, Path]
) -> None:
    """Each values file is installed anew: Helm 4 cannot change the strategy of an older chart's Deployment."""
    quick = release.quick()
    for chart in older_charts.values():
        older = quick.with_chart(chart)
        for values, current in shared_values(chart):
            older.upgrade(*arguments_of(values))
            (workload,) = release.workloads()
            quick.upgrade(*arguments_of(current))
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
        assert "--log.level=debug" in release.log_flags()
        (rule,) = release.objects("apis/monitoring.coreos.com/v1", "prometheusrules")
        assert "(job, namespace, cluster)" in str(rule["spec"]), chart
        release.uninstall()
