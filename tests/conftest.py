"""Settings for all tests: no time limits for hypothesis, and one read of each botocore file."""

from collections.abc import Iterator
from functools import cache

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings


def pytest_configure() -> None:
    """Remove hypothesis's deadlines, which a busy machine would miss."""
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@pytest.fixture(scope="session", autouse=True)
def botocore_reads_a_file_once() -> Iterator[None]:
    """Cache what botocore's loaders read: megabytes that never change and that each client would parse again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        yield
