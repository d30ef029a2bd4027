"""What all tests share: the files of botocore, and patience where a tool of theirs looks at the time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings


def pytest_configure() -> None:
    """Let no property fail because the machine is busy."""
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def botocore_reads_a_file_once() -> Iterator[None]:
    """Keep what botocore's loaders read: megabytes that each client would parse anew, and that nobody changes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        yield
