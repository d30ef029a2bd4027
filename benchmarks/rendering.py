"""Rendering of /metrics, compared to generate_latest of prometheus_client with the same families."""

import gc
import gzip
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from benchmarks import harness
from exporter.core.model import CellKey, Reading, Scope, Snapshot
from exporter.kinds.metric import IDENTITY
from exporter.kinds.thing_registration_task import KIND, ThingRegistrationTask
from exporter.metrics.exposition import Exposition, identity
from exporter.metrics.families import Table, table

_openmetrics: Callable[[CollectorRegistry], bytes] = generate_openmetrics

NUMBERS = (100, 1_000, 10_000, 50_000)
KEY = CellKey("bench", "eu-west-1", KIND.name)
SCOPE = Scope("bench", "111122223333", "eu-west-1")
TABLE = table(KIND, ("team",))


class _Families(Collector):
    """A collector of prometheus_client with the same families."""

    def __init__(self, snapshot: Snapshot, metrics: Table) -> None:
        self._snapshot = snapshot
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        for metric in self._metrics:
            family = GaugeMetricFamily(metric.name, metric.help, labels=(*IDENTITY, *metric.labels))
            for reading in self._snapshot.readings:
                known = identity(self._snapshot, reading)
                for extra, value in metric.read(reading):
                    family.add_metric((*known, *extra), value)
            if family.samples:
                yield family


def report() -> str:
    """Return the ratios to generate_latest, and the memory of operations, lines, body and gzip."""
    return harness.table(
        (
            "operations",
            "rows",
            "generate_latest",
            "cold",
            "1 % changed",
            "warm",
            "OpenMetrics, warm",
            "gzip 1",
            "memory",
        ),
        [_line(number) for number in NUMBERS],
    )


def _line(number: int) -> tuple[str, ...]:
    snapshot = Snapshot(KEY, SCOPE, tuple(_reading(index) for index in range(number)))
    exposition = Exposition({KIND.name: TABLE})
    cold, text = _fastest(lambda: exposition.render([snapshot]), 1)
    warm, _ = _fastest(lambda: exposition.render([snapshot]), 5)
    changed = min(_fastest(lambda: exposition.render([_with_changes(snapshot)]), 1)[0] for _ in range(5))
    openmetrics, _ = _fastest(lambda: exposition.render([snapshot], openmetrics=True), 5)
    compressed, _ = _fastest(lambda: gzip.compress(text, 1), 1)
    registry = CollectorRegistry()
    registry.register(_Families(snapshot, TABLE))
    reference, expected = _fastest(lambda: generate_latest(registry), 1)
    reference_openmetrics, _ = _fastest(lambda: _openmetrics(registry), 1)
    if expected != text:
        raise SystemExit("the two texts differ")
    return (
        f"{number:,}",
        f"{text.count(b'} '):,}",
        f"{reference * 1e3:.0f} ms",
        f"{reference / cold:.1f} x",
        f"{reference / changed:.0f} x",
        f"{reference / warm:.0f} x ({warm * 1e3:.1f} ms)",
        f"{reference_openmetrics / openmetrics:.0f} x",
        f"{compressed * 1e3:.0f} ms",
        f"{_memory(number):.0f} MiB",
    )


def _memory(number: int) -> float:
    """Return the MiB of operations, lines, one body and its gzip, measured in a separate process."""
    command = [sys.executable, "-m", "benchmarks.rendering", str(number)]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def _measure(number: int) -> float:
    before = harness.resident()
    snapshot = Snapshot(KEY, SCOPE, tuple(_reading(index) for index in range(number)))
    exposition = Exposition({KIND.name: TABLE})
    text = exposition.render([snapshot])
    compressed = gzip.compress(text, 1)
    return harness.resident() - before if compressed else 0.0


def _reading(number: int) -> Reading[ThingRegistrationTask]:
    now = datetime.now(UTC)
    task = ThingRegistrationTask(
        id=f"{number:08d}-2f0c-4a55-9a3e-0d1b6f7c1a11",
        status="InProgress",
        progress=0.57,
        created=now,
        updated=now,
        input=f"s3://onboarding/week-{number}.jsonl",
        succeeded=number,
        failed=7,
    )
    return Reading(task, now.timestamp())


def _with_changes(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot after one operation in a hundred was read again."""
    changed = len(snapshot.readings) // 100 or 1
    fresh = tuple(_reading(number) for number in range(changed))
    return replace(snapshot, readings=fresh + snapshot.readings[changed:])


def _fastest(render: Callable[[], bytes], times: int) -> tuple[float, bytes]:
    """Return the shortest time in seconds, and the rendered text."""
    gc.collect()
    best, text = float("inf"), b""
    for _ in range(times):
        began = time.perf_counter()
        text = render()
        best = min(best, time.perf_counter() - began)
    return best, text


if __name__ == "__main__":
    print(_measure(int(sys.argv[1])))
