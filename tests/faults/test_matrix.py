"""Every fault on every call comes to what it should, and docs/reliability.md tells what that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import pytest

from tests.faults.document import FILE, written
from tests.faults.matrix import Part, parts, pool, seen_in
from tests.faults.observation import Seen

PARTS = parts()
LONG = [part for part in PARTS if part.is_long]
SHORT = [part for part in PARTS if part not in LONG[1:]]
"""One list that never ends takes a thousand calls for each refresh: ``python -m tests.faults`` tries the others."""
Running = Mapping[str, Future[Mapping[str, Seen]]]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """All parts, begun at once: they wait for time-outs most of the time."""
    with pool() as processes:
        yield {part.name: processes.submit(seen_in, part.name) for part in SHORT}
        processes.shutdown(cancel_futures=True)


@pytest.mark.parametrize("part", SHORT, ids=[part.name for part in SHORT])
def test_a_fault_costs_what_it_must_and_no_more_and_passes(part: Part, running: Running) -> None:
    seen = running[part.name].result()
    assert {name: one for name, one in seen.items() if one != part.expected[name]} == {}
    assert seen.keys() == part.expected.keys()


def test_the_document_tells_of_every_fault_what_is_seen() -> None:
    wanted = {name: seen for part in PARTS for name, seen in part.expected.items()}
    assert FILE.read_text(encoding="utf-8") == written(wanted)


def test_no_case_stands_in_two_parts() -> None:
    names = [name for part in PARTS for name in part.expected]
    assert len(names) == len(set(names))
