"""The metrics of the exporter about itself, rendered by prometheus_client."""

import platform
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from exporter import __version__
from exporter.core.errors import Reason
from exporter.core.model import Shard, Snapshot
from exporter.core.store import Store

PREFIX = "aws_iot_bulk_exporter_"
CELL = ("account", "aws_account_id", "aws_region", "kind")
# Not "service": the Prometheus Operator adds a label of that name to each target.
API = ("aws_account_id", "aws_region", "aws_service", "api")
SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)

# An account id, a Region, a service, and the name of a quota.
BudgetKey = tuple[str, str, str, str]


# The failures of an API that are 0 from its first request on, so that the first burst of them has a rate. One code of
# throttling is enough, because the alert adds up all of them. Every AWS code would be 40 series for each API.
STARTED_AT_ZERO = ("ThrottlingException", "5xx", Reason.TIMEOUT.value, Reason.CONNECTION.value)


class ApiMetrics:
    """Metrics of HTTP requests to AWS. Each retry is a request of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._called: set[tuple[str, ...]] = set()
        self.requests = Counter(
            PREFIX + "api_requests",
            "Total number of HTTP requests to AWS APIs, including retries.",
            API,
            registry=registry,
        )
        self.errors = Counter(
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

    def count_request(self, *api: str) -> None:
        """Count a request to an API, given by the labels ``API``."""
        self.requests.labels(*api).inc()
        if api not in self._called:
            self._called.add(api)
            for code in STARTED_AT_ZERO:
                self.errors.labels(*api, code)

    def count_error(self, *labels: str) -> None:
        """Count a failed request to an API, given by the labels ``API`` and the code."""
        self.errors.labels(*labels).inc()

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


def cell_families(store: Store) -> Iterable[Metric]:
    """Yield the metrics of each cell from its latest snapshot, also while it fails."""
    snapshots = store.snapshots()
    for name, (help, read) in _CELL_GAUGES.items():
        family = GaugeMetricFamily(PREFIX + name, help, labels=CELL)
        for snapshot in snapshots:
            value = read(snapshot)
            if value is not None:
                family.add_metric(_labels(snapshot), value)
        yield family
    help = "Reasons for which the last refresh of the cell failed, with the constant value 1."
    errors = GaugeMetricFamily(PREFIX + "cell_error", help, labels=(*CELL, "reason"))
    for snapshot in snapshots:
        for reason in sorted(snapshot.reasons):
            errors.add_metric((*_labels(snapshot), reason.value), 1)
    yield errors


def _labels(snapshot: Snapshot) -> tuple[str, ...]:
    scope = snapshot.scope
    return (scope.account, scope.account_id, scope.region, snapshot.key.kind)


def budget_families(store: Store, ratios: Mapping[BudgetKey, float]) -> Iterable[Metric]:
    """Yield the metrics of the quota budgets of the configured scopes."""
    help = "Ratio of the AWS quota that the exporter can use now, from 0 to 1; throttling halves it temporarily."
    family = GaugeMetricFamily(PREFIX + "api_budget_ratio", help, labels=API)
    scopes = {(cell.scope.account_id, cell.scope.region) for cell in store.snapshots()}
    for key, ratio in ratios.items():
        if key[:2] in scopes:
            family.add_metric(key, ratio)
    yield family


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
