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


def tracked_operation(
    id: str, hours: float | None = None, status: str = "Completed", *, explicit: bool = False, matched: bool = True
) -> TrackedOperation:
    """Return an operation that was created so many hours ago and read. Without hours it is only listed."""
    if hours is None:
        return TrackedOperation(ListEntry(id, status=status), explicit=explicit, matched=matched)
    created = NOW - timedelta(hours=hours)
    operation = Operation(id=id, status=status, created=created)
    return TrackedOperation(ListEntry(id), explicit=explicit, matched=matched, reading=Reading(operation, 0.0))


def kept(tracked: Iterable[TrackedOperation], rules: Discover | None) -> tuple[list[str], int]:
    """Return the ids that are kept, in order, and the number of omitted operations."""
    selection = select(tracked, rules, KIND, NOW.timestamp())
    return [operation.entry.id for operation in selection.kept], selection.omitted


def unread(tracked: Iterable[TrackedOperation], rules: Discover) -> list[str]:
    """Return the ids that are to be read for the first time."""
    return [operation.entry.id for operation in select(tracked, rules, KIND, NOW.timestamp()).unread]


def limit(number: int, max_age: str | None = None) -> Discover:
    """Return rules that keep so many operations."""
    return Discover.model_validate({"max_operations": number, "max_age": max_age})


def test_active_operations_are_kept_first_and_then_the_newest() -> None:
    tracked = [
        tracked_operation("old", 9),
        tracked_operation("new", 1),
        tracked_operation("running for long", 99, "InProgress"),
        tracked_operation("running", 2, "Cancelling"),
        tracked_operation("unknown status", 50, "Paused"),
    ]
    assert kept(tracked, limit(4)) == (["running", "unknown status", "running for long", "new"], 1)
    assert kept(tracked, limit(1)) == (["running"], 4)


def test_all_operations_are_kept_below_the_limit() -> None:
    assert kept([tracked_operation("a", 1), tracked_operation("b", 2)], limit(2)) == (["a", "b"], 0)


def test_operations_of_the_same_moment_are_ordered_by_id() -> None:
    tracked = [tracked_operation(id, 1) for id in "cabd"]
    assert kept(tracked, limit(2)) == (["a", "b"], 2)
    assert kept(tracked[::-1], limit(2)) == (["a", "b"], 2)


def test_too_old_operations_are_neither_kept_nor_counted_as_omitted() -> None:
    tracked = [
        tracked_operation("old", 3),
        tracked_operation("young", 1),
        tracked_operation("just", 2),
        tracked_operation("running", 99, "InProgress"),
    ]
    assert kept(tracked, limit(9, max_age="2h")) == (["young", "just"], 0)


def test_an_unread_operation_is_read_once_for_its_date() -> None:
    undated, dated = tracked_operation("a"), tracked_operation("a", 3)
    assert unread([undated], limit(1, max_age="1h")) == ["a"]
    assert (kept([dated], limit(1, max_age="1h")), unread([dated], limit(1, max_age="1h"))) == (([], 0), [])


def test_an_unread_operation_does_not_displace_one_that_was_read() -> None:
    tracked = [tracked_operation("read", 1), tracked_operation("unread")]
    assert kept(tracked, limit(1)) == (["read"], 1)
    assert unread(tracked, limit(1)) == ["unread"]


def test_the_date_in_a_list_is_used_before_the_operation_is_read() -> None:
    tracked = TrackedOperation(ListEntry("a", created=NOW - timedelta(hours=3)), explicit=False, matched=True)
    assert kept([tracked], limit(1, max_age="1h")) == ([], 0)


@pytest.mark.parametrize("rules", [None, limit(1, max_age="1h")])
def test_a_configured_id_is_kept_under_any_rules(rules: Discover | None) -> None:
    tracked = [
        tracked_operation("named", 99, explicit=True, matched=False),
        tracked_operation("named too", explicit=True),
    ]
    assert kept(tracked, rules) == (["named", "named too"], 0)


def test_a_configured_id_does_not_count_towards_the_limit() -> None:
    tracked = [tracked_operation("named", 1, explicit=True), tracked_operation("a", 2), tracked_operation("b", 3)]
    assert kept(tracked, limit(1)) == (["named", "a"], 1)


def test_discovered_operations_are_not_kept_without_discovery() -> None:
    assert kept([tracked_operation("a", 1)], None) == ([], 0)


def test_an_operation_with_an_unwanted_status_is_read_once_and_then_left_out() -> None:
    assert unread([tracked_operation("a", matched=False)], limit(1)) == ["a"]
    read = tracked_operation("a", 1, matched=False)
    assert kept([read], limit(1)) == ([], 0)
    assert unread([read], limit(1)) == []


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.none() | st.floats(0, 100), st.sampled_from(KIND.statuses))),
    st.integers(1, 10),
)
def test_every_operation_is_kept_or_counted_within_the_limit(
    made: list[tuple[bool, bool, float | None, str]], number: int
) -> None:
    tracked = [
        tracked_operation(str(at), hours, status, explicit=explicit, matched=matched)
        for at, (explicit, matched, hours, status) in enumerate(made)
    ]
    selection = select(tracked, limit(number), KIND, NOW.timestamp())
    named = tuple(operation for operation in tracked if operation.explicit)
    eligible = [
        operation
        for operation in tracked
        if not operation.explicit and (operation.matched or operation.reading is None)
    ]
    read = [operation for operation in eligible if operation.reading]
    assert selection.kept[: len(named)] == named
    assert len(selection.kept) - len(named) == min(number, len(read))
    assert list(selection.unread) == [operation for operation in eligible if operation.reading is None]
    assert selection.omitted == max(0, len(eligible) - number)
    chosen = selection.kept[len(named) :]
    left = [operation for operation in read if operation not in chosen]
    active = [KIND.is_active(operation.status) for operation in (*chosen, *left)]
    assert not left or active[: len(chosen)] == sorted(active, reverse=True)[: len(chosen)]
