"""AWS Account Management of the simulator: the Regions that an account has enabled."""

from typing import Any

import pytest

from exporter.config.partitions import ENABLED_BY_DEFAULT
from exporter.core.errors import ConfigError
from exporter.kinds.kind import ApiCall
from exporter.kinds.registry import KINDS
from exporter.simulator.scenario import ACCOUNT_APIS, parse_scenario
from tests.simulator.served_scenario import ACCOUNT, OTHER_ACCOUNT, Aws, error_of, serve_scenario
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import MODELS, output_shape

MEMBER = "777788889999"
SCENARIO = f"""
accounts: ["{ACCOUNT}", "{OTHER_ACCOUNT}"]
quotas: false
organizations:
  - {{management_account: "{ACCOUNT}", accounts: [{{id: "{ACCOUNT}"}}, {{id: "{MEMBER}"}}]}}
opt_in_regions:
  - {{region: ap-east-1, account: "{MEMBER}", status: DISABLING}}
  - {{region: ap-east-1}}
  - {{region: eu-south-1, account: "{MEMBER}"}}
  - {{region: me-newland-7, status: ENABLING}}
"""
PATHS = {"ListRegions": "/listRegions", "GetRegionOptStatus": "/getRegionOptStatus"}


def statuses(aws: Aws, **parameters: Any) -> dict[str, str]:
    pages = aws.client("account", "us-east-1").get_paginator("list_regions").paginate(**parameters)
    return {entry["RegionName"]: entry["RegionOptStatus"] for page in pages for entry in page["Regions"]}


def test_every_region_has_its_status_in_the_account_of_the_caller(aws: Aws) -> None:
    found = statuses(aws)
    assert found.keys() == {*MODELS.regions("aws"), "me-newland-7"}
    assert {region for region, status in found.items() if status == "ENABLED_BY_DEFAULT"} == set(ENABLED_BY_DEFAULT)
    others = {region: status for region, status in found.items() if status not in ("ENABLED_BY_DEFAULT", "DISABLED")}
    assert others == {"ap-east-1": "ENABLED", "me-newland-7": "ENABLING"}
    assert found["eu-south-1"] == "DISABLED"


def test_the_regions_of_a_member_are_those_of_its_role_and_of_its_id(aws: Aws) -> None:
    role = f"arn:aws:iam::{MEMBER}:role/exporter"
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    client = aws.client("account", "us-east-1", key=keys["AccessKeyId"], token=keys["SessionToken"])
    own = {entry["RegionName"]: entry["RegionOptStatus"] for entry in client.list_regions()["Regions"]}
    assert own == statuses(aws, AccountId=MEMBER)
    assert (own["ap-east-1"], own["eu-south-1"]) == ("DISABLING", "ENABLED")
    # Only the management account and delegated administrators may name another account.
    assert error_of(client.list_regions, AccountId=ACCOUNT) == ("AccessDeniedException", 403)


def test_the_regions_can_be_selected_by_status_and_have_pages(aws: Aws) -> None:
    assert statuses(aws, RegionOptStatusContains=["ENABLED", "ENABLING"]).keys() == {"ap-east-1", "me-newland-7"}
    assert statuses(aws, PaginationConfig={"PageSize": 4}) == statuses(aws)
    client = aws.client("account", "us-east-1")
    assert len(client.list_regions(MaxResults=4)["Regions"]) == 4


def test_one_region_has_a_status(aws: Aws) -> None:
    client = aws.client("account", "us-east-1")
    assert client.get_region_opt_status(RegionName="eu-west-1")["RegionOptStatus"] == "ENABLED_BY_DEFAULT"
    assert client.get_region_opt_status(RegionName="eu-south-1", AccountId=MEMBER)["RegionOptStatus"] == "ENABLED"
    assert error_of(client.get_region_opt_status, "does not exist", RegionName="x") == ("ValidationException", 400)


def test_china_has_regions_of_its_own(aws: Aws) -> None:
    client = aws.client("account", "cn-northwest-1")
    found = {entry["RegionName"]: entry["RegionOptStatus"] for entry in client.list_regions()["Regions"]}
    assert found == {"cn-north-1": "ENABLED_BY_DEFAULT", "cn-northwest-1": "ENABLED_BY_DEFAULT"}


@pytest.mark.parametrize("account", [ACCOUNT, OTHER_ACCOUNT, "999999999999"])
def test_an_account_that_is_no_other_member_is_denied(aws: Aws, account: str) -> None:
    client = aws.client("account", "us-east-1")
    assert error_of(client.list_regions, AccountId=account) == ("AccessDeniedException", 403)


