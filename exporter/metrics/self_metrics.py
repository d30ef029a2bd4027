"""The exporter's metrics about itself, rendered by prometheus_client."""

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

BudgetKey = tuple[str, str, str, str]
"""An account's number, a Region, a service, and the name under which AWS counts the calls."""


class ApiMetrics:
    """What is counted of AWS's APIs: HTTP attempts, so that retries show."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            PREFIX + "api_requests", "HTTP attempts made against AWS's APIs, retries counted.", API, registry=registry
        )
        self.errors = Counter(
            PREFIX + "api_request_errors",
            "HTTP attempts that failed, by AWS's error code or the class of the failure.",
            (*API, "code"),
            registry=registry,
        )
        self.duration = Histogram(
            PREFIX + "api_request_duration_seconds",
            "How long HTTP attempts against AWS's APIs took.",
            ("service", "api"),
            buckets=SECONDS,
            registry=registry,
        )


def new_registry(shard: Shard) -> CollectorRegistry:
    """Return a registry with what is known at the start: build, shard and process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    build = Info(PREFIX + "build", "The version of the exporter and of Python.", registry=registry)
    build.info({"version": __version__, "python_version": platform.python_version()})
    registry.register(_ShardCollector(shard))
    return registry


class _ShardCollector(Collector):
    """Which shard this is. The total is untyped: Prometheus' lint keeps the suffix ``_total`` for counters."""

    def __init__(self, shard: Shard) -> None:
        self._shard = shard

    def collect(self) -> Iterable[Metric]:
        """Return both families."""
        return [
            GaugeMetricFamily(PREFIX + "shard_ordinal", "The number of this shard, from 0.", self._shard.ordinal),
            UnknownMetricFamily(PREFIX + "shard_total", "How many shards there are.", self._shard.total),
        ]


class ConfigMetrics:
    """How reading the configuration went the last time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._successful = Gauge(
            PREFIX + "config_last_reload_successful", "1 if the configuration was last read well.", registry=registry
        )
        self._success = Gauge(
            PREFIX + "config_last_reload_success_timestamp_seconds",
            "When the configuration was last read well, in Unix seconds.",
            registry=registry,
        )

    def succeed(self, at: float) -> None:
        """Note that it was read well at a time in Unix seconds."""
        self._successful.set(1)
        self._success.set(at)

    def fail(self) -> None:
        """Note that it could not be used."""
        self._successful.set(0)


_CELL_GAUGES: Mapping[str, tuple[str, Callable[[Snapshot], float | None]]] = {
    "up": ("1 if the last refresh of the cell read everything from AWS.", lambda cell: float(cell.up)),
    "last_success_timestamp_seconds": (
        "When a refresh of the cell last read everything from AWS, in Unix seconds; 0 before the first time.",
        lambda cell: cell.last_success,
    ),
    "refresh_duration_seconds": ("How long the last refresh of the cell took.", lambda cell: cell.duration),
    "operations": ("Operations of the cell that have rows.", lambda cell: float(len(cell.readings))),
    "operations_omitted": (
        "Operations of the cell that were found and left out because of max_operations.",
        lambda cell: float(cell.omitted),
    ),
}


class CellCollector(Collector):
    """The state of each cell, from the newest snapshots; a row for every cell, failing or not."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> Iterable[Metric]:
        """Return the families without samples, so that registering does not collect."""
        return [*self._gauges(()), self._errors(())]

    def collect(self) -> Iterable[Metric]:
        """Return the families of all cells."""
        snapshots = self._store.snapshots()
        return [*self._gauges(snapshots), self._errors(snapshots)]

    def _gauges(self, snapshots: Iterable[Snapshot]) -> Iterable[Metric]:
        for name, (help, read) in _CELL_GAUGES.items():
            family = GaugeMetricFamily(PREFIX + name, help, labels=CELL)
            for snapshot in snapshots:
                value = read(snapshot)
                if value is not None:
                    family.add_metric(_labels(snapshot), value)
            yield family

    def _errors(self, snapshots: Iterable[Snapshot]) -> Metric:
        help = "1 for each reason why the cell could not read everything from AWS."
        family = GaugeMetricFamily(PREFIX + "cell_error", help, labels=(*CELL, "reason"))
        for snapshot in snapshots:
            for reason in sorted(snapshot.reasons):
                family.add_metric((*_labels(snapshot), reason.value), 1)
        return family


def _labels(snapshot: Snapshot) -> tuple[str, ...]:
    scope = snapshot.scope
    return (scope.account, scope.account_id, scope.region, snapshot.key.kind)


class BudgetCollector(Collector):
    """The budgets of the scopes that are watched now."""

    def __init__(self, store: Store, ratios: Callable[[], Mapping[BudgetKey, float]]) -> None:
        self._store = store
        self._ratios = ratios

    def describe(self) -> Iterable[Metric]:
        """Return the family without samples."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """Return the family with a row for each budget."""
        family = self._family()
        scopes = {(one.scope.account_id, one.scope.region) for one in self._store.snapshots()}
        for key, ratio in self._ratios().items():
            if key[:2] in scopes:
                family.add_metric(key, ratio)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        help = "The share of AWS's quota that the exporter allows itself now; throttling halves it for a while."
        return GaugeMetricFamily(PREFIX + "api_budget_ratio", help, labels=API)


class JoinedCollector(Collector):
    """What another registry holds, so that several registries can show it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are known where they are registered."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the families of the other registry."""
        return self._registry.collect()


class StateCollector(Collector):
    """How it goes with the state file, where there is one."""

    def __init__(self, is_usable: Callable[[], bool], restored: Callable[[], int]) -> None:
        self._is_usable = is_usable
        self._restored = restored

    def collect(self) -> Iterable[Metric]:
        """Return both families."""
        usable = "1 if the state file can be read and written; only with --state.file."
        restored = "Operations that were read from the state file instead of AWS; only with --state.file."
        return [
            GaugeMetricFamily(PREFIX + "state_file_usable", usable, float(self._is_usable())),
            CounterMetricFamily(PREFIX + "state_file_restored_operations", restored, self._restored()),
        ]


class ProbeCollector(Collector):
    """How one probe went."""

    def __init__(self, reasons: Collection[Reason], duration: float) -> None:
        self._reasons = reasons
        self._duration = duration

    def collect(self) -> Iterable[Metric]:
        """Return the families of the probe."""
        success = "1 if the operation was read from AWS, by this probe or by one shortly before."
        duration = "How long reading the operation took, waiting for the budget included."
        help = "1 for each reason why the operation could not be read."
        errors = GaugeMetricFamily(PREFIX + "probe_error", help, labels=("reason",))
        for reason in sorted(self._reasons):
            errors.add_metric((reason.value,), 1)
        return [
            GaugeMetricFamily(PREFIX + "probe_success", success, float(not self._reasons)),
            GaugeMetricFamily(PREFIX + "probe_duration_seconds", duration, self._duration),
            errors,
        ]
