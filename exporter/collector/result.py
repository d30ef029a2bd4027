"""How refreshes of a cell went: the attempt under way, and the result of the last one that finished."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from exporter.core.errors import ApiError, Reason
from exporter.core.model import CellKey, Failure

NEVER = -math.inf

# The subject of a failure that is about no single operation.
ACCESS, REFRESH = "access to the account", "the refresh"

# Gets a failure, and its subject: an operation's id, a list, or one of those above.
Report = Callable[[ApiError, str], None]


@dataclass(slots=True)
class RefreshAttempt:
    """A refresh so far. ``started`` is in monotonic seconds; failures for ``known_reasons`` are not reported again."""

    started: float
    report: Report
    known_reasons: frozenset[Reason]
    reasons: set[Reason] = field(default_factory=set)
    failures: dict[Reason, Failure] = field(default_factory=dict)
    errors: dict[tuple[Reason, str, str], ApiError] = field(default_factory=dict)
    has_response: bool = False
    consecutive_failures: int = 0

    def note_response(self) -> None:
        """Note a response of AWS."""
        self.has_response, self.consecutive_failures = True, 0

    def fail(self, error: ApiError, subject: str) -> None:
        """Note a failure, and report it if it is the first one for its reason.

        ``not_found`` is reserved for operations that are gone. A list or a report that AWS does not find is ``other``.
        """
        if error.reason is Reason.NOT_FOUND:
            error = ApiError(Reason.OTHER, error.code, error.detail, error.api)
        if error.reason not in self.known_reasons | self.reasons:
            self.report(error, subject)
        self.add(Failure(error.reason, error.code, error.detail))
        self.errors.setdefault((error.reason, error.code, error.api), error)

    def add(self, failure: Failure) -> None:
        """Add a failure, of which the first one for its reason is kept."""
        self.reasons.add(failure.reason)
        self.failures.setdefault(failure.reason, failure)


@dataclass(frozen=True, slots=True)
class LastRefresh:
    """The last finished refresh; ``succeeded_at`` is in Unix seconds, other times are in monotonic ones."""

    reasons: frozenset[Reason] = frozenset()
    failures: Mapping[Reason, Failure] = field(default_factory=dict)
    up: bool = False
    succeeded_at: float = 0.0
    response_at: float = NEVER
    duration: float | None = None
    ended_at: float = NEVER

    def after(self, attempt: RefreshAttempt, now: float, monotonic: float) -> LastRefresh:
        """Return the result of the attempt that has just ended."""
        up = not attempt.reasons
        return LastRefresh(
            reasons=frozenset(attempt.reasons),
            failures=dict(attempt.failures),
            up=up,
            succeeded_at=now if up else self.succeeded_at,
            # A refresh that needed no call counts as a response: AWS refused nothing.
            response_at=monotonic if attempt.has_response or not attempt.errors else self.response_at,
            duration=monotonic - attempt.started,
            ended_at=monotonic,
        )


@contextmanager
def defects_as_api_errors() -> Iterator[None]:
    """Turn an unexpected exception into an ApiError, so that a defect fails one operation instead of the cell."""
    try:
        yield
    except ApiError:
        raise
    except Exception as error:
        raise ApiError(Reason.OTHER, detail=f"unexpected {type(error).__name__}") from error


def failure_report(write: Callable[..., None], message: str, key: CellKey) -> Report:
    """Return a function that logs failures of a cell; ``write`` is a method of the log."""

    def report(error: ApiError, subject: str) -> None:
        subject = subject or "operation without an id"
        write(message, **asdict(key), subject=subject, reason=error.reason.value, detail=error.detail)

    return report
