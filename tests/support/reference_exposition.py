"""Renders snapshots with prometheus_client, as a reference for the exporter's own exposition."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client import generate_latest as generate_text
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from exporter.core.model import Snapshot
from exporter.kinds.metric import IDENTITY
from exporter.metrics.families import Table

END = b"# EOF\n"

_openmetrics: Callable[[CollectorRegistry], bytes] = generate_openmetrics


class Operations(Collector):
    """The families of all operations that have series, for prometheus_client."""

    def __init__(self, snapshots: Sequence[Snapshot], tables: Mapping[str, Table]) -> None:
        self._snapshots = snapshots
        self._tables = tables

    def collect(self) -> Iterable[Metric]:
        """Return the families in the order of the metric table."""
        families = {
            metric.name: GaugeMetricFamily(metric.name, metric.help, labels=(*IDENTITY, *metric.labels))
            for table in self._tables.values()
            for metric in table
        }
        seen: set[tuple[str, ...]] = set()
        for snapshot in self._snapshots:
            kind = snapshot.key.kind
            for reading in snapshot.readings:
                known = (snapshot.scope.account_id, snapshot.scope.region, kind, reading.operation.id)
                if known not in seen:
                    seen.add(known)
                    for metric in self._tables[kind]:
                        for extra, value in metric.read(reading):
                            families[metric.name].add_metric((*known, *extra), value)
        return [family for family in families.values() if family.samples]


def reference_exposition(snapshots: Sequence[Snapshot], tables: Mapping[str, Table], openmetrics: bool) -> bytes:
    """Return prometheus_client's exposition of snapshots, without an end mark."""
    registry = CollectorRegistry()
    registry.register(Operations(snapshots, tables))
    return _openmetrics(registry).removesuffix(END) if openmetrics else generate_text(registry)
