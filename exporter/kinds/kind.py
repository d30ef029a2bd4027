"""The description of one kind of bulk operation.

Everything generic is derived from it: configuration keys, metrics, the IAM policy, the simulator's responses.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from exporter.core.model import ItemCounts, Operation
from exporter.kinds.metric import Metric
from exporter.kinds.response import Response, Tags
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.kinds.thresholds import DEFAULT, Thresholds

T = TypeVar("T", bound=Operation)
Content = TypeVar("Content")

# The pattern of ids where AWS documents no narrower one.
PLAIN_ID = r"[^\s\x00-\x1f\x7f]+"
# The purposes of calls to AWS that every kind can have. Options are further purposes.
DISCOVER, DESCRIBE, TAGS = "discover", "describe", "tags"
# The purpose of the calls that find failed items. No refresh makes them.
FAILURES = "failures"

# The names of the options that the configuration turns on.
Options = frozenset[str]


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One AWS API and its quota, which applies to an account in a Region.

    - ``quota``: calls per second. APIs of one service with the same ``bucket`` share it.
    - ``resource``: the resources in an IAM policy, ``*`` if the action supports none.
    - ``dependent_actions``: IAM actions that the caller needs in addition to the API's own action.
    - ``shared``: one response serves every kind that makes the same call.
    """

    service: str
    name: str
    quota: float
    bucket: str = ""
    resource: str = "*"
    dependent_actions: tuple[str, ...] = ()
    shared: bool = field(default=False, compare=False)

    @property
    def quota_name(self) -> str:
        """The name of the quota that the calls use."""
        return self.bucket or self.name


class Api(Protocol):
    """The APIs of AWS in one scope. Every method raises only ``ApiError``."""

    async def call(self, call: ApiCall, **parameters: Any) -> Response:
        """Return the response to one call."""

    def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Response]:
        """Yield the responses to a list call, page by page. Each of them has the documented list."""


class FailureApi(Api, Protocol):
    """The APIs of AWS in one scope, and the files that their responses link to."""

    async def file(self, link: str, read: Callable[[Iterable[bytes]], Content]) -> Content:
        """Return what ``read`` makes of the chunks of a file behind a presigned link. It runs in another thread."""


@dataclass(frozen=True, slots=True)
class ListEntry:
    """An operation in a list. Fields that the list lacks are None or empty."""

    id: str
    created: datetime | None = None
    status: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """How operations are found: the list call, the entries of a page, and the parameter for the status, if any.

    ``has_statuses`` is set if the entries contain the status.
    """

    call: ApiCall
    entries: Callable[[Response], Iterable[ListEntry]]
    status_parameter: str = ""
    has_statuses: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Option:
    """A switch of one kind in the configuration, off by default. It needs the additional ``calls``."""

    name: str
    help: str
    calls: tuple[ApiCall, ...] = ()


@dataclass(frozen=True, slots=True)
class FetchRequest(Generic[T]):
    """A request to read one operation from AWS.

    ``previous`` is the operation at its last reading. ``listed_status`` is its status in a list that the same refresh
    has read, else empty.
    """

    id: str
    options: Options = frozenset()
    previous: T | None = None
    listed_status: str = ""


