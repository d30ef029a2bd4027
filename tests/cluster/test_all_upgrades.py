"""Upgrades and rollbacks between all values files, with Helm 3 and 4 on a Kubernetes API without a node."""

from pathlib import Path

import pytest

from tests.cluster.releases import Release
from tests.cluster.values import VALUES, arguments_of
from tests.support.repository import ROOT


@pytest.mark.parametrize("origin", VALUES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_upgrade_from_a_values_file_succeeds_and_can_be_rolled_back(release: Release, origin: Path) -> None:
    quick = release.quick()
    quick.upgrade(*arguments_of(origin))
    (workload,) = release.workloads()
    for target in VALUES:
        if target != origin:
            quick.upgrade(*arguments_of(target))
            assert len(release.workloads()) == 1, target
            quick.roll_back()
            assert release.workloads() == [workload], target
    release.uninstall()
    assert release.workloads() == []
