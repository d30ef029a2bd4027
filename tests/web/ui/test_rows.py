"""The rows of the status page, and the lines of the summary that they show."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from exporter.core.model import Operation, Reading, Snapshot
from exporter.core.store import Store
from exporter.kinds.phase import Phase
from exporter.kinds.thing_registration_task import KIND
from exporter.metrics.attention import Severity
from exporter.metrics.eta import Estimates
from exporter.metrics.self_metrics import BudgetKey
from exporter.metrics.summary import BudgetLine, OperationLine, Overview, utc_datetime
from exporter.web.ui.rows import Bar, bar, page_time, relative_time, tone
from tests.support.status_page import KEY, SCOPE, tasks

NOW = 1_800_000_000.0


def line_of(operation: Operation) -> OperationLine:
    """Return the line of an operation that was read now."""
    (line,) = overview(Snapshot(KEY, SCOPE, (Reading(operation, NOW),))).operations()
    return line


def overview(snapshot: Snapshot, budgets: Mapping[BudgetKey, float] = {}) -> Overview:
    """Return an overview of a snapshot."""
    return Overview((KIND,), Store([snapshot]), Estimates(), lambda: NOW, budgets.get)


LINE = line_of(tasks(2)[1])


@pytest.mark.parametrize(
    ("progress", "succeeded", "failed", "expected"),
    [
        (None, 5, 1, None),
        (0.0, 0, 0, Bar(0, 0, 0, 0)),
        (0.57, 57, 0, Bar(57, 57, 0, 57)),
        (0.9999, 9999, 0, Bar(99, 99.99, 0, 99.99)),
        (1.0, 100, None, Bar(100, 100, 0, 100)),
        (0.5, 30, 10, Bar(50, 37.5, 12.5, 37.5)),
        (1.0, 99_999, 1, Bar(100, 100, 3, 97)),
        (1.0, 0, 8, Bar(100, 0, 100, 0)),
        (0.4, None, 8, Bar(40, 40, 3, 40)),
        (0.0, 0, 8, Bar(0, 0, 3, 0)),
        (1.7, 1, 0, Bar(100, 100, 0, 100)),
    ],
)
def test_a_bar_shows_what_failed_and_is_full_only_at_the_end(
    progress: float | None, succeeded: int | None, failed: int | None, expected: Bar | None
) -> None:
    assert bar(replace(LINE, progress=progress, succeeded=succeeded, failed=failed)) == expected


@pytest.mark.parametrize(
    ("phase", "active", "severity", "expected"),
    [
        (Phase.RUNNING, True, Severity.NONE, "active"),
        (Phase.RUNNING, True, Severity.MEDIUM, "active"),
        (Phase.ENDING, True, Severity.NONE, "active"),
        (Phase.UNKNOWN, True, Severity.NONE, "active"),
        (Phase.COMPLETED, False, Severity.NONE, "good"),
        (Phase.COMPLETED, False, Severity.MEDIUM, "warn"),
        (Phase.ENDED, False, Severity.NONE, "plain"),
        (Phase.STOPPED, False, Severity.LOW, "warn"),
        (Phase.FAILED, False, Severity.HIGH, "bad"),
    ],
)
def test_a_status_has_the_colour_of_its_phase_and_severity(
    phase: Phase, active: bool, severity: Severity, expected: str
) -> None:
    assert tone(replace(LINE, phase=phase, active=active, severity=severity)) == expected


@pytest.mark.parametrize(("seconds", "text"), [(-60, "60 s ago"), (0, "0 s ago"), (300, "in 5 min")])
def test_a_time_is_shown_relative_to_now(seconds: float, text: str) -> None:
    assert relative_time(NOW + seconds, NOW) == text


@pytest.mark.parametrize("seconds", [None, 1e12, 1e300, -1e15])
def test_a_time_outside_the_calendar_is_unknown(seconds: float | None) -> None:
    assert utc_datetime(seconds) is None
    assert page_time(seconds, NOW) is None


def test_a_time_is_in_utc() -> None:
    assert utc_datetime(0.5) == datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)


def test_text_that_utf_8_cannot_encode_gets_question_marks() -> None:
    line = line_of(replace(tasks(1)[0], id="é\ud800", name="\udfff", input="ok", target="\ud83d\ude00"))
    assert (line.id, line.name, line.input, line.target) == ("é?", "?", "ok", "??")


def test_a_cell_has_the_budgets_of_its_own_account_region_and_kind() -> None:
    budgets = {
        ("111122223333", "eu-west-1", "iot", "DescribeThingRegistrationTask"): 0.25,
        ("111122223333", "eu-west-1", "greengrass", "greengrass"): 0.5,
        ("111122223333", "us-east-1", "iot", "ListThingRegistrationTasks"): 0.5,
        ("444455556666", "eu-west-1", "iot", "ListThingRegistrationTasks"): 0.5,
    }
    (line,) = overview(Snapshot(KEY, SCOPE), budgets).cells()
    assert line.budgets == (BudgetLine(service="iot", api="DescribeThingRegistrationTask", ratio=0.25),)


@pytest.mark.parametrize(
    ("up", "duration", "is_waiting", "attention"),
    [(False, None, True, False), (True, 1.0, False, False), (False, 1.0, False, True)],
)
def test_a_cell_waits_for_its_first_refresh_and_needs_attention_after_a_failure(
    up: bool, duration: float | None, is_waiting: bool, attention: bool
) -> None:
    (line,) = overview(Snapshot(KEY, SCOPE, up=up, duration=duration)).cells()
    assert (line.is_waiting, line.needs_attention) == (is_waiting, attention)


def test_an_estimate_that_has_passed_is_unknown_and_numbers_are_rounded() -> None:
    estimates = Estimates()
    task = tasks(2)[1]
    for at, progress in ((NOW, 0.5), (NOW + 60, 0.1 + 0.2)):
        estimates.note(Snapshot(KEY, SCOPE, (Reading(replace(task, progress=progress), at),)))
    for at, progress in ((NOW + 120, 0.5), (NOW + 180, 0.9)):
        reading = Reading(replace(task, progress=progress), at)
        estimates.note(Snapshot(KEY, SCOPE, (reading,)))
    reading = Reading(replace(task, progress=0.1 + 0.8 - 0.0000000000000001), NOW + 180)
    store = Store([Snapshot(KEY, SCOPE, (reading,))])
    (before,) = Overview((KIND,), store, estimates, lambda: NOW + 190).operations()
    (after,) = Overview((KIND,), store, estimates, lambda: NOW + 210).operations()
    assert (before.progress, before.rate, before.estimated_end) == (0.9, 0.005, NOW + 200)
    assert (after.rate, after.estimated_end) == (0.005, None)
