"""The contract of every kind's simulation: with AWS's own models, with the kind's ``fetch``, and with other kinds."""

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
from exporter.simulator.answers import serialised
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


def calls_about_one(kind: Kind[Any], options: Options) -> set[ApiCall]:
    """Return what ``fetch`` calls, with some options."""
    optional = (call for option in kind.options if option.name in options for call in option.calls)
    return {*kind.describes, *optional}


def fetched(kind: Kind[Any], api: SimulatedApi, options: Options = frozenset()) -> Operation:
    async def read() -> Operation:
        operation: Operation = await kind.fetch(api, FetchRequest(ID, options))
        return operation

    return asyncio.run(read())


async def tags_of(source: TagSource[Any], api: SimulatedApi, operation: Operation) -> Tags:
    return await source.read(api, operation)


@every_kind
def test_the_simulation_answers_every_call_about_one_operation_as_aws_would(kind: Kind[Any]) -> None:
    every_option = frozenset(option.name for option in kind.options)
    tags = {kind.tag_source.call} if kind.tag_source else set()
    assert set(kind.simulation.answers) == calls_about_one(kind, every_option) | tags
    for call, answered in kind.simulation.answers.items():
        contents = [answered(sample_operation(status)) for status in kind.statuses]
        assert any(contents)
        for content in filter(None, contents):
            assert shape_violations(output_shape(call), serialised(output_shape(call), content)) == []


@every_kind
def test_every_call_about_one_operation_names_it_as_its_model_asks(kind: Kind[Any]) -> None:
    assert set(kind.simulation.namings) <= set(kind.simulation.answers)
    assert kind.naming(kind.describes[0]).parameter == kind.id_parameter
    for call in kind.simulation.answers:
        naming, shape = kind.naming(call), MODELS.operation(call).input_shape
        assert shape is not None
        assert naming.parameter in shape.required_members
        parameter = input_members(call)[naming.parameter]
        (name,) = {naming.name(sample_operation(status)) for status in kind.statuses}
        assert isinstance(parameter, StringShape)
        assert len(name) <= parameter.metadata.get("max", len(name))
        assert re.fullmatch(parameter.metadata.get("pattern", ".+"), name)


@every_kind
def test_a_name_differs_with_the_id_and_the_derived_one_is_an_id_of_every_kind(kind: Kind[Any]) -> None:
    assert kind.is_id(str(uuid.uuid4()))
    for call in kind.simulation.answers:
        name = kind.naming(call).name
        assert len({name(sample_operation(kind.statuses[0], id)) for id in ("a", "b", "c")}) == 3


@every_kind
def test_an_entry_of_the_simulated_list_is_found_again(kind: Kind[Any]) -> None:
    call = kind.discovery.call
    for status in kind.statuses:
        page = {MODELS.pagination(call).result: [kind.simulation.entry(sample_operation(status))]}
        assert shape_violations(output_shape(call), serialised(output_shape(call), page)) == []
        (listed,) = kind.discovery.entries(parsed_response(call, page))
        assert listed.id == ID
        assert listed.status == status if kind.discovery.tells_status else listed.status in ("", status)


@every_kind
@pytest.mark.parametrize("switched_on", [False, True])
def test_every_metric_of_a_simulated_operation_can_be_read(kind: Kind[Any], switched_on: bool) -> None:
    options = frozenset(option.name for option in kind.options if switched_on)
    for status in kind.statuses:
        operation = fetched(kind, SimulatedApi(kind, sample_operation(status)), options)
        assert (operation.id, operation.status) == (ID, status)
        assert kind.final(operation, options) in ((False,) if kind.is_active(status) else (False, True))
        for metric in table(kind, ("team",)):
            rows = list(metric.read(Reading(operation, 1.0)))
            assert [values for values, _ in rows if len(values) != len(metric.labels)] == []
            assert len({values for values, _ in rows}) == len(rows)


@every_kind
@pytest.mark.parametrize("switched_on", [False, True])
def test_each_operation_is_asked_for_by_every_call_that_knows_it(kind: Kind[Any], switched_on: bool) -> None:
    options = frozenset(option.name for option in kind.options if switched_on)
    calls, ever = calls_about_one(kind, options), set[ApiCall]()
    for status in kind.statuses:
        made = sample_operation(status)
        api = SimulatedApi(kind, made)
        fetched(kind, api, options)
        assert {call for call in calls if kind.simulation.answers[call](made) is not None} == set(api.asked)
        assert len(set(api.asked)) == len(api.asked)
        ever.update(api.asked)
    assert ever == calls


@pytest.mark.parametrize(
    ("kind", "source"),
    [pytest.param(kind, kind.tag_source, id=kind.name) for kind in KINDS if kind.tag_source],
)
def test_tags_that_are_asked_for_apart_are_those_of_the_operation(kind: Kind[Any], source: TagSource[Any]) -> None:
    for status in kind.statuses:
        api = SimulatedApi(kind, sample_operation(status))
        operation = fetched(kind, api)
        assert operation.tags == ()
        assert asyncio.run(tags_of(source, api, operation)) == TAGS
        assert api.asked[-1] == source.call


@every_kind
def test_what_shows_up_as_one_of_another_kind_is_a_right_one_of_it_by_one_id(kind: Kind[Any]) -> None:
    for name, seen in kind.simulation.also_as.items():
        other = BY_NAME[name]
        found = list(filter(None, (seen(sample_operation(status)) for status in kind.statuses)))
        (id,) = {one.id for one in found}
        assert other.is_id(id)
        assert id != ID
        assert {one.status for one in found} <= set(other.statuses)
        for one in found:
            assert (one.account, one.region, one.items, one.tags) == ("111122223333", "eu-west-1", 10, TAGS)
            for call, answered in other.simulation.answers.items():
                assert shape_violations(output_shape(call), serialised(output_shape(call), answered(one) or {})) == []
