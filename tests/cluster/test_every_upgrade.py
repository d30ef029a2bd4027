"""Every upgrade between two values files, and from older charts, with its rollback, with Helm 3 and 4.

A call of helm upgrades a release of an umbrella chart. It has the chart as a subchart for each values file, so a call
upgrades as many times as there are values files. Helm and Kubernetes treat each object as in a release of the chart.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from tests.cluster.releases import Release
from tests.cluster.umbrella import Umbrella
from tests.support.helm_chart import CHART, CI_VALUES, KUBE_VERSION, SINGLE_CLAIM, helm
from tests.support.yaml_texts import read_yaml

VALUES = [*CI_VALUES, SINGLE_CLAIM]
# The targets of the upgrades: each values file is the target of each origin once.
ROTATIONS = [[*VALUES[offset:], *VALUES[:offset]] for offset in range(len(VALUES))]
# Helm reads all revisions of a release several times. A rollback needs only the last two.
HISTORY = "--history-max=2"
# The first call validates every values file. The others have the same files, and Kubernetes validates their objects.
VALIDATED = ("--skip-schema-validation", "--disable-openapi-validation")
CHART_NAME = "aws-iot-bulk-exporter"
CHECKSUM = re.compile("[0-9a-f]{64}")


@pytest.fixture(scope="module")
def umbrella(tmp_path_factory: pytest.TempPathFactory) -> Umbrella:
    """Return an umbrella of this chart for all values files."""
    return Umbrella.write(tmp_path_factory.mktemp("umbrella"), CHART, VALUES)


def names_of_workloads(release: Release) -> list[str]:
    """Return the names of everything that creates pods of the exporter."""
    return sorted(workload.partition("/")[2] for workload in release.workloads())


def test_the_rotations_contain_every_pair_of_values_files_once() -> None:
    pairs = Counter(pair for targets in ROTATIONS for pair in zip(VALUES, targets, strict=True))
    assert pairs == Counter(product(VALUES, repeat=2))


def test_every_upgrade_between_two_values_files_succeeds_and_can_be_rolled_back(
    release: Release, umbrella: Umbrella
) -> None:
    release = release.with_chart(umbrella.folder)
    release.upgrade(umbrella.argument(VALUES))
    before = release.workloads()
    assert len(set(names_of_workloads(release))) == len(before) == len(VALUES)
    for targets in ROTATIONS:
        release.upgrade(umbrella.argument(targets), HISTORY, *VALIDATED)
        names = names_of_workloads(release)
        assert len(set(names)) == len(names) == len(VALUES), targets
        release.roll_back(HISTORY)
        assert release.workloads() == before, targets
    release.uninstall()
    assert release.workloads() == []


def test_releases_of_older_charts_can_be_upgraded_and_rolled_back(
    release: Release, older_charts: dict[str, Path], tmp_path: Path
) -> None:
    """Each older chart is installed anew: Helm 4 cannot change the strategy of an older chart's Deployment."""
    current = {path.name: path for path in VALUES}
    for revision, chart in older_charts.items():
        older_values = [path for path in sorted((chart / "ci").glob("*-values.yaml")) if path.name in current]
        older = Umbrella.write(tmp_path / revision, chart, older_values)
        newer = Umbrella.write(tmp_path / f"after-{revision}", CHART, older_values)
        release.with_chart(older.folder).upgrade(older.argument(older_values))
        before = release.workloads()
        assert len(before) == len(older_values)
        upgraded = release.with_chart(newer.folder)
        upgraded.upgrade(newer.argument([current[path.name] for path in older_values]))
        names = names_of_workloads(release)
        assert len(set(names)) == len(names) == len(older_values), revision
        upgraded.roll_back()
        assert release.workloads() == before, revision
        upgraded.uninstall()
        assert release.workloads() == []


def manifests(*arguments: str) -> dict[str, list[str]]:
    """Return the manifests that helm renders, by the name of the chart or subchart."""
    done = helm("template", "fleet", *arguments, "--namespace=monitoring", KUBE_VERSION)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    for manifest in re.split(r"^---\n# Source: ", done.stdout, flags=re.MULTILINE)[1:]:
        source, _, text = manifest.partition("\n")
        found.setdefault(source.partition("/templates/")[0].rpartition("/")[2], []).append(text)
    return found


def test_a_subchart_has_the_manifests_of_the_chart(umbrella: Umbrella, tmp_path: Path) -> None:
    """Only the label with the name of the chart differs, and the checksums of objects with this label."""
    found = manifests(str(umbrella.folder), umbrella.argument(VALUES))
    assert len(found) == len(VALUES)
    for name, values in umbrella.values(VALUES).items():
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({**values, "nameOverride": name}))
        (expected,) = manifests(str(CHART), f"--values={file}").values()
        label, label_of_chart = (f"helm.sh/chart: {chart}-0" for chart in (name, CHART_NAME))
        texts = [CHECKSUM.sub("", text.replace(label, label_of_chart)) for text in found[name]]
        assert sorted(texts) == sorted(CHECKSUM.sub("", text) for text in expected), name


def objects(umbrella: Umbrella, targets: list[Path]) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield the subchart, and the kind, namespace and name of each object."""
    for subchart, texts in manifests(str(umbrella.folder), umbrella.argument(targets)).items():
        for text in texts:
            document = read_yaml(text)
            metadata = document["metadata"]
            yield subchart, (document["kind"], metadata.get("namespace", ""), metadata["name"])


def test_no_object_belongs_to_two_subcharts(umbrella: Umbrella) -> None:
    """Helm would keep such an object, although an upgrade of a release of the chart creates or removes it.

    In two rotations, each values file is that of two subcharts.
    """
    owners: dict[tuple[str, str, str], set[str]] = {}
    for targets in ROTATIONS[:2]:
        for subchart, identity in objects(umbrella, targets):
            owners.setdefault(identity, set()).add(subchart)
    assert [identity for identity, subcharts in owners.items() if len(subcharts) > 1] == []
