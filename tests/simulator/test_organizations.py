"""AWS Organizations of the simulator: shapes, pages, errors, members and their own operations."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore import xform_name
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.core.errors import ConfigError
from exporter.kinds.kind import ApiCall
from exporter.kinds.registry import KINDS
from exporter.simulator.organization_sections import MAX_DEPTH
from exporter.simulator.scenario import ORGANIZATIONS, ORGANIZATIONS_APIS, parse_scenario
from tests.simulator.served_scenario import ACCOUNT, REGION, START, Aws, error_of, serve_scenario
from tests.support.shape_checker import shape_violations
from tests.support.simulated_responses import output_shape

MANAGEMENT, ADMINISTRATOR = "777788889999", "666677778888"
SUSPENDED, LATER, LEAVING = "555566667777", "222233334444", "333344445555"
FIRST = "100000000000"
ROOT, FLEET, INNER, EMPTY = "r-ab12", "ou-ab12-11112222", "ou-ab12-33334444", "ou-ab12-55556666"
MEMBERS = [f"{int(FIRST) + number}" for number in range(45)]
ORGANIZATION = f"""
organizations:
  - id: o-abcde12345
    root: {ROOT}
    management_account: "{MANAGEMENT}"
    delegated_administrators: ["{ADMINISTRATOR}"]
    accounts:
      - {{id: "{MANAGEMENT}", name: management, email: boss@example.com}}
      - {{id: "{ADMINISTRATOR}", name: tools, tags: {{fleet: "yes", team: tools}}}}
      - {{id: "{SUSPENDED}", name: old, status: SUSPENDED}}
      - {{id: "{LATER}", name: new, joined: 1m}}
    units:
      - id: {FLEET}
        name: fleet
        tags: {{owner: iot}}
        accounts: [{{id: "{LEAVING}", name: leaving, left: 2m}}]
        units:
          - id: {INNER}
            name: inner
            accounts: [{{id: "{FIRST}", name: plant, count: 45, tags: {{fleet: "yes"}}}}]
      - {{id: {EMPTY}, name: empty}}
"""
SCENARIO = f"""
accounts: ["{MANAGEMENT}", "{ACCOUNT}"]
quotas: false
{ORGANIZATION}
operations:
  - {{kind: iot_job, id: of-a-member, region: {REGION}, account: "{MEMBERS[7]}",
     timeline: [{{at: 0s, status: IN_PROGRESS}}]}}
  - {{kind: iot_job, id: of-the-manager, region: {REGION}, timeline: [{{at: 0s, status: IN_PROGRESS}}]}}
faults:
  - {{service: sts, id: "arn:aws:iam::{MEMBERS[3]}:role/exporter", error: AccessDenied, status: 403}}
  - {{api: ListRoots, error: TooManyRequestsException}}
  - {{api: DescribeOrganizationalUnit, replace: {{OrganizationalUnit.Name: edited}}}}
