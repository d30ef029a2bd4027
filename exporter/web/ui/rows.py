"""The parts of the rows of the status page: colours, progress bars and readable times."""

from dataclasses import dataclass
from typing import Literal

from exporter.core.clock import rfc3339
from exporter.kinds.phase import Phase
from exporter.metrics.attention import Severity, rounded_duration
from exporter.metrics.summary import OperationLine, utc_datetime

# The class of a status. The page has a colour for each.
Tone = Literal["active", "good", "warn", "bad", "plain"]

# Percent of a bar that a single failure takes at least, so that it is visible.
MIN_FAILED_WIDTH = 3.0
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class PageTime:
    """A time in three forms: relative to now, for programs, and in full."""

    text: str
    iso: str
    full: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar in percent. ``percent`` is rounded down.

    ``succeeded`` and ``failed`` are the widths of its two parts. The second part begins at ``failed_start``.
    """

    percent: int
    succeeded: float
    failed: float
    failed_start: float


def page_time(at: float | None, now: float) -> PageTime | None:
    """Return the forms of a time in Unix seconds, or None if it is unknown or outside the calendar."""
    date = utc_datetime(at)
    if at is None or date is None:
        return None
    return PageTime(relative_time(at, now), rfc3339(date), date.strftime("%Y-%m-%d %H:%M:%S UTC"))


def relative_time(at: float, now: float) -> str:
    """Return the distance between two times in Unix seconds: ``3 min ago``, ``in 2 h``."""
    return f"{rounded_duration(now - at)} ago" if at <= now else f"in {rounded_duration(at - now)}"


def short_name(line: OperationLine) -> str:
    """Return what a user calls an operation: its name, else its input file, else its id."""
    return line.name or line.input.rpartition("/")[2] or line.id


def tone(line: OperationLine) -> Tone:
    """Return the colour class of the status of an operation."""
    if line.phase is Phase.FAILED:
        return "bad"
    if line.active:
        return "active"
    if line.severity is not Severity.NONE:
        return "warn"
    return "good" if line.phase is Phase.COMPLETED else "plain"


def bar(line: OperationLine) -> Bar | None:
    """Return the progress bar of an operation, or None if its progress is unknown."""
    if line.progress is None:
        return None
    percent = 100 * min(1.0, max(0.0, line.progress))
    failed = percent * _failed_share(line)
    succeeded, shown = percent - failed, max(MIN_FAILED_WIDTH, failed) if line.failed else 0.0
    return Bar(int(percent + ROUNDING), round(succeeded, 2), round(shown, 2), round(min(succeeded, 100 - shown), 2))


def _failed_share(line: OperationLine) -> float:
    """Return the failed share of the completed items. It is unknown, and 0 here, if AWS counts no successes."""
    if not line.failed or line.succeeded is None:
        return 0.0
    return line.failed / (line.failed + line.succeeded)
