import asyncio
from collections.abc import AsyncIterator, Sequence
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
from exporter.kinds.response import Response
from exporter.simulator.fleet import Fleet, Member
from exporter.simulator.responses import serialize
from exporter.simulator.scenario import PlannedOperation, Point
from tests.simulator.served_scenario import ACCOUNT, ACCOUNTS, REGION, START, Aws, serve_scenario
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import output_shape, sample_operation


class BotoApi:
    """The API for the kinds with plain boto3 clients, without budgets and response checks."""

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def call(self, call: ApiCall, **parameters: Any) -> Response:
        response: Response = getattr(self._aws.client(call.service), xform_name(call.name))(**parameters)
        return response

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Response]:
        paginator = self._aws.client(call.service).get_paginator(xform_name(call.name))
        for page in paginator.paginate(**parameters):
            yield page


async def fetch(kind: Kind[Any], aws: Aws, id: str) -> Operation:
    options = frozenset(option.name for option in kind.options)
    operation: Operation = await kind.fetch(BotoApi(aws), FetchRequest(id, options))
    return operation


def scenario_of_each_status(kind: Kind[Any]) -> str:
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
    kind: Kind[Any] = request.param
    return kind


def test_every_response_of_every_kind_fits_its_shape(kind: Kind[Any]) -> None:
    with serve_scenario(scenario_of_each_status(kind)) as aws:
        for call, status in product(kind.calls, kind.statuses):
            response = aws.call(kind, call, status.lower())
            content = kind.simulation.responses.get(call, bool)
            assert response.status_code == (404 if content(sample_operation(status)) is None else 200), response.text
            assert response.headers["content-type"] == "application/json"
            assert response.status_code == 404 or shape_violations(output_shape(call), response.json()) == []


def test_every_kind_reads_every_status_with_boto3(kind: Kind[Any]) -> None:
    with serve_scenario(scenario_of_each_status(kind)) as aws:
        read = [asyncio.run(fetch(kind, aws, status.lower())) for status in kind.statuses]
    assert [operation.status for operation in read] == list(kind.statuses)
    assert {operation.created for operation in read} == {datetime.fromtimestamp(START - 600, UTC)}


@pytest.mark.parametrize("name", ["iot_job", "greengrass_deployment"])
def test_an_operation_that_is_rolled_out_as_a_job_ends_with_a_time_a_reason_and_an_abort(name: str) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    active = min(kind.active - kind.waiting - kind.ending)
    scenario = f"""{ACCOUNTS}
operations:
  - {{kind: {name}, id: a, region: {REGION}, items: 100, created: -10m, reason_code: WRONG_IMAGE, abort_percentage: 20,
     timeline: [{{at: 0s, status: {active}}}, {{at: 9m, status: CANCELED, done: 0.5, failed: 0.1}}]}}
  - {{kind: {name}, id: b, region: {REGION}, items: 100, created: -10m, reason_code: WRONG_IMAGE, abort_percentage: 30,
     timeline: [{{at: 0s, status: {active}}}, {{at: 20m, status: CANCELED, done: 0.5, failed: 0.1}}]}}
"""
    with serve_scenario(scenario) as aws:
        ended, running = (asyncio.run(fetch(kind, aws, id)) for id in "ab")
    end = datetime.fromtimestamp(START - 60, UTC)
    assert (ended.completed, ended.reason_code, ended.aborted) == (end, "WRONG_IMAGE", True)
    assert (running.completed, running.reason_code, running.aborted) == (None, "", False)


def test_every_list_contains_every_operation_with_boto3(kind: Kind[Any]) -> None:
    async def list_ids(aws: Aws) -> list[str]:
        pages = BotoApi(aws).pages(kind.discovery.call, **kind.discovery.parameters)
        return [entry.id async for page in pages for entry in kind.discovery.entries(page)]

    with serve_scenario(scenario_of_each_status(kind)) as aws:
        assert sorted(asyncio.run(list_ids(aws))) == sorted(status.lower() for status in kind.statuses)


def test_every_api_with_an_id_returns_not_found_for_an_unknown_id(kind: Kind[Any]) -> None:
    with serve_scenario(scenario_of_each_status(kind)) as aws:
        for call in kind.simulation.responses:
            response = aws.call(kind, call, "nobody")
            assert response.status_code == 404
            assert response.headers["x-amzn-errortype"] in ("ResourceNotFoundException", "IdNotFoundException")


def test_an_operation_exists_only_in_its_own_account_and_region(kind: Kind[Any]) -> None:
    with serve_scenario(scenario_of_each_status(kind)) as aws:
        call = kind.describe_calls[0]
        name = xform_name(call.name)
        elsewhere = aws.client(call.service, region="us-east-1")
        with pytest.raises(elsewhere.exceptions.ClientError, match="NotFound"):
            getattr(elsewhere, name)(**{kind.id_parameter: kind.statuses[0].lower()})


@st.composite
def timelines(draw: st.DrawFn, statuses: Sequence[str] = ("a", "b")) -> tuple[Point, ...]:
    """Draw a valid timeline: times increase, and neither failures nor successes decrease."""
    points = []
    at = failed = succeeded = 0.0
    for _ in range(draw(st.integers(1, 5))):
        failed += (1 - failed - succeeded) * draw(st.floats(0, 1))
        succeeded += (1 - failed - succeeded) * draw(st.floats(0, 1))
        status, done = draw(st.sampled_from(statuses)), min(1.0, failed + succeeded)
        points.append(Point.model_construct(at=at, status=status, done=done, failed=failed))
        at += draw(st.floats(0.001, 1e6))
    return tuple(points)


def planned_member(kind: Kind[Any], **planned: Any) -> Member:
    """Return the member of a fleet with one operation that is created at the start."""
    operation = PlannedOperation.model_construct(kind=kind.name, id="id", account=ACCOUNT, region=REGION, **planned)
    member = Fleet([operation], KINDS, START).find((kind.name, ACCOUNT, REGION), kind.describe_calls[0], "id")
    assert member is not None
    return member


@settings(max_examples=150, deadline=None)
@given(
    timelines(),
    st.integers(0, 1_000_000_000),
    st.integers(0, 1000),
    st.lists(st.floats(0, 5e6), min_size=2, max_size=8).map(sorted),
)
def test_counts_never_decrease(timeline: tuple[Point, ...], items: int, retries: int, ages: list[float]) -> None:
    kind = KINDS[0]
    member = planned_member(kind, timeline=timeline, items=items, retries=retries)
    states = [state for state in map(member.at, (START + age for age in ages)) if state]
    assert len(states) == len(ages)
    for before, after in pairwise(states):
        assert before.succeeded <= after.succeeded <= after.processed <= items
        assert before.failed <= after.failed
        assert before.retries <= after.retries <= retries
        assert before.updated <= after.updated
    assert all(state.created <= state.updated for state in states)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.floats(0, 5e6), st.data())
def test_responses_fit_their_shapes_at_any_time(items: int, age: float, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    timeline = data.draw(timelines(kind.statuses))
    operation = planned_member(kind, timeline=timeline, items=items, message="m").at(START + age)
    assert operation is not None
    for call, content_of in kind.simulation.responses.items():
        content = serialize(output_shape(call), content_of(operation) or {})
        assert shape_violations(output_shape(call), content) == []
