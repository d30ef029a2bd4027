"""The metrics of the exporter about itself, rendered by prometheus_client."""

import platform
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, Histogram, Info, ProcessCollector
from prometheus_client import Counter as CounterMetric
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporter import __version__
from exporter.core.errors import Reason
from exporter.core.model import Scope, Shard, Snapshot
from exporter.core.store import Store

PREFIX = "aws_iot_bulk_exporter_"
ACCOUNT = ("account", "aws_account_id")
CELL = (*ACCOUNT, "aws_region", "kind")
# Not "service": the Prometheus Operator adds a label of that name to each target.
API = ("aws_account_id", "aws_region", "aws_service", "api")
SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)

# An account id, a Region, a service, and the name of a quota.
BudgetKey = tuple[str, str, str, str]
Labels = tuple[str, ...]


# The failures of an API that are 0 from its first request on, so that the first burst of them has a rate. One code of
# throttling is enough, because the alert adds up all of them. Every AWS code would be 40 series for each API.
STARTED_AT_ZERO = ("ThrottlingException", "5xx", Reason.TIMEOUT.value, Reason.CONNECTION.value)


class ApiMetrics:
    """Metrics of HTTP requests to AWS. Each retry is a request of its own.

    The requests of found scopes are summed by Region, without an account id, until the scope has its first operation.
    From then on they have the account id. Each request is counted once, so no counter ever decreases.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._called: set[tuple[str, ...]] = set()
        self._found: frozenset[tuple[str, str]] = frozenset()
        self._separate: set[tuple[str, str]] = set()
        self.requests = CounterMetric(
            PREFIX + "api_requests",
            "Total number of HTTP requests to AWS APIs, including retries. The account id is empty for scopes that the "
            "exporter found and that never had an operation.",
            API,
            registry=registry,
        )
        self.errors = CounterMetric(
            PREFIX + "api_request_errors",
            "Total number of failed HTTP requests to AWS APIs, by AWS error code or type of failure. The codes "
            f"{', '.join(STARTED_AT_ZERO)} are 0 before the first failure of a called API.",
            (*API, "code"),
            registry=registry,
        )
        self.duration = Histogram(
            PREFIX + "api_request_duration_seconds",
            "Duration of HTTP requests to AWS APIs, in seconds.",
            ("aws_service", "api"),
            buckets=SECONDS,
            registry=registry,
        )

    def set_found_scopes(self, scopes: Iterable[Scope]) -> None:
        """Sum the requests of these scopes, which the exporter found."""
        self._found = frozenset((scope.account_id, scope.region) for scope in scopes)

    def note(self, snapshot: Snapshot) -> None:
        """Count the requests of a scope separately from now on if it has an operation."""
        if snapshot.found and snapshot.readings:
            self._separate.add((snapshot.scope.account_id, snapshot.scope.region))

    def _account(self, account_id: str, region: str) -> str:
        scope = (account_id, region)
        return "" if scope in self._found and scope not in self._separate else account_id

    def count_request(self, account_id: str, region: str, service: str, name: str) -> None:
        """Count a request to an API."""
        api = (self._account(account_id, region), region, service, name)
        self.requests.labels(*api).inc()
        if api not in self._called:
            self._called.add(api)
            for code in STARTED_AT_ZERO:
                self.errors.labels(*api, code)

    def count_error(self, account_id: str, region: str, service: str, name: str, code: str) -> None:
        """Count a failed request to an API, by its AWS code or its type of failure."""
        self.errors.labels(self._account(account_id, region), region, service, name, code).inc()

    def observe_duration(self, service: str, api: str, seconds: float) -> None:
        """Record the duration of a request."""
        self.duration.labels(service, api).observe(seconds)


@dataclass(frozen=True, slots=True, eq=False)
class FamilyCollector:
    """A collector of the families that a function returns."""

    collect: Callable[[], Iterable[Metric]]


def new_registry(shard: Shard) -> CollectorRegistry:
    """Return a registry with the metrics of the build, the shard and the process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info(
        PREFIX + "build",
        "Versions of the exporter and of Python in labels, with the constant value 1.",
        registry=registry,
    )
    build.info({"version": __version__, "python_version": platform.python_version()})
    registry.register(FamilyCollector(lambda: _shard_families(shard)))
    return registry


def _shard_families(shard: Shard) -> Iterable[Metric]:
    yield GaugeMetricFamily(PREFIX + "shard_ordinal", "Ordinal of this shard, counted from 0.", shard.ordinal)
    yield GaugeMetricFamily(PREFIX + "shards", "Number of shards that divide the scopes.", shard.total)


