"""The record that describes one kind of bulk operation.

Everything generic follows from this record: configuration keys, families, the IAM policy, the simulator's answers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from exporter.answer import Answer
from exporter.metric import Metric
from exporter.model import Operation
from exporter.simulated import Simulated

T = TypeVar("T", bound=Operation)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One AWS API, with the quota that AWS gives an account in a Region.

    ``quota`` is in calls per second; APIs of one service with the same ``bucket`` share it. ``resource`` is what
    an IAM policy may narrow the permission to: ``*`` where AWS knows no resource for the action.
    """

    service: str
    name: str
    quota: float
    bucket: str = ""
    resource: str = "*"

    @property
    def quota_name(self) -> str:
        """The name under which calls are counted against the quota."""
        return self.bucket or self.name


class Api(Protocol):
    """AWS as one kind sees it, in one scope. Every method raises ``ApiError`` and nothing else."""

    async def call(self, call: ApiCall, **parameters: Any) -> Answer:
        """Return the answer to one call."""
        ...

    def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Answer]:
        """Return the answers to a list call, page after page, each with the list that AWS documents."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """An operation as a list names it; what the list does not say is None or empty."""

    id: str
    created: datetime | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """How operations are found: a list call, what a page holds, and the parameter that filters by status, if any."""

    call: ApiCall
    entries: Callable[[Answer], Iterable[Listed]]
    status_parameter: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """A switch of one kind in the configuration, off unless set; ``calls`` are what it needs on top."""

    name: str
    help: str
    calls: tuple[ApiCall, ...] = ()


Options = frozenset[str]
"""The names of the options that the configuration turned on."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the simulator answers: for a call that names an operation, and for an entry of the kind's list."""

    answers: Mapping[ApiCall, Callable[[Simulated], Mapping[str, Any]]]
    entry: Callable[[Simulated], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One kind of bulk operation, complete."""

    name: str
    title: str
    statuses: tuple[str, ...]
    active: frozenset[str]
    id_parameter: str
    id_length: int
    describes: tuple[ApiCall, ...]
    discovery: Discovery
    fetch: Callable[[Api, str, Options], Awaitable[T]]
    final: Callable[[T, Options], bool]
    metrics: tuple[Metric[T], ...]
    simulation: Simulation
    options: tuple[Option, ...] = ()
    by_default: bool = True

    @property
    def calls(self) -> tuple[ApiCall, ...]:
        """Every API that the kind may call, options included."""
        optional = tuple(call for option in self.options for call in option.calls)
        return (self.discovery.call, *self.describes, *optional)

    def is_id(self, text: str) -> bool:
        """Tell whether a text can name an operation; an empty one, or ``..``, would name another path of AWS."""
        return 0 < len(text) <= self.id_length and text not in (".", "..") and not re.search(r"[\s\x00-\x1f\x7f]", text)

    def is_active(self, status: str) -> bool:
        """Tell whether AWS may still change an operation of this status; a status of tomorrow may change."""
        return status in self.active or status not in self.statuses