@dataclass(frozen=True, slots=True)
class TagSource(Generic[T]):
    """The call for tags that an operation's description lacks. It is made once for each operation."""

    call: ApiCall
    read: Callable[[Api, T], Awaitable[Tags]]


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item that failed: a thing, a record or a group.

    - ``state``: its state in the words of AWS.
    - ``reason``: why it failed, as the device or AWS says it. Secrets are redacted. Empty without a reason.
    - ``at``: the time of the last change.
    - ``attempt``: the number of the execution on the thing, None if AWS does not send it.
    """

    item: str
    state: str
    reason: str = ""
    at: datetime | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class FailureSource(Generic[T]):
    """How the failed items of an operation are found.

    - ``states``: the states of failed items. ``more_states`` are those that are read only on request.
    - ``find``: yields the pages of items of an operation in one state. A page can be empty. The reader needs only one
      item more than the number in the last argument, so ``find`` can end after it.
    - ``explain``: returns an item with its reason, with at most one call. None if ``find`` yields the reasons.
    """

    calls: tuple[ApiCall, ...]
    states: tuple[str, ...]
    find: Callable[[FailureApi, T, str, int], AsyncIterator[Sequence[FailedItem]]]
    explain: Callable[[Api, T, FailedItem], Awaitable[FailedItem]] | None = None
    more_states: tuple[str, ...] = ()

    @property
    def known_states(self) -> tuple[str, ...]:
        """All states that can be requested."""
        return (*self.states, *self.more_states)


@dataclass(frozen=True, slots=True)
class Naming:
    """The parameter by which a call names an operation, and its value.

    ``name_in`` returns the name in the value of a request, for a parameter that names an item of the operation.
    """

    parameter: str
    name: Callable[[SimulatedOperation], str]
    name_in: Callable[[str], str] = lambda value: value


# The parameter in which the simulator gives an item response the presigned link of the operation's file.
FILE_LINK = "simulatedFileLink"
# The response of the simulator to the parameters of a call about items of an operation, None: not found.
ItemResponse = Callable[[SimulatedOperation, Mapping[str, Any]], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The responses of the simulator to a call about one operation (None: not found), and the entry in the list.

    ``names_of`` has the calls that name an operation by something else than its id. ``as_other_kinds`` converts an
    operation to one of another kind, by that kind's name: a deployment appears as a job, too. ``item_responses`` are
    those to calls about failed items, which depend on the parameters of the request. ``file`` yields the content of the
    file behind the link that an item response can contain.
    """

    responses: Mapping[ApiCall, Callable[[SimulatedOperation], Mapping[str, Any] | None]]
    entry: Callable[[SimulatedOperation], Any]
    names_of: Mapping[ApiCall, Naming] = field(default_factory=dict)
    as_other_kinds: Mapping[str, Callable[[SimulatedOperation], SimulatedOperation | None]] = field(
        default_factory=dict
    )
    item_responses: Mapping[ApiCall, ItemResponse] = field(default_factory=dict)
    file: Callable[[SimulatedOperation], Iterable[bytes]] = lambda operation: ()