class ConfigMetrics:
    """Metrics of the last time that the configuration was loaded."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._successful = Gauge(
            PREFIX + "config_last_reload_successful",
            "Whether the last configuration load succeeded: 1 for success, 0 for failure.",
            registry=registry,
        )
        self._success = Gauge(
            PREFIX + "config_last_reload_success_timestamp_seconds",
            "Time of the last successful configuration load, in Unix seconds.",
            registry=registry,
        )

    def succeed(self, at: float) -> None:
        """Record a successful load at a time in Unix seconds."""
        self._successful.set(1)
        self._success.set(at)

    def fail(self) -> None:
        """Record a failed load."""
        self._successful.set(0)


_CELL_GAUGES: Mapping[str, tuple[str, Callable[[Snapshot], float | None]]] = {
    "up": (
        "Whether the last refresh of the cell read everything from AWS: 1 for success, 0 for failure.",
        lambda cell: float(cell.up),
    ),
    "last_success_timestamp_seconds": (
        "Time of the last successful refresh of the cell, in Unix seconds, or 0 before the first one.",
        lambda cell: cell.last_success,
    ),
    "refresh_duration_seconds": ("Duration of the last refresh of the cell, in seconds.", lambda cell: cell.duration),
    "operations": ("Number of operations of the cell that are exposed.", lambda cell: float(len(cell.readings))),
    "operations_omitted": (
        "Number of operations of the cell, active and ended ones, that are not exposed because of max_operations.",
        lambda cell: float(cell.omitted),
    ),
    "active_operations_omitted": (
        "Number of active operations of the cell that are not exposed because of max_operations.",
        lambda cell: float(cell.active_omitted),
    ),
    "unknown_ids": (
        "Number of configured ids of the cell that AWS does not know.",
        lambda cell: float(len(cell.unknown_ids)),
    ),
}

# The sums over found cells: the help text and the labels of each.
_FOUND_GAUGES: Mapping[str, tuple[str, Labels]] = {
    "idle_cells": (
        "Number of cells that the exporter found and that have no operation; they have no series of their own.",
        ("kind",),
    ),
    "idle_cells_oldest_success_timestamp_seconds": (
        "Time of the oldest last successful refresh of an idle cell, in Unix seconds.",
        ("kind",),
    ),
    "waiting_cells": ("Number of cells that the exporter found and whose first refresh has not ended.", ("kind",)),
    "inaccessible_cells": (
        (
            "Number of cells that the exporter found, that have no known operation, and whose accounts are "
            "inaccessible; they have no series of their own."
        ),
        ("kind",),
    ),
    "denied_cells": (
        (
            "Number of cells that the exporter found, that have no known operation, and whose last refresh failed only "
            "because AWS denied access; they have no series of their own."
        ),
        ("kind", "aws_region"),
    ),
}

# Of a found cell that fails, these are enough.
_OF_FAILURES = ("up", "last_success_timestamp_seconds")


def cell_families(store: Store) -> Iterable[Metric]:
    """Yield the metrics of each cell from its latest snapshot, also while it fails.

    Found cells that are idle, denied or not read yet, and those of inaccessible accounts, are only counted: an
    organization has thousands of them.
    """
    shown, counted = list[Snapshot](), list[Snapshot]()
    for snapshot in store.snapshots():
        (counted if snapshot.is_counted else shown).append(snapshot)
    for name, (help, read) in _CELL_GAUGES.items():
        family = GaugeMetricFamily(PREFIX + name, help, labels=CELL)
        for snapshot in shown:
            is_needed = name in _OF_FAILURES or not snapshot.found or bool(snapshot.readings)
            value = read(snapshot) if is_needed else None
            if value is not None:
                family.add_metric(_labels(snapshot), value)
        yield family
    help = "Reasons for which the last refresh of the cell failed, with the constant value 1."
    errors = GaugeMetricFamily(PREFIX + "cell_error", help, labels=(*CELL, "reason"))
    for snapshot in shown:
        for reason in sorted(snapshot.reasons):
            errors.add_metric((*_labels(snapshot), reason.value), 1)
    yield errors
    notable = (cell for cell in counted if cell.lacks_credentials or cell.regained_credentials_recently)
    yield from _account_families((*shown, *notable))
    yield from _found_families(counted)


def _account_families(cells: Iterable[Snapshot]) -> Iterable[Metric]:
    """Yield whether each account can be accessed, and why not. All cells of an account use the same credentials.

    A cell without credentials is tried rarely. So the account can be accessed again when all of them have succeeded.
    """
    help = (
        "Whether the exporter has credentials for the account, such as those of its role: 1 for yes, 0 for no. An "
        "account that the exporter found has it while one of its cells has series, while it has no credentials, and "
        "for some minutes after that."
    )
    family = GaugeMetricFamily(PREFIX + "account_accessible", help, labels=ACCOUNT)
    help = "Reasons for which the exporter has no credentials for the account, with the constant value 1."
    errors = GaugeMetricFamily(PREFIX + "account_error", help, labels=(*ACCOUNT, "reason"))
    ids: dict[str, str] = {}
    lacking: dict[str, set[Reason]] = {}
    for cell in cells:
        name = cell.key.account
        if cell.lacks_credentials:
            lacking.setdefault(name, set()).update(failure.reason for failure in cell.account_failures)
        # Before the first refresh, nothing is known.
        if cell.duration is not None or cell.reasons:
            ids[name] = ids.get(name) or cell.scope.account_id
    for name, id in ids.items():
        family.add_metric((name, id), float(name not in lacking))
        for reason in sorted(lacking.get(name, ())):
            errors.add_metric((name, id, reason.value), 1)
    yield from (family, errors)


def _found_families(cells: Iterable[Snapshot]) -> Iterable[Metric]:
    """Yield the sums over found cells that have no rows of their own. Without such cells, there are no rows."""
    idle: dict[str, list[float]] = {}
    waiting, inaccessible, denied = Counter[Labels](), Counter[Labels](), Counter[Labels]()
    for cell in cells:
        if cell.is_inaccessible:
            inaccessible[cell.key.kind,] += 1
        elif cell.is_denied:
            denied[cell.key.kind, cell.scope.region] += 1
        elif cell.is_unread:
            waiting[cell.key.kind,] += 1
        else:
            idle.setdefault(cell.key.kind, []).append(cell.last_success)
    values: Mapping[str, Mapping[Labels, float]] = {
        "idle_cells": {(kind,): len(times) for kind, times in idle.items()},
        "idle_cells_oldest_success_timestamp_seconds": {(kind,): min(times) for kind, times in idle.items()},
        "waiting_cells": waiting,
        "inaccessible_cells": inaccessible,
        "denied_cells": denied,
    }
    for name, (help, labels) in _FOUND_GAUGES.items():
        family = GaugeMetricFamily(PREFIX + name, help, labels=labels)
        for row, value in values[name].items():
            family.add_metric(row, value)
        yield family


def _labels(snapshot: Snapshot) -> tuple[str, ...]:
    scope = snapshot.scope
    return (scope.account, scope.account_id, scope.region, snapshot.key.kind)


def budget_families(
    store: Store, keys: Iterable[BudgetKey], ratio: Callable[[BudgetKey], float | None]
) -> Iterable[Metric]:
    """Yield the metrics of the quota budgets of the scopes, except found ones without an operation."""
    help = "Ratio of the AWS quota that the exporter can use now, from 0 to 1; throttling halves it temporarily."
    family = GaugeMetricFamily(PREFIX + "api_budget_ratio", help, labels=API)
    cells = (cell for cell in store.snapshots() if not cell.found or cell.readings)
    scopes = {(cell.scope.account_id, cell.scope.region) for cell in cells}
    for key in keys:
        share = ratio(key) if key[:2] in scopes else None
        if share is not None:
            family.add_metric(key, share)
    yield family


@dataclass(frozen=True, slots=True)
class OrganizationState:
    """The last reading of an organization: whether it succeeded, and the accounts of the last good list.

    ``succeeded_at`` is the time of the last successful reading in Unix seconds, or 0 before the first one.
    """

    is_successful: bool
    accounts: int
    succeeded_at: float


def organization_families(states: Mapping[str, OrganizationState]) -> Iterable[Metric]:
    """Yield the metrics of the organizations, by their places in the configuration."""
    help = "Whether the last reading of the organization's accounts succeeded: 1 for success, 0 for failure."
    read = GaugeMetricFamily(PREFIX + "organization_last_read_successful", help, labels=("organization",))
    help = "Time of the last successful reading of the organization's accounts, in Unix seconds, or 0 before the first."
    name = PREFIX + "organization_last_read_success_timestamp_seconds"
    times = GaugeMetricFamily(name, help, labels=("organization",))
    help = "Number of accounts in the last good list of the organization that are selected and active."
    accounts = GaugeMetricFamily(PREFIX + "organization_accounts", help, labels=("organization",))
    for path, state in states.items():
        read.add_metric((path,), float(state.is_successful))
        times.add_metric((path,), state.succeeded_at)
        accounts.add_metric((path,), state.accounts)
    if states:
        yield from (read, times, accounts)


def state_families(is_usable: bool, restored: int) -> Iterable[Metric]:
    """Yield the metrics of the state file."""
    help = "Whether the state file can be read and written: 1 for yes, 0 for no; only with --state.file."
    yield GaugeMetricFamily(PREFIX + "state_file_usable", help, float(is_usable))
    help = "Total number of operations read from the state file instead of AWS; only with --state.file."
    yield CounterMetricFamily(PREFIX + "state_file_restored_operations", help, restored)


def probe_families(reasons: Collection[Reason], duration: float) -> Iterable[Metric]:
    """Yield the metrics of one probe."""
    help = "Whether this probe, or a recent one, read the operation from AWS: 1 for success, 0 for failure."
    yield GaugeMetricFamily(PREFIX + "probe_success", help, float(not reasons))
    help = "Duration of the refresh of the operation, in seconds, including the time it waited for the quota budget."
    yield GaugeMetricFamily(PREFIX + "probe_duration_seconds", help, duration)
    help = "Reasons for which the operation could not be read, with the constant value 1."
    errors = GaugeMetricFamily(PREFIX + "probe_error", help, labels=("reason",))
    for reason in sorted(reasons):
        errors.add_metric((reason.value,), 1)
    yield errors
