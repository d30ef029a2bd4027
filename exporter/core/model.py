"""The immutable values between the responses of AWS and the exposition."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from exporter.core.errors import Reason


@dataclass(frozen=True, slots=True)
class Scope:
    """One account in one Region. ``account_id`` is empty while it is unknown."""

    account: str
    account_id: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The fields that every bulk operation has. A kind adds its counts in a subclass.

    - ``scheduled_start``: when the schedule of the operation starts it, None without a schedule.
    - ``job_id``: the job with which AWS rolls the operation out, empty without a job.
    - ``completed``: when AWS ended the operation, None if AWS does not report it.
    - ``reason_code``: the reason that AWS or a user gave for the last change of the status.
    - ``aborted``: whether AWS cancelled the operation because of the operation's own abort criteria.
    - ``settings``: names and values, in words, of settings that decide how the operation runs and ends.
    """

    id: str
    status: str
    progress: float | None = None
    created: datetime | None = None
    updated: datetime | None = None
    scheduled_start: datetime | None = None
    completed: datetime | None = None
    name: str = ""
    target: str = ""
    input: str = ""
    job_id: str = ""
    reason_code: str = ""
    aborted: bool = False
    tags: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """The number of succeeded and failed items of an operation, None if AWS does not send it.

    ``processed`` is the number of processed items, if AWS sends it. ``possibly_failed`` is the number of further items
    that may have failed: the counts of AWS do not decide it. ``failed_executions`` is the number of failed executions,
    None if AWS does not retry items. An item then has one execution.
    """

    succeeded: int | None
    failed: int | None
    processed: int | None = None
    possibly_failed: int = 0
    failed_executions: int | None = None

    @property
    def total_processed(self) -> int | None:
        """The number of processed items, by default the succeeded and the failed ones."""
        if self.processed is None and self.succeeded is not None and self.failed is not None:
            return self.succeeded + self.failed
        return self.processed

    @property
    def failure_ratio(self) -> float | None:
        """The ratio of failed to processed items, None if it is unknown or nothing was processed."""
        return self.failed / self.total_processed if self.failed is not None and self.total_processed else None


T_co = TypeVar("T_co", bound=Operation, covariant=True)


@dataclass(frozen=True, slots=True)
class Reading(Generic[T_co]):
    """An operation as AWS described it at one time, in Unix seconds.

    ``final`` is set if nothing of the operation can change any more, so that it is not read again.
    """

    operation: T_co
    at: float
    final: bool = False


