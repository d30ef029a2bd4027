"""Which of the tracked operations a cell keeps."""

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


def limit(number: int, max_age: str | None = None) -> Discover:
    """Return rules that keep so many operations."""
    return Discover.model_validate({"max_operations": number, "max_age": max_age})


MIXED = [
    tracked_operation("old", 9),
    tracked_operation("new", 1),
    tracked_operation("running for long", 99, "InProgress"),
    tracked_operation("running", 2, "Cancelling"),
    tracked_operation("unknown status", 50, "Paused"),
]
MIXED_ORDER = "running, unknown status, running for long, new"
SAME_MOMENT = [tracked_operation(id, 1) for id in "cabd"]
AGES = [tracked_operation("old", 3), tracked_operation("young", 1), tracked_operation("just", 2)]
AGES_AND_OLD = [*AGES, tracked_operation("running", 99, "InProgress")]
HALF_READ = [tracked_operation("read", 1), tracked_operation("unread")]
NAMED = [tracked_operation("a", 99, explicit=True, matched=False), tracked_operation("b", explicit=True)]
LISTED_RUNNING = [tracked_operation(id, status="InProgress") for id in "abcd"] + [tracked_operation("e", status="")]
LISTED_AS_OLD = TrackedOperation(ListEntry("a", created=NOW - timedelta(hours=3)), explicit=False, matched=True)


@pytest.mark.parametrize(
    ("tracked", "rules", "kept", "omitted", "active_omitted", "unread"),
    [
        pytest.param(MIXED, limit(4), MIXED_ORDER, 1, 0, "", id="active and then newest ones"),
        pytest.param(MIXED, limit(1), "running", 4, 2, "", id="the newest active one"),
        pytest.param(AGES, limit(3), "young, just, old", 0, 0, "", id="all within the limit"),
        pytest.param(SAME_MOMENT, limit(2), "a, b", 2, 0, "", id="by id at the same moment"),
        pytest.param(SAME_MOMENT[::-1], limit(2), "a, b", 2, 0, "", id="the same ids in any order"),
        pytest.param(AGES_AND_OLD, limit(9, max_age="2h"), "young, just", 0, 0, "", id="old ones are not counted"),
        pytest.param([tracked_operation("a")], limit(1, max_age="1h"), "", 0, 0, "a", id="read once for the date"),
        pytest.param([tracked_operation("a", 3)], limit(1, max_age="1h"), "", 0, 0, "", id="read and too old"),
        pytest.param([LISTED_AS_OLD], limit(1, max_age="1h"), "", 0, 0, "", id="the date in a list is used"),
        pytest.param(HALF_READ, limit(1), "read", 1, 0, "unread", id="an unread one displaces none that was read"),
        pytest.param(NAMED, None, "a, b", 0, 0, "", id="configured ids without rules"),
        pytest.param(NAMED, limit(1, max_age="1h"), "a, b", 0, 0, "", id="configured ids under any rules"),
        pytest.param([*NAMED, *AGES], limit(1), "a, b, young", 2, 0, "", id="configured ids are not limited"),
        pytest.param([tracked_operation("a", 1)], None, "", 0, 0, "", id="nothing found without discovery"),
        pytest.param([tracked_operation("a", matched=False)], limit(1), "", 0, 0, "a", id="read once for the status"),
        pytest.param([tracked_operation("a", 1, matched=False)], limit(1), "", 0, 0, "", id="an unwanted status"),
        pytest.param(LISTED_RUNNING, limit(2), "", 3, 2, "a, b, c, d, e", id="listed as active and not read yet"),
    ],
)
def test_configured_active_and_new_operations_are_kept_and_the_rest_is_counted(
    tracked: list[TrackedOperation],
    rules: Discover | None,
    kept: str,
    omitted: int,
    active_omitted: int,
    unread: str,
) -> None:
    selection = select(tracked, rules, KIND, NOW.timestamp())
    assert ", ".join(operation.entry.id for operation in selection.kept) == kept
    assert ", ".join(operation.entry.id for operation in selection.unread) == unread
    assert (selection.omitted, selection.active_omitted) == (omitted, active_omitted)


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
    found = [operation for operation in tracked if not operation.explicit]
    eligible = [operation for operation in found if operation.matched or operation.reading is None]
    read = [operation for operation in eligible if operation.reading]
    assert selection.kept[: len(named)] == named
    assert len(selection.kept) - len(named) == min(number, len(read))
    assert list(selection.unread) == [operation for operation in eligible if operation.reading is None]
    assert selection.omitted == max(0, len(eligible) - number)
    chosen = selection.kept[len(named) :]
    left = [operation for operation in read if operation not in chosen]
    assert {operation.entry.id for operation in selection.left_out} == {operation.entry.id for operation in left}
    active = [KIND.is_active(operation.status) for operation in (*chosen, *left)]
    assert not left or active[: len(chosen)] == sorted(active, reverse=True)[: len(chosen)]
    assert selection.active_omitted == max(0, sum(KIND.is_active(each.status) for each in eligible) - number)
