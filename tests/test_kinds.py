"""The contract that every kind keeps with AWS's own models, with the metric table and with the simulator."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, OperationModel, Shape, StringShape, StructureShape

from exporter.aws.models import Models
from exporter.aws.policy import policy
from exporter.errors import ApiError, Reason
from exporter.families import UNKNOWN, table
from exporter.kind import ApiCall, Kind, Options, Wanted
from exporter.kinds import KINDS
from exporter.metric import IDENTITY
from exporter.model import Operation, Reading
from exporter.simulated import Simulated
from exporter.simulator.answers import serialised
from tests.support.shapes import departures

MODELS = Models()
WORD = re.compile(r"[a-z][a-z0-9_]*")
RESERVED = re.compile(r"_(total|count|sum|bucket|created)$")
CELL_LABELS = {"account", "reason"}
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def shapes(shape: Shape | None) -> Iterator[tuple[str, Shape]]:
    """Give every member below a shape, with its name."""
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            yield name, member
            yield from shapes(member)
    elif isinstance(shape, ListShape):
        yield from shapes(shape.member)
    elif isinstance(shape, MapShape):
        yield from shapes(shape.value)


def input_members(call: ApiCall) -> dict[str, Shape]:
    shape = MODELS.operation(call).input_shape
    return dict(shape.members) if shape is not None else {}


def simulated(kind: Kind[Any], status: str) -> Simulated:
    """Return an operation with figures in every field."""
    when = datetime(2026, 11, 1, tzinfo=UTC)
    return Simulated(
        id="8b5a2f6e-2f0c-4a55-9a3e-0d1b6f7c1a11",
        account="111122223333",
        region="eu-west-1",
        status=status,
        created=when,
        updated=when,
        items=10,
        succeeded=5,
        failed=2,
        retries=1,
        input="s3://bucket/key",
        message="words",
        error_codes=("InvalidInput",),
        tags=(("team", "gateways"),),
    )


class SimulatedApi:
    """The simulation of one kind as the kind's own ``fetch`` sees it, without a server between them."""

    def __init__(self, kind: Kind[Any], operation: Simulated) -> None:
        self._kind = kind
        self._operation = operation
        self.asked: list[ApiCall] = []

    async def call(self, call: ApiCall, **parameters: Any) -> dict[str, Any]:
        self.asked.append(call)
        answer = self._kind.simulation.answers[call](self._operation)
        if answer is None:
            raise ApiError(Reason.NOT_FOUND)
        return dict(answer)

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        yield await self.call(call, **parameters)


async def fetched(kind: Kind[Any], api: SimulatedApi, id: str, options: Options) -> Operation:
    operation: Operation = await kind.fetch(api, Wanted(id, options))
    return operation


@every_kind
def test_every_call_is_an_operation_of_aws_s_model(kind: Kind[Any]) -> None:
    for call in kind.calls:
        assert isinstance(MODELS.operation(call), OperationModel)
        assert call.quota > 0


@every_kind
def test_the_statuses_are_those_of_aws_s_model_and_active_ones_are_among_them(kind: Kind[Any]) -> None:
    outputs = (MODELS.operation(call).output_shape for call in kind.describes)
    enums = [set(shape.enum) for output in outputs for _, shape in shapes(output) if isinstance(shape, StringShape)]
    assert set(kind.statuses) in enums
    assert len(set(kind.statuses)) == len(kind.statuses)
    assert set() < kind.active < set(kind.statuses)
    assert UNKNOWN not in kind.statuses


@every_kind
def test_the_id_is_a_parameter_of_every_call_about_one_operation(kind: Kind[Any]) -> None:
    for call in (*kind.describes, *(call for option in kind.options for call in option.calls)):
        parameter = input_members(call)[kind.id_parameter]
        assert kind.id_length <= parameter.metadata.get("max", kind.id_length)


@every_kind
def test_the_list_call_pages_and_knows_its_parameters(kind: Kind[Any]) -> None:
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
        assert set(options) & {"kind", "ids", "discover", "options"} == set()
        assert all(option.help.endswith(".") for option in kind.options)


@every_kind
def test_metric_names_are_valid_unique_and_not_reserved(kind: Kind[Any]) -> None:
    names = [metric.name for metric in table(kind, ("team",))]
    assert len(set(names)) == len(names)
    assert [name for name in names if not WORD.fullmatch(name) or RESERVED.search(name)] == []
    assert [metric.name for metric in kind.metrics if not metric.name.startswith("aws_")] == []


def test_a_family_that_two_kinds_share_is_the_same_in_both() -> None:
    rows: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for kind in KINDS:
        for metric in table(kind, ("team",)):
            rows.setdefault(metric.name, set()).add((metric.help, metric.labels))
    assert [name for name, said in rows.items() if len(said) > 1] == []


