from __future__ import annotations

import pytest

from tests.simulator.served_scenario import ACCOUNTS, OTHER_ACCOUNT, REGION, START, Aws

SCENARIO = f"""{ACCOUNTS}
quotas: false
operations:
  - {{kind: thing_registration_task, id: old, region: {REGION}, count: 600, created: -1d,
     timeline: [{{at: 0s, status: InProgress}}, {{at: 2d, status: Completed}}]}}
  - {{kind: thing_registration_task, id: new, region: {REGION}, count: 3, created: -1h,
     timeline: [{{at: 0s, status: Failed}}]}}
  - {{kind: thing_registration_task, id: future, region: {REGION}, count: 5, created: 1h,
     timeline: [{{at: 0s, status: InProgress}}]}}
  - {{kind: thing_registration_task, id: elsewhere, region: us-east-1, timeline: [{{at: 0s, status: InProgress}}]}}
  - {{kind: thing_registration_task, id: other, region: {REGION}, account: "{OTHER_ACCOUNT}",
     timeline: [{{at: 0s, status: InProgress}}]}}
  - {{kind: greengrass_bulk_deployment, id: groups, region: {REGION}, items: 120,
     timeline: [{{at: 0s, status: Running, done: 0.5, failed: 0.1}}]}}
"""
OLD = [f"old-{number:04}" for number in range(1, 601)]
NEW = [f"new-{number:04}" for number in range(1, 4)]
OF_ANOTHER_LIST = "TGlzdEpvYnM6NQ=="
OF_NO_RANK = "TGlzdFRoaW5nUmVnaXN0cmF0aW9uVGFza3M6eA=="
TASKS = "/thing-registration-tasks"
DEPLOYMENTS = "/greengrass/bulk/deployments"


def test_a_list_of_600_tasks_comes_newest_first_page_by_page(aws: Aws) -> None:
    pages = list(aws.client("iot").get_paginator("list_thing_registration_tasks").paginate(maxResults=250))
    assert [len(page["taskIds"]) for page in pages] == [250, 250, 103]
    assert [id for page in pages for id in page["taskIds"]] == NEW + OLD


def test_a_page_holds_fifty_entries_unless_asked_otherwise(aws: Aws) -> None:
    assert len(aws.client("iot").list_thing_registration_tasks()["taskIds"]) == 50


def test_the_last_page_has_no_token_even_if_it_is_full(aws: Aws) -> None:
    answer = aws.client("iot").list_thing_registration_tasks(maxResults=3, status="Failed")
    assert (answer["taskIds"], "nextToken" in answer) == (NEW, False)


def test_the_status_filter_follows_what_a_status_is_now(aws: Aws) -> None:
    client = aws.client("iot")
    assert client.list_thing_registration_tasks(status="Completed")["taskIds"] == []
    aws.clock.seconds = START + 86_400
    assert client.list_thing_registration_tasks(status="Completed", maxResults=250)["taskIds"] == OLD[:250]


def test_what_appears_between_two_pages_shifts_nothing(aws: Aws) -> None:
    client = aws.client("iot")
    first = client.list_thing_registration_tasks(maxResults=100)
    aws.clock.seconds = START + 3600
    second = client.list_thing_registration_tasks(maxResults=100, nextToken=first["nextToken"])
    assert first["taskIds"] + second["taskIds"] == (NEW + OLD)[:200]
    assert client.list_thing_registration_tasks(maxResults=1)["taskIds"] == ["future-0001"]


def test_groups_of_one_deployment_are_paged_too_although_the_limit_is_text(aws: Aws) -> None:
    paginator = aws.client("greengrass").get_paginator("list_bulk_deployment_detailed_reports")
    pages = list(paginator.paginate(BulkDeploymentId="groups", PaginationConfig={"PageSize": 25}))
    found = [report["DeploymentStatus"] for page in pages for report in page["Deployments"]]
    assert [len(page["Deployments"]) for page in pages] == [25, 25, 11]
    assert {status: found.count(status) for status in set(found)} == {"Success": 48, "Failure": 12, "InProgress": 1}


def test_a_region_without_operations_lists_none(aws: Aws) -> None:
    assert aws.client("iot", region="eu-north-1").list_thing_registration_tasks()["taskIds"] == []


@pytest.mark.parametrize("token", ["", "nonsense", "!!!!", OF_ANOTHER_LIST, OF_NO_RANK])
def test_a_token_that_this_list_never_gave_is_refused(aws: Aws, token: str) -> None:
    answer = aws.raw("GET", TASKS, params={"nextToken": token})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "InvalidRequestException")


@pytest.mark.parametrize("limit", ["0", "251", "-1", "many", "1.5", "9" * 30, ""])
def test_a_number_of_results_beyond_the_model_is_refused(aws: Aws, limit: str) -> None:
    answer = aws.raw("GET", TASKS, params={"maxResults": limit})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "InvalidRequestException")


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", ""])
def test_a_number_of_results_that_is_none_is_refused_where_the_model_says_text(aws: Aws, limit: str) -> None:
    answer = aws.raw("GET", DEPLOYMENTS, "greengrass", params={"MaxResults": limit})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "BadRequestException")
    assert answer.json().keys() == {"Message"}


def test_a_status_that_the_model_does_not_know_is_refused(aws: Aws) -> None:
    client = aws.client("iot")
    with pytest.raises(client.exceptions.InvalidRequestException, match="enum value set"):
        client.list_thing_registration_tasks(status="Running")