"""
# The parameters of each API with the id of something that exists.
PARAMETERS = {
    "DescribeAccount": {"AccountId": MEMBERS[0]},
    "DescribeOrganization": {},
    "DescribeOrganizationalUnit": {"OrganizationalUnitId": FLEET},
    "ListAccounts": {},
    "ListAccountsForParent": {"ParentId": INNER},
    "ListChildren": {"ParentId": ROOT, "ChildType": "ORGANIZATIONAL_UNIT"},
    "ListDelegatedAdministrators": {},
    "ListOrganizationalUnitsForParent": {"ParentId": ROOT},
    "ListParents": {"ChildId": MEMBERS[0]},
    "ListRoots": {},
    "ListTagsForResource": {"ResourceId": ADMINISTRATOR},
}
UNKNOWN = {
    "DescribeAccount": ({"AccountId": "999999999999"}, "AccountNotFoundException"),
    "DescribeOrganizationalUnit": (
        {"OrganizationalUnitId": "ou-ab12-99999999"},
        "OrganizationalUnitNotFoundException",
    ),
    "ListAccountsForParent": ({"ParentId": "ou-ab12-99999999"}, "ParentNotFoundException"),
    "ListChildren": ({"ParentId": "r-zz99", "ChildType": "ACCOUNT"}, "ParentNotFoundException"),
    "ListOrganizationalUnitsForParent": ({"ParentId": "r-zz99"}, "ParentNotFoundException"),
    "ListParents": ({"ChildId": "999999999999"}, "ChildNotFoundException"),
    "ListTagsForResource": ({"ResourceId": "999999999999"}, "TargetNotFoundException"),
}


@pytest.fixture(scope="module")
def plain() -> Any:
    """The organization without faults, with the quotas of AWS."""
    with serve_scenario(f'accounts: ["{MANAGEMENT}"]\nquotas: false\n{ORGANIZATION}') as aws:
        yield aws


def client(aws: Aws, **keys: Any) -> Any:
    return aws.client("organizations", "us-east-1", **keys)


def raw(aws: Aws, api: str, parameters: Any, prefix: str = "AWSOrganizationsV20161128") -> httpx.Response:
    headers = {"x-amz-target": f"{prefix}.{api}", "content-type": "application/x-amz-json-1.1"}
    return aws.request("POST", "/", "organizations", "us-east-1", headers=headers, content=json.dumps(parameters))


def pages(aws: Aws, api: str, **parameters: Any) -> list[Any]:
    return list(client(aws).get_paginator(api).paginate(**parameters))


def session(aws: Aws, account: str, **more: Any) -> dict[str, str]:
    role = f"arn:aws:iam::{account}:role/exporter"
    keys = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="session", **more)["Credentials"]
    return {"key": keys["AccessKeyId"], "token": keys["SessionToken"]}


def ids(pages: list[Any], key: str = "Accounts") -> list[str]:
    return [entry["Id"] for page in pages for entry in page[key]]


def test_the_tests_call_every_api() -> None:
    assert sorted(PARAMETERS) == sorted(ORGANIZATIONS_APIS)


@pytest.mark.parametrize("api", ORGANIZATIONS_APIS)
def test_every_response_fits_its_shape(plain: Aws, api: str) -> None:
    response = raw(plain, api, PARAMETERS[api])
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-amz-json-1.1"
    assert shape_violations(output_shape(ApiCall(ORGANIZATIONS, api, quota=1)), response.json()) == []
    assert any(response.json().values())


@pytest.mark.parametrize("api", UNKNOWN)
def test_an_unknown_id_is_not_found_with_an_error_of_the_model(plain: Aws, api: str) -> None:
    parameters, code = UNKNOWN[api]
    assert error_of(getattr(client(plain), xform_name(api)), "does not exist", **parameters) == (code, 400)


def test_all_accounts_have_pages_of_at_most_twenty(plain: Aws) -> None:
    found = pages(plain, "list_accounts")
    assert [len(page["Accounts"]) for page in found] == [20, 20, 9]
    assert ids(found) == [MANAGEMENT, ADMINISTRATOR, SUSPENDED, LEAVING, *MEMBERS]
    assert len(pages(plain, "list_accounts", PaginationConfig={"PageSize": 7})) == 7


def test_an_account_has_its_name_address_state_and_path(plain: Aws) -> None:
    account = client(plain).describe_account(AccountId=MEMBERS[44])["Account"]
    assert (account["Name"], account["Email"]) == ("plant-0045", f"{MEMBERS[44]}@example.com")
    assert (account["Status"], account["State"]) == ("ACTIVE", "ACTIVE")
    assert account["Paths"] == [f"o-abcde12345/{ROOT}/{FLEET}/{INNER}/{MEMBERS[44]}/"]
    assert account["Arn"] == f"arn:aws:organizations::{MANAGEMENT}:account/o-abcde12345/{MEMBERS[44]}"
    assert client(plain).describe_account(AccountId=MANAGEMENT)["Account"]["Email"] == "boss@example.com"
    assert client(plain).describe_account(AccountId=SUSPENDED)["Account"]["State"] == "SUSPENDED"


def test_a_parent_lists_only_what_is_directly_in_it(plain: Aws) -> None:
    assert ids(pages(plain, "list_accounts_for_parent", ParentId=ROOT)) == [MANAGEMENT, ADMINISTRATOR, SUSPENDED]
    assert ids(pages(plain, "list_accounts_for_parent", ParentId=FLEET)) == [LEAVING]
    assert ids(pages(plain, "list_accounts_for_parent", ParentId=INNER)) == MEMBERS
    assert ids(pages(plain, "list_accounts_for_parent", ParentId=EMPTY)) == []
    units = pages(plain, "list_organizational_units_for_parent", ParentId=ROOT)
    assert ids(units, "OrganizationalUnits") == [FLEET, EMPTY]
    below = pages(plain, "list_organizational_units_for_parent", ParentId=FLEET)
    assert ids(below, "OrganizationalUnits") == [INNER]
    assert ids(pages(plain, "list_children", ParentId=FLEET, ChildType="ACCOUNT"), "Children") == [LEAVING]


@pytest.mark.parametrize(
    ("child", "parent"),
    [
        (MEMBERS[0], {"Id": INNER, "Type": "ORGANIZATIONAL_UNIT"}),
        (INNER, {"Id": FLEET, "Type": "ORGANIZATIONAL_UNIT"}),
        (FLEET, {"Id": ROOT, "Type": "ROOT"}),
        (MANAGEMENT, {"Id": ROOT, "Type": "ROOT"}),
    ],
)
def test_an_account_and_a_unit_have_a_parent(plain: Aws, child: str, parent: dict[str, str]) -> None:
    assert client(plain).list_parents(ChildId=child)["Parents"] == [parent]


@pytest.mark.parametrize(
    ("id", "tags"),
    [(ADMINISTRATOR, {"fleet": "yes", "team": "tools"}), (FLEET, {"owner": "iot"}), (ROOT, {}), (MANAGEMENT, {})],
)
def test_accounts_and_units_have_tags(plain: Aws, id: str, tags: dict[str, str]) -> None:
    (page,) = pages(plain, "list_tags_for_resource", ResourceId=id)
    assert {tag["Key"]: tag["Value"] for tag in page["Tags"]} == tags


def test_the_organization_names_its_management_account_and_administrators(plain: Aws) -> None:
    organization = client(plain).describe_organization()["Organization"]
    assert (organization["Id"], organization["MasterAccountId"]) == ("o-abcde12345", MANAGEMENT)
    assert organization["MasterAccountEmail"] == "boss@example.com"
    found = pages(plain, "list_delegated_administrators")
    assert ids(found, "DelegatedAdministrators") == [ADMINISTRATOR]
    assert ids([client(plain).list_roots()], "Roots") == [ROOT]


def test_accounts_join_and_leave_and_pages_do_not_shift(aws: Aws) -> None:
    first = client(aws).list_accounts(MaxResults=5)
    assert ids([first]) == [MANAGEMENT, ADMINISTRATOR, SUSPENDED, LEAVING, MEMBERS[0]]
    aws.clock.at = START + 60
    assert ids(pages(aws, "list_accounts"))[3:5] == [LATER, LEAVING]
    aws.clock.at = START + 120
    second = client(aws).list_accounts(MaxResults=5, NextToken=first["NextToken"])
    assert ids([second]) == MEMBERS[1:6]
    assert LEAVING not in ids(pages(aws, "list_accounts"))
    assert error_of(client(aws).describe_account, AccountId=LEAVING) == ("AccountNotFoundException", 400)


def test_only_the_management_account_and_administrators_can_read_the_organization(aws: Aws) -> None:
    assert len(ids([client(aws, **session(aws, ADMINISTRATOR)).list_accounts()])) == 20
    member = client(aws, **session(aws, MEMBERS[0]))
    assert error_of(member.list_accounts, "permissions") == ("AccessDeniedException", 400)
    assert member.describe_organization()["Organization"]["MasterAccountId"] == MANAGEMENT
    outside = client(aws, **session(aws, ACCOUNT))
    assert error_of(outside.list_accounts) == ("AWSOrganizationsNotInUseException", 400)
    assert error_of(outside.describe_organization) == ("AWSOrganizationsNotInUseException", 400)


def test_each_member_has_its_own_operations(aws: Aws) -> None:
    def jobs(account: str) -> list[str]:
        found = aws.client("iot", **session(aws, account)).list_jobs()["jobs"]
        return [job["jobId"] for job in found]

    assert (jobs(MEMBERS[7]), jobs(MEMBERS[8]), jobs(MANAGEMENT)) == (["of-a-member"], [], ["of-the-manager"])


@pytest.mark.parametrize("account", [MEMBERS[3], SUSPENDED, "999999999999"])
def test_a_role_that_a_fault_refuses_or_of_an_account_that_is_not_active_is_denied(aws: Aws, account: str) -> None:
    call = aws.client("sts").assume_role
    used = {"RoleArn": f"arn:aws:iam::{account}:role/exporter", "RoleSessionName": "session"}
    assert error_of(call, **used) == ("AccessDenied", 403)


def test_faults_apply_to_organizations(aws: Aws) -> None:
    assert error_of(client(aws).list_roots, "A fault of the scenario") == ("TooManyRequestsException", 400)
    unit = client(aws).describe_organizational_unit(OrganizationalUnitId=FLEET)["OrganizationalUnit"]
    assert unit["Name"] == "edited"


@pytest.mark.parametrize("mode", ["repeated", "endless"])
def test_a_list_can_be_endless(mode: str) -> None:
    faults = f"faults: [{{service: organizations, id: {INNER}, pages: {mode}}}]"
    with serve_scenario(f'accounts: ["{MANAGEMENT}"]\n{ORGANIZATION}\n{faults}') as aws:
        call = client(aws).list_accounts_for_parent
        first = call(ParentId=INNER)
        second = call(ParentId=INNER, NextToken=first["NextToken"])
        assert ids([first]) == ids([second]) == MEMBERS[:20]
        assert (first["NextToken"] == second["NextToken"]) == (mode == "repeated")
        assert "NextToken" not in call(ParentId=EMPTY)


def test_calls_above_the_quota_are_throttled_for_a_second() -> None:
    with serve_scenario(f'accounts: ["{MANAGEMENT}"]\n{ORGANIZATION}') as aws:
        call = client(aws).list_roots
        for _ in range(5):
            call()
        assert error_of(call, "Rate exceeded") == ("TooManyRequestsException", 400)
        aws.clock.at += 1
        assert call()["Roots"]


@pytest.mark.parametrize(
    ("api", "parameters"),
    [
        ("ListAccounts", {"MaxResults": 0}),
        ("ListAccounts", {"MaxResults": 21}),
        ("ListAccounts", {"MaxResults": "many"}),
        ("ListAccounts", {"NextToken": "nonsense"}),
        ("ListAccountsForParent", {}),
        ("ListAccountsForParent", {"ParentId": "here"}),
        ("ListChildren", {"ParentId": ROOT, "ChildType": "PERSON"}),
        ("DescribeAccount", {"AccountId": 7}),
    ],
)
def test_invalid_parameters_are_refused_with_an_error_of_the_model(
    plain: Aws, api: str, parameters: dict[str, Any]
) -> None:
    response = raw(plain, api, parameters)
    assert (response.status_code, response.json()["__type"]) == (400, "InvalidInputException")
    assert response.json()["Message"]


@pytest.mark.parametrize(
    ("request_of", "code"),
    [
        (lambda aws: raw(aws, "CloseAccount", {}), "UnknownOperationException"),
        (lambda aws: raw(aws, "ListAccounts", {}, prefix="AWSOrganizations"), "UnknownOperationException"),
        (lambda aws: aws.request("POST", "/", "organizations"), "UnknownOperationException"),
        (lambda aws: raw(aws, "ListAccounts", []), "SerializationException"),
        (lambda aws: raw(aws, "ListAccounts", None), "SerializationException"),
    ],
)
def test_a_request_that_is_no_api_call_is_refused(
    plain: Aws, request_of: Callable[[Aws], httpx.Response], code: str
) -> None:
    response = request_of(plain)
    assert (response.status_code, response.json()["__type"]) == (400, code)


def test_an_unsigned_request_is_refused_in_json(plain: Aws) -> None:
    response = plain.http.post(plain.url, headers={"x-amz-target": "AWSOrganizationsV20161128.ListAccounts"})
    assert (response.status_code, response.json()["__type"]) == (403, "MissingAuthenticationTokenException")


def problems(organization: str, more: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_scenario(f'accounts: ["{ACCOUNT}"]\norganizations:\n  - {organization}\n{more}', KINDS)
    return list(caught.value.problems)


def manager(accounts: str = "", rest: str = "") -> str:
    return f'{{management_account: "{ACCOUNT}", accounts: [{{id: "{ACCOUNT}"}}{accounts}]{rest}}}'


@pytest.mark.parametrize(
    ("organization", "problem"),
    [
        ("{}", ".management_account: is missing"),
        (f'{{management_account: "{ACCOUNT}"}}', ".management_account: is not an account of the organization"),
        (
            manager(rest=f', delegated_administrators: ["{FIRST}"]'),
            ".delegated_administrators[0]: is not an account of the organization",
        ),
        (
            manager(rest=", units: [{id: ou-zz12-11112222}]"),
            ".units: ou-zz12-11112222 does not begin with ou-ab12-, as the root requires",
        ),
        (manager(rest=f", units: [{{id: {FLEET}, units: [{{id: {FLEET}}}]}}]"), f".units: duplicate unit {FLEET}"),
        (manager(f', {{id: "{FIRST}", count: 0}}'), ".accounts[1].count: must be at least 1"),
        (manager(', {id: "999999999999", count: 2}'), ".accounts[1].count: the ids must have 12 digits"),
        (
            manager(f', {{id: "{FIRST}", count: 2, email: a@example.com}}'),
            ".accounts[1].email: several accounts cannot have the same address",
        ),
        (manager(f', {{id: "{FIRST}", left: -400d}}'), ".accounts[1].left: must be later than joined"),
        (manager(f', {{id: "{FIRST}", stat: ACTIVE}}'), ".accounts[1].stat: unknown key; did you mean status?"),
    ],
)
def test_an_invalid_organization_is_refused_with_its_path(organization: str, problem: str) -> None:
    assert problems(organization) == [f"organizations[0]{problem}"]


def test_an_account_can_be_a_member_only_once() -> None:
    twice = f"{manager()}\n  - {manager(rest=', id: o-another0001')}"
    assert problems(twice) == [f"organizations: duplicate account {ACCOUNT}"]


def test_an_operation_of_an_account_outside_is_refused_and_that_of_a_generated_member_is_not() -> None:
    task = "kind: thing_registration_task, region: eu-west-1, timeline: [{at: 0s, status: InProgress}]"
    more = ", ".join(f'{{{task}, account: "{int(FIRST) + number}"}}' for number in (1, 2))
    found = problems(manager(f', {{id: "{FIRST}", count: 2}}'), f"operations: [{more}]")
    assert found == ["operations[1].account: is not in accounts or organizations"]


def nested_units(depths: list[int]) -> list[dict[str, Any]]:
    """Return units, each with an account, at these depths of the tree, or at most one level below the unit before."""
    path: list[dict[str, Any]] = [{"units": []}]
    for number, depth in enumerate(depths):
        del path[depth + 1 :]
        accounts = [{"id": f"{number + 1:012}"}]
        path[-1]["units"].append({"id": f"ou-ab12-{number:08}", "accounts": accounts, "units": []})
        path.append(path[-1]["units"][-1])
    units: list[dict[str, Any]] = path[0]["units"]
    return units


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, MAX_DEPTH - 1), min_size=1, max_size=60))
def test_the_tree_read_from_the_root_down_has_every_account_once(depths: list[int]) -> None:
    organization = {
        "management_account": MANAGEMENT,
        "accounts": [{"id": MANAGEMENT}],
        "units": nested_units(depths),
    }
    scenario = {"accounts": [MANAGEMENT], "quotas": False, "organizations": [organization]}
    with serve_scenario(json.dumps(scenario)) as aws:
        found, waiting = list[str](), [ROOT]
        while waiting:
            parent = waiting.pop()
            found += ids(pages(aws, "list_accounts_for_parent", ParentId=parent))
            waiting += ids(pages(aws, "list_organizational_units_for_parent", ParentId=parent), "OrganizationalUnits")
        assert sorted(found) == sorted(ids(pages(aws, "list_accounts")))
        assert len(found) == len(depths) + 1
