"""A Kubernetes API for all tests of this folder, and releases in namespaces of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
import yaml

from exporter.cli.commands.demo import demo_config
from exporter.simulator.scenario import scenario_text
from tests.cluster.aws import HeldAws, serve_held_aws
from tests.cluster.control_plane import WITHOUT_PODS, ControlPlane, run_control_plane
from tests.cluster.leftovers import leftovers, namespaces_of, processes_in, settings_of_this_machine
from tests.cluster.machine import problem, unused_number
from tests.cluster.node import Cluster, run_cluster
from tests.cluster.older_charts import extracted_charts
from tests.cluster.pods import Fleet
from tests.cluster.releases import HELMS, Release
from tests.support.containers import image
from tests.support.podman_pods import values_argument
from tests.support.repository import processes_of

NewFleet = Callable[..., Fleet]

# Namespaces of objects that the values files put beside the release.
MORE_NAMESPACES = ("prometheus", "grafana")
NUMBERS = count(1)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run a Kubernetes API without a node. Fail at the end if a process of it is left."""
    folder = tmp_path_factory.mktemp("cluster")
    try:
        with run_control_plane(folder, controllers=WITHOUT_PODS) as running:
            for name in MORE_NAMESPACES:
                running.create_restricted_namespace(name)
                running.refuse_pods(name)
            yield running
    finally:
        assert processes_of(folder) == {}


@pytest.fixture(scope="session")
def machine_for_nodes() -> None:
    """Skip the tests, also in CI, if this machine cannot run a node. Also skip them without an image, but not in CI."""
    image()
    if reason := problem():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def cluster(machine_for_nodes: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Run a cluster with a node. Fail at the end if anything of it remains on this machine."""
    folder, number, before = tmp_path_factory.mktemp("cluster"), unused_number(), settings_of_this_machine()
    namespaces, processes = set[str](), list[str]()
    try:
        with run_cluster(folder, number) as running:
            namespaces = namespaces_of([running.machine.first])
            try:
                yield running
            finally:
                processes = processes_in(namespaces)
    finally:
        assert leftovers(folder, number, namespaces, processes) == []
        assert settings_of_this_machine() == before


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    """Create a restricted namespace in which no pod can be created, and return its name."""
    name = f"fleet-{next(NUMBERS)}"
    plane.create_restricted_namespace(name)
    plane.refuse_pods(name)
    return name


@pytest.fixture(params=HELMS)
def release(request: pytest.FixtureRequest, plane: ControlPlane, namespace: str) -> Iterator[Release]:
    """Give a release that is not installed yet, for each version of helm, and uninstall it afterwards."""
    created = Release(plane, request.param, namespace)
    yield created
    created.run("uninstall", "fleet", "--ignore-not-found")


@pytest.fixture(scope="session")
def older_charts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the charts of the last three tags, or of the commits that stand for them, by revision."""
    return extracted_charts(tmp_path_factory.mktemp("older"))


@pytest.fixture(scope="session")
def aws(cluster: Cluster) -> Iterator[HeldAws]:
    """Serve the simulated AWS of the demo to the pods of the cluster."""
    with serve_held_aws(scenario_text(), cluster.machine.outside) as running:
        yield running


@pytest.fixture(scope="module")
def new_fleet(cluster: Cluster, aws: HeldAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewFleet]:
    """Give a function that returns a release which is not installed yet, by default with the demo's configuration."""
    with ExitStack() as stack:

        def create(helm: str = "helm", aws: str = aws.url, config: str = demo_config()) -> Fleet:
            namespace = f"fleet-{next(NUMBERS)}"
            cluster.plane.create_restricted_namespace(namespace)
            values = values_argument(aws, yaml.safe_load(config), tmp_path_factory.mktemp("values"))
            fleet = Fleet(cluster, Release(cluster.plane, helm, namespace), [values])
            stack.callback(fleet.release.run, "uninstall", "fleet", "--ignore-not-found")
            return fleet

        yield create
