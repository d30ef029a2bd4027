"""How refreshes of a cell went: the attempt under way, and the result of the last one that finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.collector.cell_log import CellLog
from exporter.core.clock import NEVER
from exporter.core.errors import ApiError, CredentialsError, Reason
from exporter.core.model import Failure

# After this many consecutive failures a refresh leaves the remaining operations to the next one.
MAX_CONSECUTIVE_FAILURES = 5


class RefreshFailures:
    """The failures of a refresh, the first one for each reason. Subclasses have the fields.

    ``account_failures`` are those to get credentials for the account, such as those of its role. All cells of an
    account have them in common. ``own_failures`` are all others.
    """

    __slots__ = ()

    account_failures: Mapping[Reason, Failure]
    own_failures: Mapping[Reason, Failure]

    @property
    def failures(self) -> Mapping[Reason, Failure]:
        """The failures by their reasons."""
        return {**self.own_failures, **self.account_failures}

    @property
    def reasons(self) -> frozenset[Reason]:
        """The reasons of all failures."""
        return frozenset(self.failures)

    @property
    def lacks_credentials(self) -> bool:
        """Whether there were no credentials for the account."""
        return bool(self.account_failures)


@dataclass(slots=True)
class RefreshAttempt(RefreshFailures):
    """A refresh so far. ``started`` is in monotonic seconds. Failures of the ``last`` refresh are not logged again.

    ``found``: the configuration does not name the cell. Whether its denial is logged depends on the whole refresh, so
    ``denial`` keeps it until then.
    """

    started: float
    log: CellLog
    last: LastRefresh
    found: bool = False
    account_failures: dict[Reason, Failure] = field(default_factory=dict)
    own_failures: dict[Reason, Failure] = field(default_factory=dict)
    errors: dict[tuple[Reason, str, str], ApiError] = field(default_factory=dict)
    has_response: bool = False
    consecutive_failures: int = 0
    denial: tuple[ApiError, str] | None = None

    @property
    def fails_repeatedly(self) -> bool:
        """Whether so many calls failed in a row that the refresh describes no more operations."""
        return self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES

    @property
    def is_refused(self) -> bool:
        """Whether AWS only denied access, also to the role. Only a change of policies or the configuration helps."""
        return self.reasons == {Reason.ACCESS_DENIED} and not self.has_response

    def note_response(self) -> None:
        """Note a response of AWS."""
        self.has_response, self.consecutive_failures = True, 0

    def fail(self, error: ApiError, subject: str) -> None:
        """Note a failure, and log it if it is the first one for its reason.

        ``not_found`` is no failure of a cell: an id that AWS does not know is counted instead. A list or a report that
        AWS does not find is ``other``.
        """
        if error.reason is Reason.NOT_FOUND:
            error = ApiError(Reason.OTHER, error.code, error.detail, error.api)
        failure = Failure(error.reason, error.code, error.detail)
        if isinstance(error, CredentialsError):
            if error.reason not in {*self.last.account_failures, *self.account_failures}:
                self.log.account_failure(error)
            self.account_failures.setdefault(error.reason, failure)
        else:
            if self.found and error.reason is Reason.ACCESS_DENIED:
                self.denial = self.denial or (error, subject)
            elif error.reason not in {*self.last.own_failures, *self.own_failures}:
                self.log.failure(error, subject)
            self.add(failure)
        self.errors.setdefault((error.reason, error.code, error.api), error)

    def add(self, failure: Failure) -> None:
        """Add a failure of the cell itself, and log nothing."""
        self.own_failures.setdefault(failure.reason, failure)


@dataclass(frozen=True, slots=True)
class LastRefresh(RefreshFailures):
    """The last finished refresh; ``succeeded_at`` is in Unix seconds, other times are in monotonic ones.

    ``has_own_failure`` is true if a refresh since the last success failed, and the cell had series that said so. A cell
    that was only counted had none.
    ``recovered_at`` is the time of the first success after such a failure. ``regained_at`` is that of the first success
    after a lack of credentials.
    """

    account_failures: Mapping[Reason, Failure] = field(default_factory=dict)
    own_failures: Mapping[Reason, Failure] = field(default_factory=dict)
    up: bool = False
    succeeded_at: float = 0.0
    has_own_failure: bool = False
    recovered_at: float = NEVER
    regained_at: float = NEVER
    response_at: float = NEVER
    duration: float | None = None
    ended_at: float = NEVER

    def after(self, attempt: RefreshAttempt, now: float, monotonic: float) -> LastRefresh:
        """Return the result of the attempt that has just ended. The snapshot decides about its ``has_own_failure``."""
        up = not attempt.reasons
        return LastRefresh(
            account_failures=dict(attempt.account_failures),
            own_failures=dict(attempt.own_failures),
            up=up,
            succeeded_at=now if up else self.succeeded_at,
            has_own_failure=self.has_own_failure and not up,
            recovered_at=monotonic if up and self.has_own_failure else self.recovered_at,
            regained_at=monotonic if up and self.lacks_credentials else self.regained_at,
            # A refresh that needed no call counts as a response: AWS refused nothing.
            response_at=monotonic if attempt.has_response or not attempt.errors else self.response_at,
            duration=monotonic - attempt.started,
            ended_at=monotonic,
        )
