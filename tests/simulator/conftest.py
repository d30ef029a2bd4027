"""A served scenario for the modules that have one by the name ``SCENARIO``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulator.served_scenario import START, Aws, simulated


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest) -> Iterator[Aws]:
    """The module's scenario, served for all its tests."""
    with simulated(request.module.SCENARIO) as aws:
        yield aws


@pytest.fixture
def aws(served: Aws) -> Iterator[Aws]:
    """The served scenario, its clock set back after the test."""
    yield served
    served.clock.seconds = START
