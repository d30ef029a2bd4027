from datetime import UTC, datetime
from typing import Any

import pytest

from tests.simulator.served_scenario import (
    ACCOUNT,
    ACCOUNTS,
    OTHER_ACCOUNT,
    REGION,
    START,
    Aws,
    authorization,
    error_of,
    serve_scenario,
)
from tests.support import http_requests

ROLE = f"arn:aws:iam::{OTHER_ACCOUNT}:role/path/exporter"
OPEN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/open"
SCENARIO = f"""{ACCOUNTS}
roles:
  - {{arn: "{ROLE}", external_id: "demo"}}
  - {{arn: "{OPEN_ROLE}"}}
operations:
  - {{kind: thing_registration_task, id: there, region: {REGION}, account: "{OTHER_ACCOUNT}",
     timeline: [{{at: 0s, status: InProgress}}]}}
"""


def assume_role(aws: Aws, role: str = ROLE, **more: Any) -> Any:
    return aws.client("sts").assume_role(RoleArn=role, RoleSessionName="session", **more)


def credentials(aws: Aws, **more: Any) -> dict[str, str]:
    keys = assume_role(aws, ExternalId="demo", **more)["Credentials"]
    return {"key": keys["AccessKeyId"], "token": keys["SessionToken"]}


@pytest.mark.parametrize(("parameters", "seconds"), [({}, 3600), ({"DurationSeconds": 900}, 900)])
def test_a_role_is_assumed_for_an_hour_or_the_requested_duration(
    aws: Aws, parameters: dict[str, Any], seconds: int
) -> None:
    response = assume_role(aws, ExternalId="demo", **parameters)
    assert response["Credentials"]["Expiration"] == datetime.fromtimestamp(START + seconds, UTC)
    assert response["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/exporter/session"


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"ExternalId": "wrong"},
        {"RoleArn": "arn:aws:iam::999999999999:role/exporter"},
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/unknown"},
        {"RoleArn": "not-an-arn-but-long-one"},
    ],
)
def test_an_unknown_role_or_a_wrong_external_id_is_denied(aws: Aws, parameters: dict[str, Any]) -> None:
    client, used = aws.client("sts"), {"RoleArn": ROLE, "RoleSessionName": "session", **parameters}
    message = "not authorized to perform: sts:AssumeRole"
    assert error_of(client.assume_role, message, **used) == ("AccessDenied", 403)


def test_a_role_without_an_external_id_can_be_assumed_without_one(aws: Aws) -> None:
    assert assume_role(aws, OPEN_ROLE)["Credentials"]["AccessKeyId"].startswith("ASIA")


def test_without_roles_in_the_scenario_every_role_of_its_accounts_can_be_assumed() -> None:
    with serve_scenario(ACCOUNTS) as aws:
        assert assume_role(aws, f"arn:aws:iam::{OTHER_ACCOUNT}:role/any")["Credentials"]
        unknown = {"RoleArn": "arn:aws:iam::999999999999:role/any", "RoleSessionName": "session"}
        assert error_of(aws.client("sts").assume_role, **unknown) == ("AccessDenied", 403)


def test_the_keys_of_an_assumed_role_access_its_account(aws: Aws) -> None:
    used = credentials(aws)
    identity = aws.client("sts", **used).get_caller_identity()
    assert identity["Account"] == OTHER_ACCOUNT
    assert identity["Arn"] == f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/exporter/session"
    assert aws.client("iot", **used).list_thing_registration_tasks()["taskIds"] == ["there"]


def test_unknown_keys_belong_to_the_first_account(aws: Aws) -> None:
    assert aws.client("sts").get_caller_identity()["Account"] == ACCOUNT
    assert aws.client("iot").list_thing_registration_tasks()["taskIds"] == []


@pytest.mark.parametrize("token", [None, "nonsense", "bm9uc2Vuc2U="])
def test_the_keys_of_an_assumed_role_need_their_token(aws: Aws, token: str | None) -> None:
    key = credentials(aws)["key"]
    iot, sts = (aws.client(service, key=key, token=token) for service in ("iot", "sts"))
    assert error_of(iot.list_thing_registration_tasks) == ("UnrecognizedClientException", 403)
    assert error_of(sts.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_a_session_expires(aws: Aws) -> None:
    used = credentials(aws, DurationSeconds=900)
    aws.clock.at += 900
    assert error_of(aws.client("iot", **used).list_thing_registration_tasks) == ("ExpiredTokenException", 403)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"RoleArn": ROLE},
        {"RoleArn": "short", "RoleSessionName": "session"},
        {"RoleArn": ROLE, "RoleSessionName": "a b"},
        {"RoleArn": ROLE, "RoleSessionName": "session", "DurationSeconds": "899"},
        {"RoleArn": ROLE, "RoleSessionName": "session", "DurationSeconds": "soon"},
    ],
)
def test_a_request_with_invalid_parameters_is_refused(aws: Aws, members: dict[str, str]) -> None:
    response = aws.request("POST", "/", "sts", data={"Action": "AssumeRole", **members})
    assert (response.status_code, "<Code>ValidationError</Code>" in response.text) == (400, True)


@pytest.mark.parametrize("action", ["GetSessionToken", "", "<&\x00>"])
def test_an_action_that_is_not_simulated_is_invalid(aws: Aws, action: str) -> None:
    response = aws.request("POST", "/", "sts", data={"Action": action})
    assert (response.status_code, "<Code>InvalidAction</Code>" in response.text) == (400, True)


def test_the_action_can_be_in_the_query(aws: Aws) -> None:
    response = http_requests.get(
        f"{aws.url}/?Action=GetCallerIdentity&Version=2011-06-15", headers={"authorization": authorization("sts")}
    )
    assert f"<Account>{ACCOUNT}</Account>" in response.text
