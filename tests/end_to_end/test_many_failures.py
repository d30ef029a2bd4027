"""Operations with 200,000 failed items: the reasons of 100 of them need few calls and little memory."""

from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import failures, harness
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_simulated_aws

# Those that describe the operation and its job, and a page of the items in each of three states.
MAX_OTHER_CALLS = 5
MAX_MIB = 20
each_kind = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.failures], ids=lambda kind: kind.name)


@pytest.fixture(scope="module")
def simulated_aws() -> Iterator[tuple[str, list[str]]]:
    with serve_simulated_aws(failures.scenario(), ManualClock()) as (endpoint, requests):
        yield endpoint, requests


@each_kind
def test_the_command_needs_few_calls_and_little_memory(kind: Kind[Any], simulated_aws: tuple[str, list[str]]) -> None:
    endpoint, requests = simulated_aws
    with_few = failures.command_peak(endpoint, kind.name, failures.FEW)
    before = len(requests)
    assert failures.command_peak(endpoint, kind.name, failures.MANY) - with_few <= MAX_MIB
    assert len(requests) - before <= failures.LIMIT + MAX_OTHER_CALLS


def test_the_server_needs_few_calls_and_little_memory(simulated_aws: tuple[str, list[str]]) -> None:
    with harness.exporter_process(failures.config(), simulated_aws[0]) as (port, process):
        for kind in KINDS:
            growth, calls = failures.server_growth(port, process, kind)
            assert growth <= MAX_MIB, kind.name
            assert calls <= failures.LIMIT + MAX_OTHER_CALLS, kind.name
