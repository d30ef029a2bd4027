"""A Prometheus that has scraped a pair of exporters."""

from collections.abc import Iterator

import pytest

from tests.monitoring.recorded_pair import record_pair
from tests.support.prometheus import History, Recording, prometheus_with_history


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """An hour of data from two exporters that report the same."""
    return record_pair(tmp_path_factory.mktemp("recording"))


@pytest.fixture(scope="module")
def history(
    recording: Recording, tmp_path_factory: pytest.TempPathFactory, prometheus_program: str
) -> Iterator[History]:
    """Each supported Prometheus with the recording."""
    with prometheus_with_history(recording, tmp_path_factory.mktemp("history"), prometheus_program) as known:
        yield known
