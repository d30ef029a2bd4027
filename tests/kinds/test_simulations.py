"""The contract of every kind's simulation with the models of AWS, with the kind's ``fetch``, and with other kinds."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

import pytest
from botocore.model import StringShape

from exporter.core.model import Operation, Reading
from exporter.kinds.kind import ApiCall, FetchRequest, Kind, Options, TagSource
from exporter.kinds.registry import KINDS
from exporter.kinds.response import Tags
from exporter.metrics.families import table
from exporter.simulator.responses import serialize
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import (
    ID,
    MODELS,
    TAGS,
    SimulatedApi,
    input_members,
    output_shape,
    parsed_response,
    sample_operation,
)

BY_NAME = {kind.name: kind for kind in KINDS}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def fetch_calls(kind: Kind[Any], options: Options) -> set[ApiCall]:
    optional = (call for option in kind.options if option.name in options for call in option.calls)
    return {*kind.describe_calls, *optional}


def fetch_operation(kind: Kind[Any], api: SimulatedApi, options: Options = frozenset()) -> Operation:
    async def read() -> Operation:
        operation: Operation = await kind.fetch(api, FetchRequest(ID, options))
        return operation

    return asyncio.run(read())


async def tags_of(source: TagSource[Any], api: SimulatedApi, operation: Operation) -> Tags:
    return await source.read(api, operation)


@every_kind
def test_every_simulated_response_fits_the_model(kind: Kind[Any]) -> None:
    every_option = frozenset(option.name for option in kind.options)
    tags = {kind.tag_source.call} if kind.tag_source else set()
    assert set(kind.simulation.responses) == fetch_calls(kind, every_option) | tags
    for call, response_of in kind.simulation.responses.items():
        contents = [response_of(sample_operation(status)) for status in kind.statuses]
        assert any(contents)
        for content in filter(None, contents):
            assert shape_violations(output_shape(call), serialize(output_shape(call), content)) == []


@every_kind
def test_every_call_names_an_operation_as_the_model_requires(kind: Kind[Any]) -> None:
    assert set(kind.simulation.names_of) <= set(kind.simulation.responses)
    assert kind.naming(kind.describe_calls[0]).parameter == kind.id_parameter
    for call in kind.simulation.responses:
        naming, shape = kind.naming(call), MODELS.operation(call).input_shape
        assert shape is not None
        assert naming.parameter in shape.required_members
        parameter = input_members(call)[naming.parameter]
        (name,) = {naming.name(sample_operation(status)) for status in kind.statuses}
        assert isinstance(parameter, StringShape)
        assert len(name) <= parameter.metadata.get("max", len(name))
        assert re.fullmatch(parameter.metadata.get("pattern", ".+"), name)


@every_kind
def test_a_name_differs_for_each_id_and_a_uuid_is_an_id_of_every_kind(kind: Kind[Any]) -> None:
    assert kind.is_id(str(uuid.uuid4()))
    for call in kind.simulation.responses:
        name = kind.naming(call).name
        assert len({name(sample_operation(kind.statuses[0], id)) for id in ("a", "b", "c")}) == 3


@every_kind
def test_an_entry_of_a_simulated_list_is_parsed(kind: Kind[Any]) -> None:
    call = kind.discovery.call
    for status in kind.statuses:
        page = {MODELS.pagination(call).result: [kind.simulation.entry(sample_operation(status))]}
        assert shape_violations(output_shape(call), serialize(output_shape(call), page)) == []
        (entry,) = kind.discovery.entries(parsed_response(call, page))
        assert entry.id == ID
        assert entry.status == status if kind.discovery.has_statuses else entry.status in ("", status)


@every_kind
@pytest.mark.parametrize("switched_on", [False, True])
def test_every_metric_of_a_simulated_operation_can_be_read(kind: Kind[Any], switched_on: bool) -> None:
    options = frozenset(option.name for option in kind.options if switched_on)
    for status in kind.statuses:
        operation = fetch_operation(kind, SimulatedApi(kind, sample_operation(status)), options)
        assert (operation.id, operation.status) == (ID, status)
        assert kind.is_final(operation, options) in ((False,) if kind.is_active(status) else (False, True))
        for metric in table(kind, ("team",)):
            rows = list(metric.read(Reading(operation, 1.0)))
            assert [values for values, _ in rows if len(values) != len(metric.labels)] == []
            assert len({values for values, _ in rows}) == len(rows)


@every_kind
@pytest.mark.parametrize("switched_on", [False, True])
def test_an_operation_is_read_with_every_call_that_has_a_response(kind: Kind[Any], switched_on: bool) -> None:
    options = frozenset(option.name for option in kind.options if switched_on)
    calls, made = fetch_calls(kind, options), set[ApiCall]()
    for status in kind.statuses:
        operation = sample_operation(status)
        api = SimulatedApi(kind, operation)
        fetch_operation(kind, api, options)
        assert {call for call in calls if kind.simulation.responses[call](operation) is not None} == set(api.calls)
        assert len(set(api.calls)) == len(api.calls)
        made.update(api.calls)
    assert made == calls


@pytest.mark.parametrize(
    ("kind", "source"), [pytest.param(kind, kind.tag_source, id=kind.name) for kind in KINDS if kind.tag_source]
)
def test_tags_from_their_own_call_are_those_of_the_operation(kind: Kind[Any], source: TagSource[Any]) -> None:
    for status in kind.statuses:
        api = SimulatedApi(kind, sample_operation(status))
        operation = fetch_operation(kind, api)
        assert operation.tags == ()
        assert asyncio.run(tags_of(source, api, operation)) == TAGS
        assert api.calls[-1] == source.call


@every_kind
def test_an_operation_is_valid_as_one_of_another_kind_with_one_id(kind: Kind[Any]) -> None:
    for name, convert in kind.simulation.as_other_kinds.items():
        other = BY_NAME[name]
        converted = list(filter(None, (convert(sample_operation(status)) for status in kind.statuses)))
        (id,) = {operation.id for operation in converted}
        assert other.is_id(id)
        assert id != ID
        assert {operation.status for operation in converted} <= set(other.statuses)
        for operation in converted:
            values = (operation.account, operation.region, operation.items, operation.tags)
            assert values == ("111122223333", "eu-west-1", 10, TAGS)
            for call, response_of in other.simulation.responses.items():
                content = serialize(output_shape(call), response_of(operation) or {})
                assert shape_violations(output_shape(call), content) == []
