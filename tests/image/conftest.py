"""Keeps the cgroups of this machine as they were."""

from collections.abc import Iterator

import pytest

from tests.support.cgroups import remove_unused_cgroups
from tests.support.containers import image


@pytest.fixture(scope="session", autouse=True)
def _no_unused_cgroups() -> Iterator[None]:
    """Remove the cgroups that containers leave behind, those of earlier tests too."""
    image()
    remove_unused_cgroups()
    yield
    remove_unused_cgroups()
