"""The metrics of the exporter about itself, rendered by prometheus_client."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric, UnknownMetricFamily
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.core.errors import Reason
from exporter.core.model import Shard, Snapshot
from exporter.core.store import Store

PREFIX = "aws_iot_bulk_exporter_"
CELL = ("account", "aws_account_id", "aws_region", "kind")
API = ("aws_account_id", "aws_region", "service", "api")
SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)

# An account id, a Region, a service, and the name of a quota.
BudgetKey = tuple[str, str, str, str]


class ApiMetrics:
    """Metrics of HTTP requests to AWS. Each retry is a request of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            PREFIX + "api_requests",
            "Total number of HTTP requests to AWS APIs, including retries.",
            API,
            registry=registry,
        )
        self.errors = Counter(
            PREFIX + "api_request_errors",
            "Total number of failed HTTP requests to AWS APIs, by AWS error code or type of failure.",
            (*API, "code"),
            registry=registry,
        )
        self.duration = Histogram(
            PREFIX + "api_request_duration_seconds",
            "Duration of HTTP requests to AWS APIs, in seconds.",
            ("service", "api"),
            buckets=SECONDS,
            registry=registry,
        )


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
    registry.register(_ShardCollector(shard))
    return registry


class _ShardCollector(Collector):
    """The shard of the process. The total has no type: promtool allows the suffix ``_total`` only for counters."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        return [
            GaugeMetricFamily(PREFIX + "shard_ordinal", "Ordinal of this shard, counted from 0.", self._shard.ordinal),
            UnknownMetricFamily(PREFIX + "shard_total", "Number of shards that divide the scopes.", self._shard.total),
        ]


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
        "Number of operations of the cell that are not exposed because of the limit max_operations.",
        lambda cell: float(cell.omitted),
    ),
}


class CellCollector(Collector):
    """Metrics of each cell from its latest snapshot, also while it fails."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def collect(self) -> Iterable[Metric]:
        """Yield the families."""
        snapshots = self._store.snapshots()
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


class BudgetCollector(Collector):
    """Metrics of the quota budgets of the configured scopes."""

    def __init__(self, store: Store, ratios: Callable[[], Mapping[BudgetKey, float]]) -> None:
        self._store = store
        self._ratios = ratios

    def collect(self) -> Iterable[Metric]:
        """Return the family."""
        help = "Ratio of the AWS quota that the exporter can use now, from 0 to 1; throttling halves it temporarily."
        family = GaugeMetricFamily(PREFIX + "api_budget_ratio", help, labels=API)
        scopes = {(cell.scope.account_id, cell.scope.region) for cell in self._store.snapshots()}
        for key, ratio in self._ratios().items():
            if key[:2] in scopes:
                family.add_metric(key, ratio)
        return [family]


class JoinedCollector(Collector):
    """The metrics of another registry, so that several registries can contain it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """Return the families of the other registry."""
        return self._registry.collect()


class StateCollector(Collector):
    """Metrics of the state file, if there is one."""

    def __init__(self, is_usable: Callable[[], bool], restored: Callable[[], int]) -> None:
        self._is_usable = is_usable
        self._restored = restored

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        usable = "Whether the state file can be read and written: 1 for yes, 0 for no; only with --state.file."
        restored = "Total number of operations read from the state file instead of AWS; only with --state.file."
        return [
            GaugeMetricFamily(PREFIX + "state_file_usable", usable, float(self._is_usable())),
            CounterMetricFamily(PREFIX + "state_file_restored_operations", restored, self._restored()),
        ]


class ProbeCollector(Collector):
    """Metrics of one probe."""

    def __init__(self, reasons: Collection[Reason], duration: float) -> None:
        self._reasons = reasons
        self._duration = duration

    def collect(self) -> Iterable[Metric]:
        """Return the families."""
        success = "Whether this probe, or a recent one, read the operation from AWS: 1 for success, 0 for failure."
        duration = (
            "Duration of the refresh of the operation, in seconds, including the time it waited for the quota budget."
        )
        help = "Reasons for which the operation could not be read, with the constant value 1."
        errors = GaugeMetricFamily(PREFIX + "probe_error", help, labels=("reason",))
        for reason in sorted(self._reasons):
            errors.add_metric((reason.value,), 1)
        return [
            GaugeMetricFamily(PREFIX + "probe_success", success, float(not self._reasons)),
            GaugeMetricFamily(PREFIX + "probe_duration_seconds", duration, self._duration),
            errors,
        ]
