from collections import Counter

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


def test_a_list_of_600_tasks_has_pages_with_the_newest_first(aws: Aws) -> None:
    pages = list(aws.client("iot").get_paginator("list_thing_registration_tasks").paginate(maxResults=250))
    assert [len(page["taskIds"]) for page in pages] == [250, 250, 103]
    assert [id for page in pages for id in page["taskIds"]] == NEW + OLD


def test_a_page_has_fifty_entries_by_default(aws: Aws) -> None:
    assert len(aws.client("iot").list_thing_registration_tasks()["taskIds"]) == 50


def test_a_full_last_page_has_no_token(aws: Aws) -> None:
    response = aws.client("iot").list_thing_registration_tasks(maxResults=3, status="Failed")
    assert (response["taskIds"], "nextToken" in response) == (NEW, False)


def test_the_status_filter_uses_the_current_status(aws: Aws) -> None:
    client = aws.client("iot")
    assert client.list_thing_registration_tasks(status="Completed")["taskIds"] == []
    aws.clock.at = START + 86_400
    assert client.list_thing_registration_tasks(status="Completed", maxResults=250)["taskIds"] == OLD[:250]


def test_an_operation_that_appears_between_two_pages_does_not_move_the_others(aws: Aws) -> None:
    client = aws.client("iot")
    first = client.list_thing_registration_tasks(maxResults=100)
    aws.clock.at = START + 3600
    second = client.list_thing_registration_tasks(maxResults=100, nextToken=first["nextToken"])
    assert first["taskIds"] + second["taskIds"] == (NEW + OLD)[:200]
    assert client.list_thing_registration_tasks(maxResults=1)["taskIds"] == ["future-0001"]


def test_the_groups_of_a_deployment_have_pages_and_a_limit_in_text(aws: Aws) -> None:
    paginator = aws.client("greengrass").get_paginator("list_bulk_deployment_detailed_reports")
    pages = list(paginator.paginate(BulkDeploymentId="groups", PaginationConfig={"PageSize": 25}))
    statuses = [report["DeploymentStatus"] for page in pages for report in page["Deployments"]]
    assert [len(page["Deployments"]) for page in pages] == [25, 25, 11]
    assert Counter(statuses) == {"Success": 48, "Failure": 12, "InProgress": 1}


def test_a_region_without_operations_lists_none(aws: Aws) -> None:
    assert aws.client("iot", region="eu-north-1").list_thing_registration_tasks()["taskIds"] == []


@pytest.mark.parametrize(
    "parameter",
    [
        *(("nextToken", token) for token in ("", "nonsense", "!!!!", OF_ANOTHER_LIST, OF_NO_RANK)),
        *(("maxResults", limit) for limit in ("0", "251", "-1", "many", "1.5", "9" * 30, "")),
    ],
)
def test_an_invalid_token_or_limit_is_refused(aws: Aws, parameter: tuple[str, str]) -> None:
    response = aws.request("GET", "/thing-registration-tasks", params=[parameter])
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (400, "InvalidRequestException")


@pytest.mark.parametrize("limit", ["0", "-1", "many", "1.5", ""])
def test_an_invalid_limit_in_text_is_refused(aws: Aws, limit: str) -> None:
    response = aws.request("GET", "/greengrass/bulk/deployments", "greengrass", params={"MaxResults": limit})
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (400, "BadRequestException")
    assert response.json().keys() == {"Message"}


def test_a_status_that_the_model_does_not_contain_is_refused(aws: Aws) -> None:
    client = aws.client("iot")
    with pytest.raises(client.exceptions.InvalidRequestException, match="enum value set"):
        client.list_thing_registration_tasks(status="Running")