@dataclass(frozen=True, slots=True)
class SeriesSelector:
    """Series of one metric, whose values are added up: all, or those whose label has one of the values."""

    metric: str
    label: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemSeries:
    """The series with the item counts of an operation, for alerts. If a count has several sources, the largest counts.

    - ``processed``: by default the succeeded and the failed items.
    - ``unfinished``: by default unknown. An active operation then counts as one with unfinished items.
    - ``invalid``: items that failed because the input is wrong.
    - ``retried``: attempts that are made again.
    - ``certainly_failed``: for operations whose ``failed`` items may include retried ones. Where these series exist,
      they replace ``failed``.
    - ``possibly_failed``: further items of these operations that may have failed.
    """

    succeeded: tuple[SeriesSelector, ...] = ()
    failed: tuple[SeriesSelector, ...] = ()
    processed: tuple[SeriesSelector, ...] = ()
    unfinished: tuple[SeriesSelector, ...] = ()
    invalid: tuple[SeriesSelector, ...] = ()
    retried: tuple[SeriesSelector, ...] = ()
    certainly_failed: tuple[SeriesSelector, ...] = ()
    possibly_failed: tuple[SeriesSelector, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind(Generic[T]):
    """One kind of bulk operation. It is equal only to itself, so that it can be the key of a cache.

    - ``operation``: the frozen dataclass that ``fetch`` returns. The state file stores it, so its fields are texts,
      numbers, times and tuples of them.
    - ``active``: statuses that AWS can still change. ``waiting`` ones have not begun, ``ending`` ones are being ended.
    - ``completed``: statuses of operations that ended by themselves. Items of them may have failed.
    - ``failed``, ``stopped``: statuses of operations that ended with a failure, or because a user ended them.
    - ``describe_calls``: the calls of ``fetch`` without its options.
    - ``is_final``: whether nothing of an operation can change any more.
    - ``is_continuous``: whether an operation has no end, because it includes each thing that joins its target later.
    - ``item_counts``: the succeeded and failed items of an operation; ``items`` are the series with the same counts.
    - ``rollout_kind``: the name of the kind of ``Operation.job_id``, empty if its operations have no such job.
    - ``thresholds``: which of its operations need attention.
    - ``reports_update``: whether AWS reports the time of an operation's last change.
    - ``notes``: Markdown for docs/metrics.md that explains the metrics. Kinds with equal notes share them.
    - ``support_ended``: since then AWS may refuse the calls permanently.
    - ``by_default``: whether the kind is watched without a configuration.
    - ``failures``: how its failed items are found, None if AWS has no API for it.
    """

    name: str
    title: str
    reference: str
    operation: type[T]
    statuses: tuple[str, ...]
    active: frozenset[str]
    completed: frozenset[str]
    id_parameter: str
    id_length: int
    describe_calls: tuple[ApiCall, ...]
    discovery: Discovery
    fetch: Callable[[Api, FetchRequest[T]], Awaitable[T]]
    is_final: Callable[[T, Options], bool]
    item_counts: Callable[[T], ItemCounts]
    metrics: tuple[Metric[T], ...]
    simulation: Simulation
    items: ItemSeries = ItemSeries()
    failed: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    waiting: frozenset[str] = frozenset()
    ending: frozenset[str] = frozenset()
    is_continuous: Callable[[T], bool] = lambda operation: False
    id_pattern: str = PLAIN_ID
    reports_update: bool = True
    options: tuple[Option, ...] = ()
    tag_source: TagSource[T] | None = None
    rollout_kind: str = ""
    thresholds: Thresholds = DEFAULT
    notes: str = ""
    support_ended: datetime | None = None
    by_default: bool = True
    failures: FailureSource[T] | None = None

    @property
    def purposes(self) -> Mapping[str, tuple[ApiCall, ...]]:
        """The APIs that refreshes call for each purpose. An option is a purpose by its name."""
        options = {option.name: option.calls for option in self.options}
        tags = {TAGS: (self.tag_source.call,)} if self.tag_source else {}
        return {DISCOVER: (self.discovery.call,), DESCRIBE: self.describe_calls, **options, **tags}

    @property
    def calls(self) -> tuple[ApiCall, ...]:
        """Every API that refreshes can call, including those for options and tags."""
        return tuple(call for calls in self.purposes.values() for call in calls)

    @property
    def every_purpose(self) -> Mapping[str, tuple[ApiCall, ...]]:
        """The APIs for each purpose, including those that find failed items on request."""
        return {**self.purposes, **({FAILURES: self.failures.calls} if self.failures else {})}

    @property
    def every_call(self) -> tuple[ApiCall, ...]:
        """Every API that the kind can call, including those that find failed items on request."""
        return tuple(call for calls in self.every_purpose.values() for call in calls)

    def naming(self, call: ApiCall) -> Naming:
        """Return how a call names an operation: by its id, unless the simulation has another name for the call."""
        return self.simulation.names_of.get(call) or Naming(self.id_parameter, lambda operation: operation.id)

    def is_id(self, text: str) -> bool:
        """Return whether a text can be an id. An empty text or ``..`` would change the path of the request."""
        fits = re.fullmatch(self.id_pattern, text) and len(text) <= self.id_length
        return bool(fits) and text not in (".", "..")

    def is_active(self, status: str) -> bool:
        """Return whether AWS can still change an operation of this status. A status that AWS adds later can change."""
        return status in self.active or status not in self.statuses
