"""Every fault of every call has the expected effect, and docs/tested-faults.md shows it."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest

from tests.faults.matrix import Part, observations_of, parts, pool
from tests.faults.observation import Observation
from tests.faults.tables import FILE, page_with_tables

PARTS = parts()
LONG = [part for part in PARTS if part.is_long]
# An endless list takes a thousand calls for each refresh, so the tests try one. ``python -m tests.faults`` tries all.
TESTED = [part for part in PARTS if part not in LONG[1:]]
Running = Mapping[str, Future[Mapping[str, Observation]]]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """The futures of all parts. They start at once, because they wait for time-outs most of the time."""
    with pool() as processes:
        yield {part.name: processes.submit(observations_of, part.name) for part in TESTED}
        processes.shutdown(cancel_futures=True)


@pytest.mark.parametrize("part", TESTED, ids=[part.name for part in TESTED])
def test_a_fault_has_its_documented_effect_and_no_other(part: Part, running: Running) -> None:
    found = running[part.name].result()
    assert {name: result for name, result in found.items() if result != part.expected[name]} == {}
    assert found.keys() == part.expected.keys()


def test_the_page_shows_the_effect_of_every_fault() -> None:
    wanted = {name: result for part in PARTS for name, result in part.expected.items()}
    assert FILE.read_text(encoding="utf-8") == page_with_tables(wanted)


def test_no_case_is_in_two_parts() -> None:
    names = [name for part in PARTS for name in part.expected]
    assert len(names) == len(set(names))
