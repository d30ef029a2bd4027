"""Invariants of every scrape, whatever happened before."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

from exporter.core.errors import Reason
from exporter.kinds.kind import Kind
from exporter.kinds.metric import IDENTITY
from exporter.kinds.registry import KINDS
from exporter.kinds.response import MAX_TEXT_LENGTH
from exporter.metrics.families import UNKNOWN, table
from exporter.metrics.reference import metrics_document
from exporter.metrics.self_metrics import PREFIX
from tests.support.exposition_rows import STATUS, parse_openmetrics

# The values of an operation's identifying labels.
Identity = tuple[str, str, str, str]
Labels = Mapping[str, str]

KINDS_BY_NAME: Mapping[str, Kind[Any]] = {kind.name: kind for kind in KINDS}
DOCUMENTED = frozenset(re.findall(r"^\| `(\w+)`", metrics_document(KINDS), re.MULTILINE))
OF_LIBRARIES = ("process_", "python_")
SUFFIX = re.compile("_(bucket|count|sum|total|info)$")
# The input is the longest label, because it consists of a bucket and a key.
MAX_LABEL_LENGTH = 2 * MAX_TEXT_LENGTH + len("s3:///")
READ = "aws_iot_bulk_operation_last_read_timestamp_seconds"


@dataclass(frozen=True)
class CheckedScrape:
    """A scrape that passed all checks: the rows of each operation, and all samples."""

    operations: Mapping[Identity, Mapping[tuple[str, tuple[tuple[str, str], ...]], float]]
    samples: tuple[Sample, ...]

    def rows(self, name: str) -> list[tuple[Labels, float]]:
        """Return the labels and the value of each sample of a metric."""
        return [(sample.labels, sample.value) for sample in self.samples if sample.name == name]

    def cells(self, name: str) -> dict[tuple[str, str, str], float]:
        """Return a metric's values by account, Region and kind."""
        return {cell_of(labels): value for labels, value in self.rows(PREFIX + name)}


def cell_of(labels: Labels) -> tuple[str, str, str]:
    """Return the cell of a row."""
    return (labels["account"], labels["aws_region"], labels["kind"])


def checked_scrape(text: str, tags: Iterable[str] = (), openmetrics: bool = False) -> CheckedScrape:
    """Return the content of an exposition. Fail if it breaks an invariant."""
    families = list(parse_openmetrics(text) if openmetrics else parse_text(text))
    samples = tuple(sample for family in families for sample in family.samples)
    series = Counter((sample.name, tuple(sorted(sample.labels.items()))) for sample in samples)
    assert [key for key, number in series.items() if number > 1] == []
    names = {sample.name for sample in samples if not sample.name.startswith(OF_LIBRARIES)}
    assert {name for name in names if {name, SUFFIX.sub("", name)}.isdisjoint(DOCUMENTED)} == set()
    found = CheckedScrape(_operations(samples, tuple(tags)), samples)
    for identity, rows in found.operations.items():
        _check_status(identity, rows)
    _check_reasons(found)
    return found


def _operations(samples: Iterable[Sample], tags: tuple[str, ...]) -> dict[Identity, dict[Any, float]]:
    labels_of = {
        kind.name: {metric.name: {*IDENTITY, *metric.labels} for metric in table(kind, tags)} for kind in KINDS
    }
    found: dict[Identity, dict[Any, float]] = defaultdict(dict)
    for sample in samples:
        if sample.name.startswith((PREFIX, *OF_LIBRARIES)):
            continue
        labels = dict(sample.labels)
        assert labels.keys() == labels_of[labels["kind"]][sample.name]
        assert math.isfinite(sample.value)
        assert max(map(len, labels.values())) <= MAX_LABEL_LENGTH
        assert "".join(labels.values()).encode()
        identity = (labels["aws_account_id"], labels["aws_region"], labels["kind"], labels["id"])
        extra = tuple(sorted((name, value) for name, value in labels.items() if name not in IDENTITY))
        found[identity][sample.name, extra] = sample.value
    return found


def _check_status(identity: Identity, rows: Mapping[tuple[str, Any], float]) -> None:
    statuses = {extra[0][1]: value for (name, extra), value in rows.items() if name == STATUS}
    known = {*KINDS_BY_NAME[identity[2]].statuses, UNKNOWN}
    # A final operation has only its current status, and no time of its last reading.
    is_final = (READ, ()) not in rows
    assert len(statuses) == 1 if is_final else statuses.keys() == known
    assert statuses.keys() <= known
    assert sorted(statuses.values()) == [0.0] * (len(statuses) - 1) + [1.0]
    assert KINDS_BY_NAME[identity[2]].is_id(identity[3]) or "?" in identity[3]


def _check_reasons(found: CheckedScrape) -> None:
    failing = {cell_of(labels) for labels, value in found.rows(PREFIX + "cell_error") if value == 1}
    reasons = {labels["reason"] for labels, _ in found.rows(PREFIX + "cell_error")}
    assert reasons <= set(Reason)
    ended = found.cells("refresh_duration_seconds").keys()
    for cell, up in found.cells("up").items():
        assert up in (0.0, 1.0)
        assert cell not in failing if up else cell in failing or cell not in ended
