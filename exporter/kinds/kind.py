"""The record that describes one kind of bulk operation.

Everything generic follows from this record: configuration keys, families, the IAM policy, the simulator's answers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from exporter.core.model import ItemCounts, Operation
from exporter.kinds.metric import Metric
from exporter.kinds.response import Answer, Tags
from exporter.kinds.simulated_operation import SimulatedOperation

T = TypeVar("T", bound=Operation)

PLAIN_ID = r"[^\s\x00-\x1f\x7f]+"
"""What an id is written with where AWS documents nothing narrower."""
DISCOVER, DESCRIBE, TAGS = "discover", "describe", "tags"
"""What every kind may call AWS for, besides its options."""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One AWS API, with the quota that AWS gives an account in a Region.

    ``quota`` is in calls per second; APIs of one service with the same ``bucket`` share it. ``resource`` is what
    an IAM policy may narrow the permission to: ``*`` where AWS knows no resource for the action. ``also_needs`` are
    the actions that AWS asks of the caller besides the call's own. The answer to a ``shared`` call serves every kind
    that asks the same: none of them asks twice because of another. It stays the same API, shared or not.
    """

    service: str
    name: str
    quota: float
    bucket: str = ""
    resource: str = "*"
    also_needs: tuple[str, ...] = ()
    shared: bool = field(default=False, compare=False)

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
class ListEntry:
    """An operation as a list names it; what the list does not say is None or empty."""

    id: str
    created: datetime | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """How operations are found: a list call, what a page holds, and the parameter that filters by status, if any.

    ``tells_status`` says that the entries of a list without such a filter carry the status.
    """

    call: ApiCall
    entries: Callable[[Answer], Iterable[ListEntry]]
    status_parameter: str = ""
    tells_status: bool = False
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
class FetchRequest(Generic[T]):
    """What is to be read of AWS: an operation, with what is known of it already.

    ``before`` is the operation as it was read last; ``listed`` the status in a list that was read just now, else empty.
    """

    id: str
    options: Options = frozenset()
    before: T | None = None
    listed: str = ""


@dataclass(frozen=True, slots=True)
class TagSource(Generic[T]):
    """Where the tags of a kind come from whose operations do not bring their own; asked once for each operation."""

    call: ApiCall
    read: Callable[[Api, T], Awaitable[Tags]]


@dataclass(frozen=True, slots=True)
class Naming:
    """How a call names an operation that does not go by its id there: the parameter, and what it holds."""

    parameter: str
    name: Callable[[SimulatedOperation], str]


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the simulator answers: for a call that names an operation (None: not found), and in the kind's list.

    ``also_as`` gives what an operation looks like as one of another kind, by that kind's name: a deployment's job.
    """

    answers: Mapping[ApiCall, Callable[[SimulatedOperation], Mapping[str, Any] | None]]
    entry: Callable[[SimulatedOperation], Any]
    namings: Mapping[ApiCall, Naming] = field(default_factory=dict)
    also_as: Mapping[str, Callable[[SimulatedOperation], SimulatedOperation | None]] = field(default_factory=dict)


def _never(operation: Operation) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class SeriesSelector:
    """Rows of one of a kind's metrics: all of them, or those whose label has one of the values. They are added up."""

    metric: str
    label: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSeries:
    """Which rows tell how the items of an operation fare, for alerts, which see rows and no operations.

    Of several sources of one count the largest holds. Without ``processed``, that is what succeeded and what failed;
    without ``under_way``, nobody can tell, and an active operation is taken to have items left. ``invalid`` are items
    that failed because the input is wrong, ``retried`` attempts that are made again.
    """

    succeeded: tuple[SeriesSelector, ...] = ()
    failed: tuple[SeriesSelector, ...] = ()
    processed: tuple[SeriesSelector, ...] = ()
    under_way: tuple[SeriesSelector, ...] = ()
    invalid: tuple[SeriesSelector, ...] = ()
    retried: tuple[SeriesSelector, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Generic[T]):
    """One kind of bulk operation, complete.

    ``operation`` is the frozen dataclass that ``fetch`` gives back; text, numbers, times and tuples of them are all
    that it holds, so that it can be written down. ``completes`` are the statuses of operations that came to their end
    by themselves; whether all went well only the counts tell. ``failed`` and ``stopped`` are those of operations that
    ended badly, or because somebody ended them, ``waiting`` active ones in which nothing is done yet, ``ending`` those
    of what somebody is about to end. ``fetch`` reads one operation, ``final`` tells whether nothing of it can change
    any more, ``continuous`` whether it never ends because it goes on with whatever joins its target, and ``tally`` how
    many of its items ended well and badly; ``items`` says the same of its rows. From ``support_ended`` on, AWS may
    refuse the kind's calls for good.
    """

    name: str
    title: str
    reference: str
    operation: type[T]
    statuses: tuple[str, ...]
    active: frozenset[str]
    completes: frozenset[str]
    id_parameter: str
    id_length: int
    describes: tuple[ApiCall, ...]
    discovery: Discovery
    fetch: Callable[[Api, FetchRequest[T]], Awaitable[T]]
    final: Callable[[T, Options], bool]
    item_counts: Callable[[T], ItemCounts]
    metrics: tuple[Metric[T], ...]
    simulation: Simulation
    items: ItemSeries = ItemSeries()
    failed: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    ending: frozenset[str] = frozenset()
    continuous: Callable[[T], bool] = _never
    id_pattern: str = PLAIN_ID
    options: tuple[Option, ...] = ()
    tag_source: TagSource[T] | None = None
    support_ended: datetime | None = None
    by_default: bool = True

    @property
    def purposes(self) -> Mapping[str, tuple[ApiCall, ...]]:
        """What the kind calls AWS for, and which APIs each purpose takes; options are purposes by their names."""
        options = {option.name: option.calls for option in self.options}
        tags = {TAGS: (self.tag_source.call,)} if self.tag_source else {}
        return {DISCOVER: (self.discovery.call,), DESCRIBE: self.describes, **options, **tags}

    @property
    def calls(self) -> tuple[ApiCall, ...]:
        """Every API that the kind may call, those for options and tags included."""
        return tuple(call for calls in self.purposes.values() for call in calls)

    def naming(self, call: ApiCall) -> Naming:
        """Return how a call about one operation names it: by its id, unless the simulation says otherwise."""
        return self.simulation.namings.get(call) or Naming(self.id_parameter, lambda operation: operation.id)

    def is_id(self, text: str) -> bool:
        """Tell whether a text can name an operation; an empty one, or ``..``, would name another path of AWS."""
        fits = re.fullmatch(self.id_pattern, text) and len(text) <= self.id_length
        return bool(fits) and text not in (".", "..")

    def is_active(self, status: str) -> bool:
        """Tell whether AWS may still change an operation of this status; a status of tomorrow may change."""
        return status in self.active or status not in self.statuses