@dataclass(frozen=True, slots=True)
class CellKey:
    """The key of a cell: a kind in one Region of a configured account."""

    account: str
    region: str
    kind: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a cell has no fresh data: the reason, the error code, and a sentence for people, which may be empty."""

    reason: Reason
    code: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class CellResult:
    """What the last refresh of a cell says about it. Subclasses have the fields."""

    __slots__ = ()

    up: bool
    expired: bool
    reasons: Collection[str]
    duration: float | None

    @property
    def is_up(self) -> bool:
        """Whether the last refresh read everything, and ended recently."""
        return self.up and not self.expired

    @property
    def is_waiting(self) -> bool:
        """Whether the first refresh has not ended yet, or the last one is too long ago to know anything from it."""
        return self.duration is None or (self.expired and not self.reasons)

    @property
    def needs_attention(self) -> bool:
        """Whether the last refresh could not read everything."""
        return not (self.is_up or self.is_waiting)


@dataclass(frozen=True, slots=True)
class Snapshot(CellResult):
    """Everything that is known of a cell at one time. It is replaced, never changed.

    ``expired``: no refresh has ended recently, so new operations may be missing. ``missing`` is the number of known
    operations that have no reading, or only an old one, and are left out. ``listed`` is the number of operations that
    AWS has listed and that were never read.
    ``failures`` has at most one failure for each of ``reasons``, the first one.
    ``omitted`` operations are beyond the limit of the configuration, and ``active_omitted`` of them are active.
    ``unknown_ids`` are configured ids that AWS does not know.
    ``found``: the exporter found the account or the Region, and the configuration does not name it.
    ``account_failures`` are those of ``failures`` because of which the last refresh had no credentials for the account,
    such as those of its role.
    ``recovered_recently``: the first success after failures of the cell itself was some minutes ago.
    ``regained_credentials_recently``: the first success after a lack of credentials was some minutes ago.
    """

    key: CellKey
    scope: Scope
    readings: tuple[Reading[Operation], ...] = ()
    up: bool = False
    reasons: frozenset[Reason] = frozenset()
    failures: tuple[Failure, ...] = ()
    last_success: float = 0.0
    duration: float | None = None
    omitted: int = 0
    expired: bool = False
    missing: int = 0
    listed: int = 0
    active_omitted: int = 0
    unknown_ids: tuple[str, ...] = ()
    found: bool = False
    account_failures: tuple[Failure, ...] = ()
    recovered_recently: bool = False
    regained_credentials_recently: bool = False

    @property
    def lacks_credentials(self) -> bool:
        """Whether the last refresh had no credentials for the account. All cells of an account use the same ones."""
        return bool(self.account_failures)

    @property
    def is_idle(self) -> bool:
        """Whether the cell was found, was read completely, has no operation, and has not just recovered.

        Without the series of the success after it, a single failure would look like one that lasts.
        """
        is_notable = self.expired or self.recovered_recently or self.missing
        return self.found and self.up and not (is_notable or self.readings or self.omitted)

    @property
    def is_unread(self) -> bool:
        """Whether the cell was found, and its first refresh has not ended."""
        return self.found and self.duration is None and not self.reasons

    @property
    def is_quiet(self) -> bool:
        """Whether the cell was found and has nothing to show. Such cells are only counted: there are thousands."""
        return self.is_idle or self.is_unread

    @property
    def knows_operations(self) -> bool:
        """Whether an operation of the cell is known. A configured id is none before the cell was read."""
        return bool(self.readings or self.omitted or self.listed or (self.missing and self.last_success))

    @property
    def is_inaccessible(self) -> bool:
        """Whether the cell was found, no operation of it is known, and there are no credentials for its account.

        The account has series that say so. Those of each cell would repeat them, in each Region and for each kind.
        """
        return self.found and self.lacks_credentials and not self.knows_operations

    @property
    def is_denied(self) -> bool:
        """Whether the cell was found, no operation of it is known, and AWS only denied its last refresh.

        A policy of an organization that forbids a Region denies it to all accounts.
        """
        is_only_denied = self.reasons == {Reason.ACCESS_DENIED} and not self.lacks_credentials
        return self.found and is_only_denied and not self.knows_operations

    @property
    def is_counted(self) -> bool:
        """Whether the cell has no series of its own. An organization has thousands of such cells."""
        return self.is_quiet or self.is_inaccessible or self.is_denied

    @property
    def is_pending(self) -> bool:
        """Whether a refresh has still to read operations, or to find them."""
        return self.expired or self.missing > 0

    @property
    def is_complete(self) -> bool:
        """Whether all active operations of the cell are known."""
        return not (self.is_pending or self.reasons or self.active_omitted)

    @property
    def causes(self) -> tuple[str, ...]:
        """A sentence for each reason, in the order of the reasons."""
        failures = {failure.reason: failure for failure in self.failures}
        return tuple(str(failures.get(reason, Failure(reason))) for reason in sorted(self.reasons))


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of the scopes that this process reads. ``ordinal`` counts from 0 to ``total`` - 1."""

    ordinal: int = 0
    total: int = 1


@dataclass(frozen=True, slots=True)
class FoundAccount:
    """An active account of an organization: its id, and its name in AWS, which several accounts can have."""

    id: str
    name: str