@every_kind
def test_help_texts_are_sentences_and_the_unit_is_in_the_name(kind: Kind[Any]) -> None:
    for metric in table(kind, ()):
        assert metric.help.strip().endswith(".")
        assert "\n" not in metric.help
        assert metric.name.endswith("_ratio") == ("0 to 1" in metric.help)
        assert metric.name.endswith("_timestamp_seconds") == ("Unix seconds" in metric.help)


@every_kind
def test_labels_are_valid_and_never_those_of_the_identity_or_of_a_cell(kind: Kind[Any]) -> None:
    for metric in table(kind, ("team", "aws:cost-center")):
        assert [label for label in metric.labels if not WORD.fullmatch(label)] == []
        assert len(set(metric.labels)) == len(metric.labels)
        assert set(metric.labels) & {*IDENTITY, *CELL_LABELS} == set()


@every_kind
def test_the_simulation_answers_every_call_about_one_operation_as_aws_would(kind: Kind[Any]) -> None:
    optional = {call for option in kind.options for call in option.calls}
    assert set(kind.simulation.answers) == {*kind.describes, *optional}
    for status in kind.statuses:
        for call, answered in kind.simulation.answers.items():
            shape = MODELS.operation(call).output_shape
            assert isinstance(shape, StructureShape)
            content = answered(simulated(kind, status))
            assert content is None or departures(shape, serialised(shape, content)) == []


@every_kind
def test_an_entry_of_the_simulated_list_is_found_again(kind: Kind[Any]) -> None:
    operation = simulated(kind, kind.statuses[0])
    page = {MODELS.pagination(kind.discovery.call).result: [kind.simulation.entry(operation)]}
    assert [listed.id for listed in kind.discovery.entries(page)] == [operation.id]


@every_kind
@pytest.mark.parametrize("switched_on", [False, True])
def test_every_metric_of_a_simulated_operation_can_be_read(kind: Kind[Any], switched_on: bool) -> None:
    options = frozenset(option.name for option in kind.options if switched_on)
    for status in kind.statuses:
        made = simulated(kind, status)
        api = SimulatedApi(kind, made)
        operation = asyncio.run(fetched(kind, api, made.id, options))
        assert (operation.id, operation.status) == (made.id, status)
        asked = {*kind.describes, *(call for option in kind.options if switched_on for call in option.calls)}
        assert set(api.asked) == asked
        assert kind.final(operation, options) in ((False,) if kind.is_active(status) else (False, True))
        for metric in table(kind, ("team",)):
            rows = list(metric.read(Reading(operation, 1.0)))
            assert [values for values, _ in rows if len(values) != len(metric.labels)] == []
            assert len({values for values, _ in rows}) == len(rows)


@every_kind
def test_a_status_of_tomorrow_is_active_and_never_final(kind: Kind[Any]) -> None:
    assert kind.is_active("StatusOfTomorrow")
    assert [status for status in kind.statuses if kind.is_active(status)] == [
        status for status in kind.statuses if status in kind.active
    ]


def test_the_policy_allows_what_the_kinds_call_and_nothing_else() -> None:
    statements = policy(KINDS, MODELS)["Statement"]
    allowed = [action for statement in statements for action in statement["Action"]]
    called = {f"{MODELS.service(call.service).signing_name}:{call.name}" for kind in KINDS for call in kind.calls}
    assert set(allowed) == called
    assert len({statement["Sid"] for statement in statements}) == len(statements)
    assert [statement["Sid"] for statement in statements if not re.fullmatch("[A-Za-z0-9]+", statement["Sid"])] == []


def test_the_policy_signs_greengrass_v2_by_the_name_that_iam_knows() -> None:
    assert MODELS.iam_action(ApiCall("greengrassv2", "GetDeployment", quota=50)) == "greengrass:GetDeployment"
    assert MODELS.iam_action(ApiCall("iot", "DescribeJob", quota=10)) == "iot:DescribeJob"


def test_a_typo_in_a_metric_row_is_a_type_error(tmp_path: Path) -> None:
    snippet = tmp_path / "snippet.py"
    snippet.write_text(
        "from exporter.kinds.thing_registration_task import ThingRegistrationTask\n"
        "from exporter.metric import Metric, gauge\n"
        "rows: tuple[Metric[ThingRegistrationTask], ...] = (\n"
        '    gauge("aws_iot_good", "Good.", lambda task: task.succeeded),\n'
        '    gauge("aws_iot_bad", "Bad.", lambda task: task.suceeded),\n'
        ")\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", f"--cache-dir={tmp_path}", str(snippet)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.findall(r"snippet\.py:(\d+): error: .* \[(.*)\]", done.stdout) == [("5", "attr-defined")]
