"""The series of a kind's item counts, for alerts, agree with the item counts of its operations."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from exporter.core.model import ItemCounts, Operation, Reading
from exporter.kinds import greengrass_bulk_deployment
from exporter.kinds.kind import FetchRequest, Kind, SeriesSelector
from exporter.kinds.registry import KINDS
from tests.support.simulated_responses import SimulatedApi, sample_operation

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


async def fetched(kind: Kind[Any], status: str, switched_on: bool) -> Operation:
    """Return an operation of a status with a count in every field, with its options on or off."""
    simulated = replace(sample_operation(status, id="one"), items=20, failed=9)
    options = frozenset(option.name for option in kind.options if switched_on)
    operation: Operation = await kind.fetch(SimulatedApi(kind, simulated), FetchRequest("one", options))
    return operation


def largest_sum(kind: Kind[Any], operation: Operation, sources: Sequence[SeriesSelector]) -> int | None:
    """Return the largest sum of the sources, as the recording rules do, or None without any sample."""
    metrics = {metric.name: metric for metric in kind.metrics}
    sums = []
    for source in sources:
        metric = metrics[source.metric]
        assert metric.labels == ((source.label,) if source.label else ())
        samples = metric.read(Reading(operation, 0.0))
        values = [value for labels, value in samples if not source.label or labels[0] in source.values]
        sums += [int(sum(values))] if values else []
    return max(sums, default=None)


@every_kind
@pytest.mark.parametrize("switched_on", [True, False])
def test_the_series_add_up_to_the_item_counts(kind: Kind[Any], switched_on: bool) -> None:
    for status in kind.statuses:
        operation = asyncio.run(fetched(kind, status, switched_on))
        items = kind.items
        counts = ItemCounts(*(largest_sum(kind, operation, series) for series in (items.succeeded, items.failed)))
        assert counts == kind.item_counts(operation), status


@every_kind
def test_a_status_has_one_phase_that_fits_its_being_active(kind: Kind[Any]) -> None:
    ended, active = (kind.failed, kind.stopped, kind.completed), (kind.waiting, kind.ending)
    assert frozenset().union(*ended) <= set(kind.statuses) - kind.active
    assert frozenset().union(*active) < kind.active
    for statuses in (ended, active):
        assert sum(map(len, statuses)) == len(frozenset().union(*statuses))


@every_kind
def test_every_selected_label_value_is_exposed(kind: Kind[Any]) -> None:
    items = kind.items
    metrics = {metric.name: metric for metric in kind.metrics}
    operation = asyncio.run(fetched(kind, kind.statuses[0], True))
    series = (*items.succeeded, *items.failed, *items.processed, *items.unfinished, *items.invalid, *items.retried)
    for selector in series:
        exposed = {labels[0] for labels, _ in metrics[selector.metric].read(Reading(operation, 0.0)) if labels}
        assert set(selector.values) <= exposed


def test_the_larger_of_two_sources_of_failures_counts() -> None:
    kind = greengrass_bulk_deployment.KIND
    operation = greengrass_bulk_deployment.parse(
        "bulk",
        {"BulkDeploymentStatus": "Completed", "BulkDeploymentMetrics": {"InvalidInputRecords": 4}},
        (("Success", 7), ("Failure", 3)),
    )
    assert largest_sum(kind, operation, kind.items.failed) == 4


def test_every_kind_has_series_of_failures() -> None:
    assert [kind.name for kind in KINDS if not kind.items.failed] == []
