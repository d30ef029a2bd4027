"""The responses of the JSON API. Their OpenAPI document is generated from these classes and from the lines in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from exporter.metrics.summary import CellLine, Count, OperationLine


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The operations that match a request."""

    operations: Sequence[OperationLine]
    matching: Annotated[Count, Field(description="The number of operations that match, also those beyond the limit.")]
    total: Annotated[Count, Field(description="The number of operations without any filter.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The cells that match a request."""

    cells: Sequence[CellLine]
    total: Annotated[Count, Field(description="The number of cells without any filter.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One invalid parameter."""

    parameter: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """The problems of an invalid request, in the format of RFC 9457."""

    type: str
    title: str
    status: int
    errors: Sequence[Fault]
