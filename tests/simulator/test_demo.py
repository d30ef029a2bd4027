from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.fleet import Fleet
from exporter.simulator.scenario import Scenario, parse_scenario, scenario_text
from tests.simulator.served_scenario import ACCOUNT, START, Credentials, simulated
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import output_shape

BY_NAME = {kind.name: kind for kind in KINDS}
SCENARIO = parse_scenario(scenario_text(), KINDS)
REGIONS = ("eu-west-1", "us-east-1")
ROLE = "arn:aws:iam::444455556666:role/iot-bulk-exporter"


def seen(scenario: Scenario, seconds: range) -> Iterator[tuple[str, str, int]]:
    """Yield each operation's id, status and count at each of some seconds."""
    fleet = Fleet(scenario.operations, KINDS, 0)
    for one in scenario.operations:
        member = fleet.find((one.kind, one.account, one.region), BY_NAME[one.kind].describes[0], one.id)
        assert member is not None
        for second in seconds:
            if state := member.at(second):
                yield one.id, state.status, state.processed


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_demo_shows_every_status_of_a_kind_within_two_minutes(kind: Kind[Any]) -> None:
    ids = {one.id for one in SCENARIO.operations if one.kind == kind.name}
    assert {status for id, status, _ in seen(SCENARIO, range(121)) if id in ids} == set(kind.statuses)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_something_of_every_kind_moves_for_half_an_hour_and_something_stalls(kind: Kind[Any]) -> None:
    for minute in range(30):
        counts: dict[str, set[int]] = {}
        for id, status, count in seen(SCENARIO, range(minute * 60, minute * 60 + 61, 30)):
            if kind.is_active(status) and any(one.id == id and one.kind == kind.name for one in SCENARIO.operations):
                counts.setdefault(id, set()).add(count)
        assert any(len(found) == 3 for found in counts.values())
        assert any(len(found) == 1 for found in counts.values())


def test_both_accounts_have_operations_in_both_regions() -> None:
    places = {(one.account, one.region) for one in SCENARIO.operations}
    assert places == {(account, region) for account in SCENARIO.accounts for region in REGIONS}


def test_something_ended_yesterday() -> None:
    assert any(one.created + one.timeline[-1].at < -86_000 for one in SCENARIO.operations)


def test_the_demo_is_served_in_both_accounts_as_aws_would() -> None:
    with simulated(scenario_text()) as aws:
        given = aws.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="demo", ExternalId="demo")["Credentials"]
        for credentials in (None, Credentials(given["AccessKeyId"], given["SessionToken"])):
            for region in REGIONS:
                iot = aws.client("iot", region, credentials)
                greengrass = aws.client("greengrass", region, credentials)
                assert iot.list_thing_registration_tasks(status="InProgress")["taskIds"] or region == "us-east-1"
                assert greengrass.list_bulk_deployments()["BulkDeployments"]
                assert iot.list_jobs()["jobs"]
                assert aws.client("greengrassv2", region, credentials).list_deployments()["deployments"]


def test_every_answer_of_the_demo_fits_its_shape_at_any_time() -> None:
    mine = (one for one in SCENARIO.operations if one.account == ACCOUNT)
    asked = [(one, call) for one in mine for call in BY_NAME[one.kind].calls]
    found: dict[int, set[str]] = {200: set(), 404: set()}
    with simulated(scenario_text().replace("operations:", "quotas: false\noperations:", 1)) as aws:
        for second in (0, 7, 31, 60, 119, 600, 3600):
            aws.clock.seconds = START + second
            for one, call in asked:
                answer = aws.answer(BY_NAME[one.kind], call, one.id, one.region)
                found[answer.status_code].add(call.name)
                assert answer.status_code == 404 or shape_violations(output_shape(call), answer.json()) == []
    assert found[200] == {call.name for kind in KINDS for call in kind.calls}


def test_the_faults_that_the_demo_suggests_are_right() -> None:
    text = scenario_text().replace("# faults:", "faults:").replace("#   - {", "  - {")
    assert len(parse_scenario(text, KINDS).faults) == 7
