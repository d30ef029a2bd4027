"""What a kind says of its rows, for alerts, is what it says of its operations, for people."""

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


async def described(kind: Kind[Any], status: str, switched_on: bool) -> Operation:
    """Return an operation of a status with figures in every field, its options on or off."""
    simulated = replace(sample_operation(status, id="one"), items=20, failed=9)
    options = frozenset(option.name for option in kind.options if switched_on)
    operation: Operation = await kind.fetch(SimulatedApi(kind, simulated), FetchRequest("one", options))
    return operation


def added_up(kind: Kind[Any], operation: Operation, sources: Sequence[SeriesSelector]) -> int | None:
    """Return the largest of the sums of the sources, as the recording rules do; None where there is no row."""
    metrics = {metric.name: metric for metric in kind.metrics}
    sums = []
    for source in sources:
        metric = metrics[source.metric]
        assert metric.labels == ((source.label,) if source.label else ())
        rows = metric.read(Reading(operation, 0.0))
        wanted = [value for labels, value in rows if not source.label or labels[0] in source.values]
        sums += [int(sum(wanted))] if wanted else []
    return max(sums, default=None)


@every_kind
@pytest.mark.parametrize("switched_on", [True, False])
def test_the_rows_add_up_to_the_tally(kind: Kind[Any], switched_on: bool) -> None:
    for status in kind.statuses:
        operation = asyncio.run(described(kind, status, switched_on))
        rows = ItemCounts(*(added_up(kind, operation, rows) for rows in (kind.items.succeeded, kind.items.failed)))
        assert rows == kind.item_counts(operation), status


@every_kind
def test_a_status_comes_to_one_thing_at_most_and_only_active_ones_go_on(kind: Kind[Any]) -> None:
    ends, goes_on = (kind.failed, kind.stopped, kind.completes), (kind.waiting, kind.ending)
    assert frozenset().union(*ends) <= set(kind.statuses) - kind.active
    assert frozenset().union(*goes_on) < kind.active
    for statuses in (ends, goes_on):
        assert sum(map(len, statuses)) == len(frozenset().union(*statuses))


@every_kind
def test_every_label_value_that_rules_look_for_is_one_that_the_kind_exposes(kind: Kind[Any]) -> None:
    items = kind.items
    metrics = {metric.name: metric for metric in kind.metrics}
    operation = asyncio.run(described(kind, kind.statuses[0], True))
    for rows in (*items.succeeded, *items.failed, *items.processed, *items.under_way, *items.invalid, *items.retried):
        exposed = {labels[0] for labels, _ in metrics[rows.metric].read(Reading(operation, 0.0)) if labels}
        assert set(rows.values) <= exposed


def test_of_two_sources_of_failures_the_larger_counts() -> None:
    kind = greengrass_bulk_deployment.KIND
    operation = greengrass_bulk_deployment.parse(
        "bulk",
        {"BulkDeploymentStatus": "Completed", "BulkDeploymentMetrics": {"InvalidInputRecords": 4}},
        (("Success", 7), ("Failure", 3)),
    )
    assert added_up(kind, operation, kind.items.failed) == 4


def test_every_kind_says_which_rows_are_failures() -> None:
    assert [kind.name for kind in KINDS if not kind.items.failed] == []
