"""A Kubernetes API for all tests of this folder, and releases in namespaces of their own."""

from collections.abc import Iterator
from itertools import count

import pytest

from tests.cluster.control_plane import ControlPlane, run_control_plane
from tests.cluster.releases import HELMS, Release
from tests.support.repository import processes_of

# Namespaces of objects that the values files put beside the release.
MORE_NAMESPACES = ("prometheus", "grafana")
NUMBERS = count(1)


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Run a Kubernetes API without a node. Fail at the end if a process of it is left."""
    folder = tmp_path_factory.mktemp("cluster")
    try:
        with run_control_plane(folder) as running:
            for name in MORE_NAMESPACES:
                running.create_restricted_namespace(name)
            yield running
    finally:
        assert processes_of(folder) == []


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    """Create a restricted namespace in which no pod can be created, and return its name."""
    name = f"fleet-{next(NUMBERS)}"
    plane.create_restricted_namespace(name)
    return name


@pytest.fixture(params=HELMS)
def release(request: pytest.FixtureRequest, plane: ControlPlane, namespace: str) -> Iterator[Release]:
    """Give a release that is not installed yet, for each version of helm, and uninstall it afterwards."""
    created = Release(plane, request.param, namespace)
    yield created
    created.run("uninstall", "fleet", "--ignore-not-found")
