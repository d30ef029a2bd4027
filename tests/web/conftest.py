"""The certificates that the tests of the HTTP server share."""

from pathlib import Path

import pytest

from tests.support.certificates import Authority, server_files


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the certificates of a module."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    """The authority that signs the certificates of the server and of clients."""
    return server_files(folder)
