"""What the JSON holds. Its OpenAPI document is made from these classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import Field

from exporter.metrics.summary import BudgetLine, CellLine, OperationLine
from exporter.web.api.filtering import Choice
from exporter.web.time_format import moment

Ratio = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
AccountName = Annotated[str, Field(description="The account's name in the configuration.")]
AccountId = Annotated[
    str | None, Field(description="The account's number; null until AWS or the configuration told it.")
]
Kind = Annotated[str, Field(description="The kind of the operations, as in the metrics' label.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One bulk operation. Times are RFC 3339 in UTC; what AWS did not tell is null, never 0."""

    account: AccountName
    aws_account_id: AccountId
    aws_region: str
    kind: Kind
    id: str
    name: str | None
    target: Annotated[str | None, Field(description="What it is rolled out to.")]
    input: Annotated[str | None, Field(description="The file it reads.")]
    status: Annotated[str, Field(description="The status in AWS's spelling.")]
    active: Annotated[bool, Field(description="Whether AWS may still change it.")]
    continuous: Annotated[bool, Field(description="Whether it goes on with whatever joins its target, and never ends.")]
    needs_attention: Annotated[
        bool, Field(description="Whether something of it failed, or it was cancelled or stopped.")
    ]
    progress: Annotated[Ratio | None, Field(description="The share that is done, from 0 to 1.")]
    succeeded: Annotated[Count | None, Field(description="How many of its items ended well.")]
    failed: Annotated[Count | None, Field(description="How many of its items ended badly.")]
    created: datetime | None
    updated: Annotated[datetime | None, Field(description="When AWS last changed it.")]
    read: Annotated[datetime | None, Field(description="When it was last read from AWS.")]
    rate: Annotated[float | None, Field(description="The share of the whole that was done in each second of late.")]
    estimated_end: Annotated[datetime | None, Field(description="When it may end at this rate.")]

    @staticmethod
    def of(line: OperationLine) -> Operation:
        """Return what the JSON says of a line."""
        return Operation(
            account=line.account,
            aws_account_id=line.account_id or None,
            aws_region=line.region,
            kind=line.kind,
            id=line.id,
            name=line.name or None,
            target=line.target or None,
            input=line.input or None,
            status=line.status,
            active=line.active,
            continuous=line.continuous,
            needs_attention=line.needs_attention,
            progress=line.progress,
            succeeded=line.succeeded,
            failed=line.failed,
            created=moment(line.created),
            updated=moment(line.updated),
            read=moment(line.read),
            rate=line.rate,
            estimated_end=moment(line.estimated_end),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The operations that a request chose."""

    operations: Sequence[Operation]
    matching: Annotated[Count, Field(description="How many fit the request, those beyond its limit too.")]
    total: Annotated[Count, Field(description="How many there are without any filter.")]

    @staticmethod
    def of(choice: Choice) -> Operations:
        """Return what the JSON says of a choice."""
        shown = tuple(map(Operation.of, choice.lines))
        return Operations(operations=shown, matching=choice.matching, total=choice.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of a quota the exporter allows itself now."""

    service: str
    api: Annotated[str, Field(description="An API, or the name of several that AWS counts together.")]
    ratio: Annotated[Ratio, Field(description="The share of AWS's quota; throttling halves it for a while.")]

    @staticmethod
    def of(line: BudgetLine) -> Budget:
        """Return what the JSON says of a budget."""
        return Budget(service=line.service, api=line.api, ratio=line.ratio)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One kind in one Region of an account: what is read from AWS together."""

    account: AccountName
    aws_account_id: AccountId
    aws_region: str
    kind: Kind
    up: Annotated[bool, Field(description="Whether the last refresh read everything from AWS.")]
    reasons: Annotated[Sequence[str], Field(description="Why it did not; words of a closed set.")]
    last_success: Annotated[datetime | None, Field(description="When a refresh last read everything.")]
    duration: Annotated[
        float | None, Field(ge=0, description="Seconds that the last refresh took; null before the first one ended.")
    ]
    operations: Annotated[Count, Field(description="Operations that are known.")]
    omitted: Annotated[Count, Field(description="Operations that were found and left out by `max_operations`.")]
    budgets: Sequence[Budget]

    @staticmethod
    def of(line: CellLine) -> Cell:
        """Return what the JSON says of a line."""
        return Cell(
            account=line.account,
            aws_account_id=line.account_id or None,
            aws_region=line.region,
            kind=line.kind,
            up=line.up,
            reasons=line.reasons,
            last_success=moment(line.last_success or None),
            duration=line.duration,
            operations=line.operations,
            omitted=line.omitted,
            budgets=tuple(map(Budget.of, line.budgets)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells that a request chose."""

    cells: Sequence[Cell]
    total: Annotated[Count, Field(description="How many there are without any filter.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One parameter that cannot be used."""

    parameter: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with a request, as RFC 9457 writes it."""

    type: str
    title: str
    status: int
    errors: Sequence[Fault]
