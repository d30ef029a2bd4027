"""The certificates and the exporter that the tests of the HTTP server share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority, server_files
from tests.support.exporter_server import ServedExporter, serve_simulation
from tests.support.page_checks import CONFIG, SCENARIO


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the certificates of a module."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    """The authority that signs the certificates of the server and of clients."""
    return server_files(folder)


@pytest.fixture(scope="module")
def exporter() -> Iterator[ServedExporter]:
    """An exporter that has read a small fleet. Its clock keeps what tests do to it."""
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        simulation.exporter.scrape(after=0.0)
        yield simulation.exporter
