"""The contract of every kind with the models of AWS, the metrics, the simulation and the state file."""

import asyncio
import re
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from exporter.aws.iam_policy import DEPENDENT
from exporter.core.model import ItemCounts, Operation, Reading
from exporter.kinds import greengrass_bulk_deployment
from exporter.kinds.kind import DESCRIBE, DISCOVER, ApiCall, FetchRequest, Kind, Options, SeriesSelector
from exporter.kinds.kind import TAGS as TAGS_PURPOSE
from exporter.kinds.metric import IDENTITY
from exporter.kinds.registry import KINDS
from exporter.metrics.families import UNKNOWN, table
from exporter.simulator.responses import serialize
from exporter.state.codec import Codec, Record
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

T = TypeVar("T")
WORD = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = re.compile(r"_(total|count|sum|bucket|created)$")
CELL_LABELS = {"account", "reason"}
BY_NAME = {kind.name: kind for kind in KINDS}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def shapes(shape: Shape | None) -> Iterator[tuple[str, Shape]]:
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            yield name, member
            yield from shapes(member)
    elif isinstance(shape, ListShape):
        yield from shapes(shape.member)
    elif isinstance(shape, MapShape):
        yield from shapes(shape.value)


def options_of(kind: Kind[Any], switched_on: bool = True) -> Options:
    return frozenset(option.name for option in kind.options if switched_on)


def fetch_calls(kind: Kind[Any], options: Options) -> set[ApiCall]:
    optional = (call for option in kind.options if option.name in options for call in option.calls)
    return {*kind.describe_calls, *optional}


async def result_of(awaitable: Awaitable[T]) -> T:
    return await awaitable


def fetch_operation(kind: Kind[Any], api: SimulatedApi, options: Options = frozenset()) -> Operation:
    operation: Operation = asyncio.run(result_of(kind.fetch(api, FetchRequest(ID, options))))
    return operation


def fetch_with_counts(kind: Kind[Any], status: str, switched_on: bool = True) -> Operation:
    """Return an operation with a count in every field."""
    simulated = replace(sample_operation(status), items=20, failed=9)
    return fetch_operation(kind, SimulatedApi(kind, simulated), options_of(kind, switched_on))


@every_kind
def test_every_call_is_in_the_model_of_a_service_whose_responses_are_checked(kind: Kind[Any]) -> None:
    for call in kind.calls:
        operation = MODELS.operation(call)
        assert isinstance(operation, OperationModel)
        # The check of responses covers the types of members only for this protocol.
        assert operation.service_model.resolved_protocol == "rest-json"
        assert call.quota > 0


@every_kind
def test_the_statuses_are_those_of_the_model_and_some_are_active(kind: Kind[Any]) -> None:
    outputs = (MODELS.operation(call).output_shape for call in kind.describe_calls)
    enums = [set(shape.enum) for output in outputs for _, shape in shapes(output) if isinstance(shape, StringShape)]
    assert set(kind.statuses) in enums
    assert len(set(kind.statuses)) == len(kind.statuses)
    assert set() < kind.active < set(kind.statuses)
    assert UNKNOWN not in kind.statuses


@every_kind
def test_an_id_is_valid_for_every_call_with_an_id(kind: Kind[Any]) -> None:
    calls = [call for call in kind.simulation.responses if kind.id_parameter in input_members(call)]
    assert calls
    for call in calls:
        parameter = input_members(call)[kind.id_parameter].metadata
        assert kind.id_length <= parameter.get("max", kind.id_length)
        assert parameter.get("pattern") in (None, kind.id_pattern)


@every_kind
def test_the_list_call_has_pages_and_all_parameters(kind: Kind[Any]) -> None:
    discovery, members = kind.discovery, input_members(kind.discovery.call)
    assert MODELS.pagination(discovery.call).result
    assert set(discovery.parameters) <= set(members)
    if discovery.status_parameter:
        filter = members[discovery.status_parameter]
        assert isinstance(filter, StringShape)
        assert set(filter.enum) == set(kind.statuses)


def test_names_of_kinds_and_options_are_plain_unique_words() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert [name for name in names if not WORD.fullmatch(name)] == []
    for kind in KINDS:
        options = [option.name for option in kind.options]
        assert len(set(options)) == len(options)
        assert set(options) & {"kind", "ids", "options", DISCOVER, DESCRIBE, TAGS_PURPOSE, DEPENDENT} == set()
        assert all(option.help.endswith(".") for option in kind.options)


