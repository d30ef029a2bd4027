"""Serve the ``SCENARIO`` of a test module."""

from collections.abc import Iterator

import pytest

from tests.simulator.served_scenario import START, Aws, serve_scenario


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[Aws]:
    """The scenario of the module, served for all its tests."""
    with serve_scenario(request.module.SCENARIO) as aws:
        yield aws


@pytest.fixture
def aws(served: Aws) -> Iterator[Aws]:
    """The served scenario. Its clock is reset after the test."""
    yield served
    served.clock.at = START
