from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.collector.inventory import TrackedOperation, select
from exporter.config.sections import Discover
from exporter.core.model import Operation, Reading
from exporter.kinds.kind import ListEntry
from exporter.kinds.thing_registration_task import KIND

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def found(
    id: str, hours: float | None = None, status: str = "Completed", *, explicit: bool = False, matched: bool = True
) -> TrackedOperation:
    """Return an operation that was created so many hours ago and is read already; without hours it is only listed."""
    if hours is None:
        return TrackedOperation(ListEntry(id, status=status), explicit=explicit, matched=matched)
    created = NOW - timedelta(hours=hours)
    operation = Operation(id=id, status=status, created=created)
    return TrackedOperation(ListEntry(id), explicit=explicit, matched=matched, reading=Reading(operation, 0.0))


def kept(tracked: Iterable[TrackedOperation], rules: Discover | None) -> tuple[list[str], int]:
    """Return the ids that are kept, in order, and how many are left out."""
    selection = select(tracked, rules, KIND, NOW.timestamp())
    return [one.entry.id for one in selection.kept], selection.omitted


def unread(tracked: Iterable[TrackedOperation], rules: Discover) -> list[str]:
    """Return the ids that are to be read for the first time."""
    return [one.entry.id for one in select(tracked, rules, KIND, NOW.timestamp()).unread]


def most(number: int, max_age: str | None = None) -> Discover:
    """Return rules that keep so many operations."""
    return Discover.model_validate({"max_operations": number, "max_age": max_age})


def test_active_operations_are_kept_first_and_then_the_newest() -> None:
    tracked = [
        found("old", 9),
        found("new", 1),
        found("running for long", 99, "InProgress"),
        found("running", 2, "Cancelling"),
        found("of tomorrow", 50, "Paused"),
    ]
    assert kept(tracked, most(4)) == (["running", "of tomorrow", "running for long", "new"], 1)
    assert kept(tracked, most(1)) == (["running"], 4)


def test_nothing_is_left_out_below_the_limit() -> None:
    assert kept([found("a", 1), found("b", 2)], most(2)) == (["a", "b"], 0)


def test_operations_of_the_same_moment_are_kept_by_id_and_do_not_take_turns() -> None:
    tracked = [found(id, 1) for id in "cabd"]
    assert kept(tracked, most(2)) == (["a", "b"], 2)
    assert kept(tracked[::-1], most(2)) == (["a", "b"], 2)


def test_what_is_too_old_is_neither_kept_nor_counted_as_left_out() -> None:
    tracked = [found("old", 3), found("young", 1), found("just", 2), found("running", 99, "InProgress")]
    assert kept(tracked, most(9, max_age="2h")) == (["young", "just"], 0)


def test_what_was_never_read_is_read_once_to_learn_its_date() -> None:
    undated, dated = found("a"), found("a", 3)
    assert unread([undated], most(1, max_age="1h")) == ["a"]
    assert (kept([dated], most(1, max_age="1h")), unread([dated], most(1, max_age="1h"))) == (([], 0), [])


def test_what_was_never_read_takes_the_place_of_nothing_that_was() -> None:
    tracked = [found("read", 1), found("unread")]
    assert kept(tracked, most(1)) == (["read"], 1)
    assert unread(tracked, most(1)) == ["unread"]


def test_the_date_of_a_list_counts_before_the_operation_is_read() -> None:
    tracked = TrackedOperation(ListEntry("a", created=NOW - timedelta(hours=3)), explicit=False, matched=True)
    assert kept([tracked], most(1, max_age="1h")) == ([], 0)


@pytest.mark.parametrize("rules", [None, most(1, max_age="1h")])
def test_a_configured_id_is_kept_whatever_the_rules_say(rules: Discover | None) -> None:
    tracked = [found("named", 99, explicit=True, matched=False), found("named too", explicit=True)]
    assert kept(tracked, rules) == (["named", "named too"], 0)


def test_a_configured_id_takes_no_place_of_a_found_one() -> None:
    tracked = [found("named", 1, explicit=True), found("a", 2), found("b", 3)]
    assert kept(tracked, most(1)) == (["named", "a"], 1)


def test_nothing_found_is_kept_where_nothing_is_to_be_found() -> None:
    assert kept([found("a", 1)], None) == ([], 0)


def test_an_operation_of_an_unwanted_status_is_read_to_know_it_and_then_left_out() -> None:
    assert unread([found("a", matched=False)], most(1)) == ["a"]
    assert (kept([found("a", 1, matched=False)], most(1)), unread([found("a", 1, matched=False)], most(1))) == (
        ([], 0),
        [],
    )


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.none() | st.floats(0, 100), st.sampled_from(KIND.statuses))),
    st.integers(1, 10),
)
def test_every_operation_is_kept_or_counted_and_the_limit_holds(
    made: list[tuple[bool, bool, float | None, str]], number: int
) -> None:
    tracked = [
        found(str(at), hours, status, explicit=explicit, matched=matched)
        for at, (explicit, matched, hours, status) in enumerate(made)
    ]
    selection = select(tracked, most(number), KIND, NOW.timestamp())
    named = tuple(one for one in tracked if one.explicit)
    eligible = [one for one in tracked if not one.explicit and (one.matched or one.reading is None)]
    read = [one for one in eligible if one.reading]
    assert selection.kept[: len(named)] == named
    assert len(selection.kept) - len(named) == min(number, len(read))
    assert list(selection.unread) == [one for one in eligible if one.reading is None]
    assert selection.omitted == max(0, len(eligible) - number)
    chosen = selection.kept[len(named) :]
    left = [one for one in read if one not in chosen]
    active = [KIND.is_active(one.status) for one in (*chosen, *left)]
    assert not left or active[: len(chosen)] == sorted(active, reverse=True)[: len(chosen)]