@every_kind
def test_metric_names_are_valid_unique_and_not_reserved(kind: Kind[Any]) -> None:
    names = [metric.name for metric in table(kind, ("team",))]
    assert len(set(names)) == len(names)
    assert [name for name in names if not WORD.fullmatch(name) or RESERVED.search(name)] == []
    assert [metric.name for metric in kind.metrics if not metric.name.startswith("aws_")] == []


def test_a_family_that_two_kinds_share_is_the_same_in_both() -> None:
    families: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for kind in KINDS:
        for metric in table(kind, ("team",)):
            families.setdefault(metric.name, set()).add((metric.help, metric.labels))
    assert [name for name, variants in families.items() if len(variants) > 1] == []


@every_kind
def test_a_help_text_is_one_line_and_its_unit_is_in_the_name(kind: Kind[Any]) -> None:
    for metric in table(kind, ()):
        assert metric.help.strip().endswith(".")
        assert "\n" not in metric.help
        assert metric.name.endswith("_ratio") == ("0 to 1" in metric.help)
        assert metric.name.endswith("_timestamp_seconds") == ("Unix seconds" in metric.help)


@every_kind
def test_labels_are_valid_and_differ_from_those_of_the_identity_and_of_a_cell(kind: Kind[Any]) -> None:
    for metric in table(kind, ("team", "aws:cost-center")):
        assert [label for label in metric.labels if not WORD.fullmatch(label)] == []
        assert len(set(metric.labels)) == len(metric.labels)
        assert set(metric.labels) & {*IDENTITY, *CELL_LABELS} == set()


@every_kind
def test_an_unknown_status_is_active(kind: Kind[Any]) -> None:
    assert kind.is_active("NewStatus")
    assert {status for status in kind.statuses if kind.is_active(status)} == kind.active


@every_kind
def test_the_state_file_restores_an_equal_operation(kind: Kind[Any]) -> None:
    codec = Codec(kind)
    for status in kind.statuses:
        operation = fetch_with_counts(kind, status)
        record = Record(operation, 1.8e9, operation.created, explicit=True, matched=False, rules="a", tags=TAGS)
        restored = codec.decode(codec.encode(record))
        assert (restored, type(restored.operation)) == (record, kind.operation)


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
        operation = fetch_with_counts(kind, status, switched_on)
        items = kind.items
        certain = largest_sum(kind, operation, items.certainly_failed)
        failed = largest_sum(kind, operation, items.failed)
        counts = ItemCounts(
            largest_sum(kind, operation, items.succeeded),
            failed if certain is None else certain,
            largest_sum(kind, operation, items.processed),
            largest_sum(kind, operation, items.possibly_failed) or 0,
            # With retries, the series of failed items count executions.
            failed_executions=None if certain is None else failed,
        )
        assert counts == kind.item_counts(operation), status


@every_kind
def test_a_status_has_one_phase_that_fits_its_being_active(kind: Kind[Any]) -> None:
    ended, active = (kind.failed, kind.stopped, kind.completed), (kind.waiting, kind.ending)
    assert kind.completed
    assert frozenset().union(*ended) <= set(kind.statuses) - kind.active
    assert frozenset().union(*active) < kind.active
    for statuses in (ended, active):
        assert sum(map(len, statuses)) == len(frozenset().union(*statuses))


@every_kind
def test_every_selected_label_value_is_exposed(kind: Kind[Any]) -> None:
    items = kind.items
    metrics = {metric.name: metric for metric in kind.metrics}
    operation = fetch_with_counts(kind, kind.statuses[0])
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


@every_kind
def test_every_simulated_response_fits_the_model(kind: Kind[Any]) -> None:
    tags = {kind.tag_source.call} if kind.tag_source else set()
    assert set(kind.simulation.responses) == fetch_calls(kind, options_of(kind)) | tags
    for call, response_of in kind.simulation.responses.items():
        contents = [response_of(sample_operation(status)) for status in kind.statuses]
        assert any(contents)
        for content in filter(None, contents):
            assert shape_violations(output_shape(call), serialize(output_shape(call), content)) == []