@pytest.mark.parametrize("api", ACCOUNT_APIS)
def test_every_response_fits_its_shape(aws: Aws, api: str) -> None:
    response = aws.request("POST", PATHS[api], "account", "us-east-1", json={"RegionName": "eu-west-1"})
    assert response.status_code == 200, response.text
    assert shape_violations(output_shape(ApiCall("account", api, quota=1)), response.json()) == []


@pytest.mark.parametrize(
    "parameters",
    [{"MaxResults": 0}, {"MaxResults": 51}, {"NextToken": "nonsense"}, {"RegionOptStatusContains": ["ON"]}],
)
def test_invalid_parameters_are_refused_with_an_error_of_the_model(aws: Aws, parameters: dict[str, Any]) -> None:
    response = aws.request("POST", "/listRegions", "account", "us-east-1", json=parameters)
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (400, "ValidationException")


def test_another_api_is_unknown(aws: Aws) -> None:
    response = aws.request("POST", "/enableRegion", "account", "us-east-1", json={"RegionName": "eu-south-1"})
    assert (response.status_code, response.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")


def test_calls_above_the_quota_are_throttled() -> None:
    with serve_scenario(f'accounts: ["{ACCOUNT}"]') as aws:
        call = aws.client("account", "us-east-1").list_regions
        for _ in range(5):
            call()
        assert error_of(call, "Rate exceeded") == ("TooManyRequestsException", 429)


def test_a_fault_refuses_the_regions_of_an_account() -> None:
    fault = f'{{service: account, account: "{OTHER_ACCOUNT}", error: AccessDeniedException, status: 403}}'
    with serve_scenario(f'accounts: ["{OTHER_ACCOUNT}"]\nfaults: [{fault}]') as aws:
        client = aws.client("account", "us-east-1")
        assert error_of(client.list_regions, "A fault of the scenario") == ("AccessDeniedException", 403)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("region: eu-west-1", ".region: is enabled by default, which cannot change"),
        ('region: ap-east-1, account: "999999999999"', ".account: is not in accounts or organizations"),
        (
            "region: ap-east-1, status: ENABLED_BY_DEFAULT",
            ".status: expected one of 'ENABLED', 'ENABLING', 'DISABLING' or 'DISABLED'",
        ),
    ],
)
def test_an_invalid_region_of_a_scenario_is_refused(entry: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(f'accounts: ["{ACCOUNT}"]\nopt_in_regions: [{{{entry}}}]', KINDS)
    assert list(caught.value.problems) == [f"opt_in_regions[0]{problem}"]


@pytest.mark.parametrize(
    ("account", "region", "is_enabled"),
    [
        (ACCOUNT, "ap-east-1", True),
        (ACCOUNT, "eu-south-1", False),
        (ACCOUNT, "me-newland-7", False),
        (MEMBER, "ap-east-1", False),
        (MEMBER, "eu-south-1", True),
        (MEMBER, "eu-west-1", True),
        (MEMBER, "cn-north-1", True),
    ],
)
def test_calls_in_a_region_that_the_account_has_not_enabled_are_refused(
    aws: Aws, account: str, region: str, is_enabled: bool
) -> None:
    role = f"arn:aws:iam::{account}:role/exporter"
    keys = aws.client("sts", "us-east-1").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    session = {"key": keys["AccessKeyId"], "token": keys["SessionToken"]}
    jobs, identity = (aws.client(service, region, **session) for service in ("iot", "sts"))
    if is_enabled:
        assert jobs.list_jobs()["jobs"] == []
        assert identity.get_caller_identity()["Account"] == account
    else:
        assert error_of(jobs.list_jobs) == ("UnrecognizedClientException", 403)
        assert error_of(identity.get_caller_identity) == ("InvalidClientTokenId", 403)


@pytest.mark.parametrize(
    ("key", "refused"), [("", False), ("opt_in_regions: []", True)], ids=["without the key", "with an empty list"]
)
def test_only_a_scenario_that_says_which_regions_are_enabled_refuses_calls_in_the_others(
    key: str, refused: bool
) -> None:
    with serve_scenario(f'accounts: ["{ACCOUNT}"]\n{key}') as aws:
        list_jobs = aws.client("iot", "me-central-1").list_jobs
        if refused:
            assert error_of(list_jobs) == ("UnrecognizedClientException", 403)
        else:
            assert list_jobs()["jobs"] == []
        assert set(statuses(aws).values()) == {"ENABLED_BY_DEFAULT", "DISABLED"}
        assert aws.client("iot", "eu-west-1").list_jobs()["jobs"] == []
