from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise, product
from typing import Any

import pytest
from botocore import xform_name
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.core.model import Operation
from exporter.kinds.kind import ApiCall, FetchRequest, Kind
from exporter.kinds.registry import KINDS
from exporter.kinds.response import Answer
from exporter.simulator.answers import serialised
from exporter.simulator.fleet import Fleet
from exporter.simulator.scenario import Planned, Point
from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, REGION, START, Aws, simulated
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import output_shape, sample_operation


class BotoApi:
    """The kinds' view of AWS over plain boto3, without budgets and guards."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def call(self, call: ApiCall, **parameters: Any) -> Answer:
        answer: Answer = getattr(self._aws.client(call.service), xform_name(call.name))(**parameters)
        return answer

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Answer]:
        paginator = self._aws.client(call.service).get_paginator(xform_name(call.name))
        for page in paginator.paginate(**parameters):
            yield page


async def fetched(kind: Kind[Any], aws: Aws, id: str) -> Operation:
    options = frozenset(option.name for option in kind.options)
    operation: Operation = await kind.fetch(BotoApi(aws), FetchRequest(id, options))
    return operation


def one_of_each_status(kind: Kind[Any]) -> str:
    operations = (
        f"""
  - {{kind: {kind.name}, id: {status.lower()}, region: {REGION}, items: 1000, retries: 9, message: "No.",
     error_codes: [A, A, B], tags: {{team: factory}}, input: "s3://bucket/a/key", created: -10m,
     timeline: [{{at: 0s, status: {status}, done: 0.5, failed: 0.1}}]}}"""
        for status in kind.statuses
    )
    return f"{ACCOUNTS}quotas: false\noperations:{''.join(operations)}"


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind[Any]:
    found: Kind[Any] = request.param
    return found


def test_every_api_of_every_kind_answers_exactly_what_its_shape_allows(kind: Kind[Any]) -> None:
    with simulated(one_of_each_status(kind)) as aws:
        for call, status in product(kind.calls, kind.statuses):
            answer = aws.answer(kind, call, status.lower())
            answered = kind.simulation.answers.get(call, bool)
            assert answer.status_code == (404 if answered(sample_operation(status)) is None else 200), answer.text
            assert answer.headers["content-type"] == "application/json"
            assert answer.status_code == 404 or shape_violations(output_shape(call), answer.json()) == []


def test_every_kind_reads_every_status_through_boto3(kind: Kind[Any]) -> None:
    with simulated(one_of_each_status(kind)) as aws:
        read = [asyncio.run(fetched(kind, aws, status.lower())) for status in kind.statuses]
    assert [operation.status for operation in read] == list(kind.statuses)
    assert {operation.created for operation in read} == {datetime.fromtimestamp(START - 600, UTC)}


def test_every_list_names_every_operation_through_boto3(kind: Kind[Any]) -> None:
    async def listed(aws: Aws) -> list[str]:
        pages = BotoApi(aws).pages(kind.discovery.call, **kind.discovery.parameters)
        return [entry.id async for page in pages for entry in kind.discovery.entries(page)]

    with simulated(one_of_each_status(kind)) as aws:
        assert sorted(asyncio.run(listed(aws))) == sorted(status.lower() for status in kind.statuses)


def test_an_unknown_id_is_not_found_in_every_api_that_takes_one(kind: Kind[Any]) -> None:
    with simulated(one_of_each_status(kind)) as aws:
        for call in kind.simulation.answers:
            answer = aws.answer(kind, call, "nobody")
            assert answer.status_code == 404
            assert answer.headers["x-amzn-errortype"] in ("ResourceNotFoundException", "IdNotFoundException")


def test_an_operation_is_known_in_its_own_account_and_region_alone(kind: Kind[Any]) -> None:
    with simulated(one_of_each_status(kind)) as aws:
        call = kind.describes[0]
        name = xform_name(call.name)
        elsewhere = aws.client(call.service, region="us-east-1")
        with pytest.raises(elsewhere.exceptions.ClientError, match="NotFound"):
            getattr(elsewhere, name)(**{kind.id_parameter: kind.statuses[0].lower()})


@st.composite
def timelines(draw: st.DrawFn) -> tuple[Point, ...]:
    """A timeline as a scenario may have it: times ascend, and neither failures nor successes go backwards."""
    points = []
    at = failed = succeeded = 0.0
    for _ in range(draw(st.integers(1, 5))):
        failed += (1 - failed - succeeded) * draw(st.floats(0, 1))
        succeeded += (1 - failed - succeeded) * draw(st.floats(0, 1))
        points.append(Point(at, draw(st.sampled_from(("a", "b"))), min(1.0, failed + succeeded), failed))
        at += draw(st.floats(0.001, 1e6))
    return tuple(points)


@settings(max_examples=150, deadline=None)
@given(
    timelines(),
    st.integers(0, 1_000_000_000),
    st.integers(0, 1000),
    st.lists(st.floats(0, 5e6), min_size=2, max_size=8).map(sorted),
)
def test_whatever_the_time_counts_never_go_backwards(
    timeline: tuple[Point, ...], items: int, retries: int, ages: list[float]
) -> None:
    kind = KINDS[0]
    planned = Planned(
        kind=kind.name,
        id="i",
        account=ACCOUNT,
        region=REGION,
        created=0,
        items=items,
        timeline=timeline,
        retries=retries,
    )
    member = Fleet([planned], KINDS, START).find((kind.name, ACCOUNT, REGION), kind.describes[0], "i")
    assert member is not None
    found = [member.at(START + age) for age in ages]
    states = [state for state in found if state]
    assert len(states) == len(ages)
    for before, after in pairwise(states):
        assert before.succeeded <= after.succeeded <= after.processed <= items
        assert before.failed <= after.failed
        assert before.retries <= after.retries <= retries
        assert before.updated <= after.updated
    assert all(state.created <= state.updated for state in states)


@settings(max_examples=60, deadline=None)
@given(timelines(), st.integers(0, 300), st.floats(0, 5e6), st.data())
def test_whatever_the_time_answers_fit_their_shapes(
    timeline: tuple[Point, ...], items: int, age: float, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    points = tuple(
        Point(point.at, data.draw(st.sampled_from(kind.statuses)), point.done, point.failed) for point in timeline
    )
    planned = Planned(
        kind=kind.name, id="id", account=ACCOUNT, region=REGION, created=0, items=items, timeline=points, message="m"
    )
    member = Fleet([planned], KINDS, START).find((kind.name, ACCOUNT, REGION), kind.describes[0], "id")
    operation = member and member.at(START + age)
    assert operation is not None
    for call, answer in kind.simulation.answers.items():
        content = serialised(output_shape(call), answer(operation) or {})
        assert shape_violations(output_shape(call), content) == []