@every_kind
def test_every_call_names_an_operation_as_the_model_requires(kind: Kind[Any]) -> None:
    assert set(kind.simulation.names_of) <= {*kind.simulation.responses, *kind.simulation.item_responses}
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
    options = options_of(kind, switched_on)
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
    options = options_of(kind, switched_on)
    calls, made = fetch_calls(kind, options), set[ApiCall]()
    for status in kind.statuses:
        operation = sample_operation(status)
        api = SimulatedApi(kind, operation)
        fetch_operation(kind, api, options)
        assert {call for call in calls if kind.simulation.responses[call](operation) is not None} == set(api.calls)
        assert len(set(api.calls)) == len(api.calls)
        made.update(api.calls)
    assert made == calls


@every_kind
def test_tags_from_their_own_call_are_those_of_the_operation(kind: Kind[Any]) -> None:
    source = kind.tag_source
    if source is None:
        return
    for status in kind.statuses:
        api = SimulatedApi(kind, sample_operation(status))
        operation = fetch_operation(kind, api)
        assert operation.tags == ()
        assert asyncio.run(result_of(source.read(api, operation))) == TAGS
        assert api.calls[-1] == source.call


@every_kind
def test_the_calls_for_failed_items_are_simulated_and_their_responses_fit_the_model(kind: Kind[Any]) -> None:
    calls = kind.failures.calls if kind.failures else ()
    simulation = kind.simulation
    assert set(simulation.item_responses) <= set(calls)
    assert set(simulation.item_responses).isdisjoint(simulation.responses)
    for call in calls:
        operation = MODELS.operation(call)
        assert operation.service_model.resolved_protocol == "rest-json"
        assert call.quota > 0
    for call, response_of in simulation.item_responses.items():
        operations = [sample_operation(status) for status in kind.statuses]
        item = f"{kind.naming(call).name(operations[0])}-00001"
        parameters = dict.fromkeys(("thingName", "coreDeviceThingName"), item)
        contents = [response_of(operation, parameters) for operation in operations]
        assert any(contents)
        for content in filter(None, contents):
            assert shape_violations(output_shape(call), serialize(output_shape(call), content)) == []


@every_kind
def test_the_states_of_failed_items_are_distinct_words_of_the_models(kind: Kind[Any]) -> None:
    if kind.failures is None:
        return
    states = (*kind.failures.states, *kind.failures.more_states)
    assert kind.failures.states
    assert len(set(states)) == len(states)
    inputs = [shape for call in kind.failures.calls for name, shape in input_members(call).items() if name == "status"]
    for shape in inputs:
        assert isinstance(shape, StringShape)
        assert set(states) <= set(shape.enum)


@every_kind
def test_the_kind_that_rolls_an_operation_out_exists_and_is_simulated(kind: Kind[Any]) -> None:
    assert kind.rollout_kind in {"", *BY_NAME} - {kind.name}
    assert set(kind.simulation.as_other_kinds) == {kind.rollout_kind} - {""}


@every_kind
def test_an_operation_is_valid_as_one_of_another_kind_with_one_id(kind: Kind[Any]) -> None:
    for name, convert in kind.simulation.as_other_kinds.items():
        other_kind = BY_NAME[name]
        converted = list(filter(None, (convert(sample_operation(status)) for status in kind.statuses)))
        (id,) = {operation.id for operation in converted}
        assert other_kind.is_id(id)
        assert id != ID
        assert {operation.status for operation in converted} <= set(other_kind.statuses)
        for operation in converted:
            values = (operation.account, operation.region, operation.items, operation.tags)
            assert values == ("111122223333", "eu-west-1", 10, TAGS)
            for call, response_of in other_kind.simulation.responses.items():
                content = serialize(output_shape(call), response_of(operation) or {})
                assert shape_violations(output_shape(call), content) == []


def test_a_typo_in_a_metric_is_a_type_error(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "from exporter.kinds.thing_registration_task import ThingRegistrationTask\n"
        "from exporter.kinds.metric import Metric, gauge\n"
        "rows: tuple[Metric[ThingRegistrationTask], ...] = (\n"
        '    gauge("aws_iot_good", "Good.", lambda task: task.succeeded),\n'
        '    gauge("aws_iot_bad", "Bad.", lambda task: task.suceeded),\n'
        ")\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", str(snippet)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.findall(r"snippet\.py:(\d+): error: .* \[(.*)\]", done.stdout) == [("5", "attr-defined")]
