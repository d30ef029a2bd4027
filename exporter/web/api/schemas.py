"""The responses of the JSON API. Their OpenAPI document is generated from these classes and from the lines in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from exporter.kinds.kind import FailedItem
from exporter.metrics.reasons import ReasonGroup
from exporter.metrics.summary import AccountId, AccountName, CellLine, Count, KindName, OperationLine, Region

# Cells in ``incomplete``. Thousands of cells can fail at the same time, for example if the network fails.
MAX_INCOMPLETE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteCell:
    """A cell whose operations are not all known."""

    account: AccountName
    account_id: AccountId
    region: Region
    kind: KindName
    reasons: Annotated[
        Sequence[str],
        Field(
            description="Why operations may be missing: the reasons of the last refresh, `pending` while a refresh has "
            "not read everything yet, and `omitted` if active operations are beyond `max_operations`."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteReason:
    """A reason for which operations may be missing. A cell with several reasons counts for each of them."""

    reason: Annotated[str, Field(description="The reason, as in `incomplete`.")]
    cells: Annotated[Count, Field(description="The number of cells with the reason.")]
    accounts: Annotated[Count, Field(description="The number of accounts with such a cell.")]


Complete = Annotated[
    bool,
    Field(
        description="Whether all operations of the accounts and kinds of the request are known. If it is false, an "
        "operation that is not in the list may exist."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The operations that match a request."""

    operations: Sequence[OperationLine]
    matching: Annotated[Count, Field(description="The number of operations that match, also those beyond the limit.")]
    total: Annotated[Count, Field(description="The number of operations without any filter.")]
    complete: Complete
    incomplete: Annotated[
        Sequence[IncompleteCell],
        Field(
            description=f"The cells whose operations are not all known, at most {MAX_INCOMPLETE} of them. "
            "`/api/v1/cells` lists all cells."
        ),
    ]
    incomplete_omitted: Annotated[Count, Field(description="The number of such cells that `incomplete` omits.")]
    incomplete_reasons: Annotated[
        Sequence[IncompleteReason],
        Field(
            description="The reasons of all such cells, also of those that `incomplete` omits, the most frequent first."
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells that match a request."""

    cells: Sequence[CellLine]
    matching: Annotated[Count, Field(description="The number of cells that match, also those beyond the limit.")]
    total: Annotated[Count, Field(description="The number of cells without any filter.")]
    offset: Annotated[
        Count, Field(description="The number of matching cells that the request left out before `cells`.")
    ]
    omitted: Annotated[
        Count,
        Field(description="The number of matching cells after those in `cells`. A larger `offset` returns them."),
    ]
    complete: Complete


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationFailures:
    """Failed items of an operation, with their reasons."""

    operation: OperationLine
    groups: Annotated[
        Sequence[ReasonGroup],
        Field(
            description="The items in `items` by reason, the largest group first. Numbers and names in reasons are "
            "replaced. The groups do not include other failed items, whose reasons this response does not read."
        ),
    ]
    grouped_items: Annotated[
        Count, Field(description="The number of items that `groups` includes: those in `items`, and no others.")
    ]
    items: Annotated[
        Sequence[FailedItem], Field(description="At most `limit` failed items, after the first `offset` ones.")
    ]
    distinct_items: Annotated[
        Count,
        Field(
            description="The number of different items in `items`. With retries, an item can have several failed "
            "executions, and each of them is in `items`."
        ),
    ]
    failed_executions: Annotated[
        int | None,
        Field(
            description="The number of failed executions by the counts of AWS, if AWS retries items; otherwise null. "
            "`failed` and `possibly_failed` of the operation are numbers of items."
        ),
    ]
    offset: Annotated[Count, Field(description="The number of failed items that the request left out before `items`.")]
    complete: Annotated[
        bool, Field(description="Whether `items` has all failed items of the operation, each with its reason.")
    ]
    omitted: Annotated[
        Count, Field(description="The number of failed items after those in `items`, as far as it is known.")
    ]
    problems: Annotated[Sequence[str], Field(description="What could not be read, for people.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One invalid parameter."""

    parameter: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The error of a request, in the format of RFC 9457. ``errors`` has a line for each invalid parameter."""

    type: str
    title: str
    status: int
    errors: Sequence[Fault] = ()
    detail: str | None = None
