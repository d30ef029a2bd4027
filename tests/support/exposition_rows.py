"""Reads the samples of an exposition with prometheus_client's parser."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as _parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse
from prometheus_client.samples import Sample

from tests.support import http_requests

STATUS = "aws_iot_bulk_operation_status"
# prometheus_client has no type annotations for this function.
parse_openmetrics: Callable[[str], Iterator[Metric]] = _parse_openmetrics


def metrics_with(url: str, *names: str) -> str | None:
    """Return the text at a URL, or None if it lacks samples of some names: a scrape does not wait for AWS forever."""
    text = http_requests.get(url).text
    return text if all(f"\n{name}{{" in text for name in names) else None


@dataclass(frozen=True)
class Scrape:
    """The text of one scrape."""

    text: str

    @cached_property
    def samples(self) -> list[Sample]:
        """Every sample."""
        return [sample for family in parse(self.text) for sample in family.samples]

    def rows(self, name: str, **labels: str) -> list[tuple[Mapping[str, str], float]]:
        """Return the labels and the value of each sample with this name and these labels."""
        found = (sample for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items())
        return [(sample.labels, sample.value) for sample in found]

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the values of these samples by one label. Fail if two have the same label value."""
        found = [(row[label], value) for row, value in self.rows(name, **labels)]
        assert len(dict(found)) == len(found)
        return dict(found)

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of the only such sample, or None if there is none."""
        values = [value for _, value in self.rows(name, **labels)]
        assert len(values) <= 1
        return values[0] if values else None

    def ids(self, **labels: str) -> set[str]:
        """Return the ids of the operations that have series."""
        return {row["id"] for row, _ in self.rows(STATUS, **labels)}

    def status(self, id: str) -> str:
        """Return the status of an operation. Fail unless it has exactly one."""
        (status,) = [status for status, value in self.by("status", STATUS, id=id).items() if value == 1]
        return status

    def up(self) -> dict[str, float]:
        """Return ``up`` by kind."""
        return self.by("kind", "aws_iot_bulk_exporter_up")

    def reasons(self) -> set[tuple[str, str]]:
        """Return the failing kinds, each with its reasons."""
        rows = self.rows("aws_iot_bulk_exporter_cell_error")
        return {(row["kind"], row["reason"]) for row, value in rows if value == 1}
