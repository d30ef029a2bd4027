from collections.abc import Iterator
from typing import Any

import pytest

from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from exporter.simulator.fleet import Fleet
from exporter.simulator.scenario import parse_scenario, scenario_text
from tests.simulator.served_scenario import ACCOUNT, START, serve_scenario
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import output_shape

BY_NAME = {kind.name: kind for kind in KINDS}
SCENARIO = parse_scenario(scenario_text(), KINDS)
# Each operation with its id.
OPERATIONS = [(planned, id) for position, planned in enumerate(SCENARIO.operations) for id in planned.ids(position)]
FLEET = Fleet(SCENARIO.operations, KINDS, 0)
REGIONS = ("eu-west-1", "us-east-1")
ROLE = "arn:aws:iam::444455556666:role/iot-bulk-exporter"


every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def states(kind: Kind[Any], seconds: range) -> Iterator[tuple[str, str, int]]:
    """Yield the id, status and count of each operation of a kind at each of the seconds."""
    for planned, id in OPERATIONS:
        if planned.kind == kind.name:
            member = FLEET.find((kind.name, planned.account, planned.region), kind.describe_calls[0], id)
            assert member is not None
            for operation in filter(None, map(member.at, seconds)):
                yield id, operation.status, operation.processed


@every_kind
def test_the_demo_has_every_status_of_a_kind_within_two_minutes(kind: Kind[Any]) -> None:
    assert {status for _, status, _ in states(kind, range(121))} == set(kind.statuses)


@every_kind
def test_each_kind_has_an_operation_that_progresses_for_half_an_hour_and_one_that_stalls(kind: Kind[Any]) -> None:
    for minute in range(30):
        counts: dict[str, set[int]] = {}
        for id, status, count in states(kind, range(minute * 60, minute * 60 + 61, 30)):
            if kind.is_active(status):
                counts.setdefault(id, set()).add(count)
        assert {1, 3} <= {len(distinct) for distinct in counts.values()}


def test_both_accounts_have_operations_in_both_regions() -> None:
    places = {(planned.account, planned.region) for planned in SCENARIO.operations}
    assert places == {(account, region) for account in SCENARIO.accounts for region in REGIONS}


def test_an_operation_ended_yesterday() -> None:
    assert any(planned.created + planned.timeline[-1].at < -86_000 for planned in SCENARIO.operations)


def test_boto3_lists_the_operations_of_both_accounts() -> None:
    with serve_scenario(scenario_text()) as aws:
        keys = aws.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="demo", ExternalId="demo")["Credentials"]
        for credentials in ({}, {"key": keys["AccessKeyId"], "token": keys["SessionToken"]}):
            for region in REGIONS:
                iot = aws.client("iot", region, **credentials)
                greengrass = aws.client("greengrass", region, **credentials)
                assert iot.list_thing_registration_tasks(status="InProgress")["taskIds"] or region == "us-east-1"
                assert greengrass.list_bulk_deployments()["BulkDeployments"]
                assert iot.list_jobs()["jobs"]
                assert aws.client("greengrassv2", region, **credentials).list_deployments()["deployments"]


def test_every_response_of_the_demo_fits_its_shape_at_any_time() -> None:
    in_account = [(planned, id) for planned, id in OPERATIONS if planned.account == ACCOUNT]
    calls = [(planned, id, call) for planned, id in in_account for call in BY_NAME[planned.kind].calls]
    found: dict[int, set[str]] = {200: set(), 404: set()}
    with serve_scenario(scenario_text().replace("operations:", "quotas: false\noperations:", 1)) as aws:
        for second in (0, 7, 31, 60, 119, 600, 3600):
            aws.clock.at = START + second
            for planned, id, call in calls:
                response = aws.call(BY_NAME[planned.kind], call, id, planned.region)
                found[response.status_code].add(call.name)
                assert response.status_code == 404 or shape_violations(output_shape(call), response.json()) == []
    assert found[200] == {call.name for kind in KINDS for call in kind.calls}


def test_the_faults_in_the_comments_of_the_demo_are_valid() -> None:
    text = scenario_text().replace("# faults:", "faults:").replace("#   - {", "  - {")
    assert len(parse_scenario(text, KINDS).faults) == 7
