"""Every source of credentials and every way in which it can fail: the reason, the sentence, and what to do.

The sources are real: files, programs, and endpoints that speak STS, IAM Identity Center, and the metadata of containers
and of instances.
"""

import asyncio
import hashlib
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypedDict, Unpack

import pytest
from botocore.credentials import create_credential_resolver
from botocore.session import Session
from prometheus_client import CollectorRegistry

from exporter.aws.causes import address
from exporter.aws.credential_process import ProcessFactory
from exporter.aws.credential_sources import SOURCES, named_source
from exporter.aws.gateway import Gateway
from exporter.config.loader import parse_config
from exporter.core.clock import Clock
from exporter.core.errors import ApiError
from exporter.kinds.kind import ApiCall
from exporter.kinds.registry import KINDS
from exporter.metrics.self_metrics import ApiMetrics
from tests.aws.test_credentials import NO_KEYS, XML, role_credentials
from tests.aws.test_errors import CODES
from tests.support import http_requests
from tests.support.elliptic_keys import EC, new_key_text
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.file_permissions import result_without_file_privileges
from tests.support.processes import run_exporter
from tests.support.repository import ROOT
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import hanging_endpoint, serve_app
from tests.support.simulated_responses import MODELS
from tests.support.waiting import wait_until

# Part of every file, response, program and key. No output may contain it.
SECRET = "S3cr3tC4n4ry"
DESCRIBE = ApiCall("iot", "DescribeJob", quota=10)
CONFIG = "accounts: [{account_id: '111122223333', watch: [{kind: iot_job, ids: [x]}]}]"
ROLE_ARN = f"arn:aws:iam::444455556666:role/{SECRET}"
ROLE_CONFIG = f"""
accounts:
  - name: field
    role_arn: {ROLE_ARN}
    external_id: {SECRET}
    watch: [{{kind: iot_job, ids: [x]}}]
"""
# Time-outs that a test waits for.
# The connection time-out leaves a busy machine so long that the deadline of the whole call does not end it first.
SHORT = "aws: {connect_timeout: 60s, read_timeout: 1s, max_attempts: 1}\n"
# The source has no time-out of its own, so the deadline of the whole call ends it.
SHORT_CALL = "aws: {connect_timeout: 1s, read_timeout: 1s, max_attempts: 1}\n"
KEYS = {"AWS_ACCESS_KEY_ID": f"AKIA{SECRET}", "AWS_SECRET_ACCESS_KEY": SECRET}
FILE_KEYS = f"aws_access_key_id = AKIA{SECRET}\naws_secret_access_key = {SECRET}\n"
SSO_KEYS = f"sso_start_url = https://plant.example/{SECRET}\nsso_region = eu-west-1\n"
SSO_ROLE = "sso_account_id = 111122223333\nsso_role_name = reader\n"
SSO = f"[profile plant]\n{SSO_KEYS}{SSO_ROLE}"
SSO_SESSION = f"[profile plant]\nsso_session = main\n{SSO_ROLE}[sso-session main]\n{SSO_KEYS}"
# botocore names the file of a token by the SHA-1 of the start URL or of the session.
SSO_FILES = ("37d1dd0ed8649f51b35852388a5be6bbf6dd633a.json", "b28b7af69320201d1cf206ebf28373980add1451.json")
TOKEN = {"accessToken": SECRET, "expiresAt": "2199-01-01T00:00:00Z", "startUrl": "https://plant.example"}
OLD_TOKEN = {**TOKEN, "expiresAt": "2020-01-01T00:00:00Z"}
RENEWABLE = {
    **OLD_TOKEN,
    "refreshToken": SECRET,
    "clientId": SECRET,
    "clientSecret": SECRET,
    "registrationExpiresAt": "2199-01-01T00:00:00Z",
}
CONTAINER_KEYS = {
    "AccessKeyId": f"ASIA{SECRET}",
    "SecretAccessKey": SECRET,
    "Token": SECRET,
    "Expiration": "2199-01-01T00:00:00Z",
}
OLD_CONTAINER_KEYS = {**CONTAINER_KEYS, "Expiration": "2020-01-01T00:00:00Z"}
PROCESS_KEYS = {"Version": 1, **CONTAINER_KEYS}
IMDS = "/latest/meta-data/iam/security-credentials/"
EXPIRED = "the credentials have expired, or the system clock is wrong"
MALFORMED = "a response or a file is malformed"
ODD = "contains a space, a line break or a character that is not ASCII"
IRSA = {"AWS_ROLE_ARN": ROLE_ARN, "AWS_WEB_IDENTITY_TOKEN_FILE": "FOLDER/token"}
CONTAINER = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "ENDPOINT/keys"}
METADATA = {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "ENDPOINT"}
HTML = HttpResponse(f"<html>{SECRET}</html>".encode(), headers={"content-type": "text/html"})


def sts_error(code: str, status: int = 400) -> HttpResponse:
    """Return an error of STS."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{SECRET}</Message></Error></ErrorResponse>"
    return HttpResponse(body.encode(), status, XML)


def expired_role(action: str) -> HttpResponse:
    """Return credentials of STS that have expired."""
    return HttpResponse(role_credentials(action).body.replace(b"2099", b"2020"), headers=XML)


class Settings(TypedDict, total=False):
    """The fields of a case that have a default."""

    reason: str
    environment: Mapping[str, str]
    files: Mapping[str, str | bytes | None]
    responses: Mapping[str, HttpResponse]
    profile_name: str
    config: str
    endpoint: str
    unreadable: str


@dataclass(frozen=True, slots=True)
class Case:
    """A source and its failure. FOLDER and ENDPOINT in texts are the test's own.

    ``files`` are below the folder; None is a directory. ``profile_name`` is in the source's name.
    ``endpoint`` is where AWS is: served, refusing or hanging.
    ``unreadable`` is a file that the exporter's user may not read.
    """

    method: str
    failure: str
    cause: str
    reason: str = "credentials"
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str | bytes | None] = field(default_factory=dict)
    responses: Mapping[str, HttpResponse] = field(default_factory=dict)
    profile_name: str = "plant"
    config: str = CONFIG
    endpoint: str = "served"
    unreadable: str = ""

    @property
    def expected(self) -> str:
        """The whole sentence."""
        if self.method not in SOURCES:
            return self.cause
        name, cure = (
            text.format(profile=self.profile_name) for text in (SOURCES[self.method].name, SOURCES[self.method].cure)
        )
        return f"no credentials from {name}: {self.cause}; {cure}"


class NewCase(Protocol):
    """Returns a case of a source that calls STS."""

    def __call__(self, *, method: str, failure: str, cause: str, **more: Unpack[Settings]) -> Case: ...


def profile_case(method: str, failure: str, cause: str, profile: str, **more: Unpack[Settings]) -> Case:
    """Return a case whose profile ``plant`` is in the configuration file."""
    settings: Settings = {
        **more,
        "environment": {"AWS_PROFILE": "plant", "AWS_CONFIG_FILE": "FOLDER/config", **more.get("environment", {})},
        "files": {"config": profile, **more.get("files", {})},
    }
    return Case(method, failure, cause, **settings)


def process_case(failure: str, cause: str, script: str = "", command: str = "", **more: Unpack[Settings]) -> Case:
    """Return a case of a ``credential_process``, which is a shell script or another command."""
    program = command or "/bin/sh FOLDER/program"
    profile = f"[profile plant]\ncredential_process = {program}\n"
    settings: Settings = {**more, "files": {"program": script}}
    return profile_case("custom-process", failure, cause, profile, **settings)


def printing(content: object) -> str:
    """Return a script that prints JSON, and a secret as an error."""
    return f"echo '{json.dumps(content)}'; echo {SECRET} >&2"


def environment_cases() -> Iterator[Case]:
    key, secret = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
    yield Case("env", "half absent", f"{secret} is missing", environment={key: SECRET})
    for name, text in ((key, "access key"), (secret, "secret key"), ("AWS_SESSION_TOKEN", "session token")):
        yield Case("env", f"line break in the {text}", f"the {text} {ODD}", environment={**KEYS, name: f"{SECRET}\n"})
    yield Case("env", "not ASCII", f"the access key {ODD}", environment={**KEYS, key: f"{SECRET}é"})
    expiry = "AWS_CREDENTIAL_EXPIRATION"
    yield Case("env", "expired", EXPIRED, environment={**KEYS, expiry: "2020-01-01T00:00:00Z"})
    yield Case("env", "malformed", MALFORMED, environment={**KEYS, expiry: SECRET})


def file_cases() -> Iterator[Case]:
    missing = "profile plant is not in the AWS configuration; correct AWS_PROFILE, or add the profile"
    yield Case("AWS configuration", "absent", missing, environment={"AWS_PROFILE": "plant"})
    for name, content in (("malformed", f"[profile {SECRET}\n"), ("not a text", b"[default]\nx = \xff\n")):
        files, environment = {"config": content}, {"AWS_CONFIG_FILE": "FOLDER/config"}
        yield Case(
            "AWS configuration",
            name,
            "the file FOLDER/config cannot be parsed; correct it",
            environment=environment,
            files=files,
        )
    denied = "the file FOLDER/config cannot be read: permission denied"
    missing = f"profile plant is not in the AWS configuration; {denied}; correct AWS_PROFILE, or add the profile"
    nothing = nothing_found("switched off").replace("; configure", f"; {denied}; configure")
    for profile, sentence in (({"AWS_PROFILE": "plant"}, missing), ({}, nothing)):
        environment = {"AWS_CONFIG_FILE": "FOLDER/config", **profile}
        files = {"config": f"[default]\n{FILE_KEYS}[profile plant]\n{FILE_KEYS}"}
        case = Case("AWS configuration", f"unreadable, {[*profile]}", sentence, environment=environment, files=files)
        yield replace(case, unreadable="config")
    for method, variable, head in (
        ("shared-credentials-file", "AWS_SHARED_CREDENTIALS_FILE", "[plant]\n"),
        ("config-file", "AWS_CONFIG_FILE", "[profile plant]\n"),
    ):
        environment = {"AWS_PROFILE": "plant", variable: "FOLDER/keys"}
        half, bad = f"{head}aws_access_key_id = {SECRET}\n", head + FILE_KEYS.replace("AKIA", "A KIA")
        cause = "aws_secret_access_key is missing"
        yield Case(method, "half absent", cause, environment=environment, files={"keys": half})
        yield Case(method, "space in the key", f"the access key {ODD}", environment=environment, files={"keys": bad})


def role_cases() -> Iterator[Case]:
    head, base = f"[profile plant]\nrole_arn = {ROLE_ARN}\n", f"[profile base]\n{FILE_KEYS}"
    sourced = f"{head}source_profile = base\nexternal_id = {SECRET}\n"
    whole = sourced + base
    source = "source_profile or credential_source is missing"
    yield profile_case("assume-role", "no source", source, head)
    both = 'The profile "plant" contains both source_profile and credential_source'
    yield profile_case("assume-role", "two sources", both, f"{sourced}credential_source = Environment\n")
    absent = 'The source_profile "base" referenced in the profile "plant" does not exist'
    yield profile_case("assume-role", "absent source", absent, sourced)
    empty = 'The source profile "base" must have credentials'
    yield profile_case("assume-role", "empty source", empty, f"{sourced}[profile base]\nregion = eu-west-1\n")
    loop = f"[profile base]\nrole_arn = {ROLE_ARN}\nsource_profile = plant\n"
    yield profile_case("assume-role", "loop", "source_profile plant leads back to itself", sourced + loop)
    unknown = 'The credential source "Moon" referenced in profile "plant" is not valid'
    yield profile_case("assume-role", "unknown source", unknown, f"{head}credential_source = Moon\n")
    nothing = "the source Environment has no credentials"
    yield profile_case("assume-role", "no environment", nothing, f"{head}credential_source = Environment\n")
    mfa = "mfa_serial requires a code, which the exporter never asks for; use a role without MFA"
    mfa = f"no credentials from the role of profile plant: {mfa}"
    yield profile_case("MFA", "MFA", mfa, f"{sourced}mfa_serial = arn:aws:iam::1:mfa/{SECRET}\n{base}")
    yield from sts_cases("assume-role", "AssumeRole", lambda **more: profile_case(profile=whole, **more))
    process = "[profile base]\ncredential_process = /no/such/program\n"
    cause = "the program cannot be started: no such file or directory"
    yield profile_case("custom-process", "source of a role", cause, sourced + process, profile_name="base")


def sts_cases(method: str, action: str, case: NewCase) -> Iterator[Case]:
    """Yield what can happen to a call of STS."""
    meanings = {
        "ValidationError": "",
        "PackedPolicyTooLarge": "",
        "ExpiredTokenException": ": the token has expired",
        "InvalidClientTokenId": ": AWS does not know the access key",
    }
    if action == "AssumeRoleWithWebIdentity":
        meanings["InvalidIdentityToken"] = ": the token does not fit the identity provider in IAM"
        meanings["IDPCommunicationError"] = ": AWS cannot reach the identity provider"
    for code, meaning in meanings.items():
        cause = f"AWS returned {code} (HTTP 400) for {action}{meaning}"
        yield case(method=method, failure=code, cause=cause, responses={"/": sts_error(code)})
    denied = f"AWS returned AccessDenied (HTTP 403) for {action}"
    response = sts_error("AccessDenied", 403)
    yield case(method=method, failure="denied", cause=denied, responses={"/": response}, reason="access_denied")
    gone = f"AWS returned 4xx (HTTP 404) for {action}"
    yield case(method=method, failure="404", cause=gone, responses={"/": sts_error("NoSuchRole", 404)})
    yield case(method=method, failure="malformed", cause=MALFORMED, responses={"/": HTML})
    expired = {"/": expired_role(action)}
    yield case(method=method, failure="expired", cause=EXPIRED, responses=expired)
    yield case(
        method=method, failure="refused", cause="cannot connect to ADDRESS: connection refused", endpoint="refusing"
    )
    hanging = "ADDRESS did not respond before the time-out"
    yield case(method=method, failure="hanging", cause=hanging, endpoint="hanging", config=SHORT + CONFIG)


def web_identity_cases() -> Iterator[Case]:
    method = "assume-role-with-web-identity"

    def case(
        failure: str, cause: str, token: str | bytes | None = SECRET, method: str = method, **more: Unpack[Settings]
    ) -> Case:
        settings: Settings = {**more, "environment": IRSA, "files": {"token": token}}
        return Case(method, failure, cause, **settings)

    missing = "FOLDER/token: no such file or directory"
    yield Case(method, "absent", missing, environment=IRSA)
    yield case(failure="a directory", cause="FOLDER/token is not a file", token=None)
    yield case(failure="unreadable", cause="FOLDER/token: permission denied", unreadable="token")
    yield case(failure="empty", cause="FOLDER/token is empty", token="\n")
    yield case(failure="not a text", cause="FOLDER/token is not a text", token=b"\xff\xfe")
    yield case(failure="too big", cause="FOLDER/token has more than 20000 characters", token="x" * 20_001)
    role = "there is no role; set AWS_ROLE_ARN, or role_arn in the profile"
    environment = {"AWS_WEB_IDENTITY_TOKEN_FILE": "FOLDER/token"}
    yield Case(method, "no role", role, environment=environment, files={"token": SECRET})
    yield from sts_cases(method, "AssumeRoleWithWebIdentity", case)


def token_cases(name: str, profile: str, file: str) -> Iterator[Case]:
    """Yield what can happen to the cached token of a profile, and to the call with it."""
    path = "/federation/credentials"

    def case(failure: str, cause: str, token: object = TOKEN, **more: Unpack[Settings]) -> Case:
        content = token if isinstance(token, str) else json.dumps(token)
        settings: Settings = {**more, "files": {file: content}}
        return profile_case("sso", failure + name, cause, profile, **settings)

    yield profile_case("sso", f"absent{name}", "the SSO cache has no valid token", profile)
    yield case("unreadable", "the cached token cannot be read", unreadable=file)
    yield case("malformed token", "the cached token cannot be read", f"{{{SECRET}")
    yield case("token without a time", "the SSO cache has no valid token", {"accessToken": SECRET})
    yield case("token with another time", MALFORMED, {**TOKEN, "expiresAt": SECRET})
    yield case("a list", "the SSO cache has no valid token", [SECRET])
    old = "the token has expired and cannot be renewed" if name else "the SSO session has expired"
    yield case("expired", old, OLD_TOKEN)
    unauthorized = {path: error_response("UnauthorizedException", 401, SECRET)}
    yield case("unauthorized", "the SSO session has expired", responses=unauthorized)
    denied = {path: error_response("ForbiddenException", 403, SECRET)}
    cause = "AWS returned ForbiddenException (HTTP 403) for GetRoleCredentials"
    yield case("denied", cause, responses=denied, reason="access_denied")
    cause = "AWS returned ResourceNotFoundException (HTTP 404) for GetRoleCredentials"
    yield case("not found", cause)
    yield case("malformed", "roleCredentials is missing", responses={path: HTML})
    yield case("no keys", "roleCredentials is missing", responses={path: json_response({})})
    yield case("refused", "cannot connect to ADDRESS: connection refused", endpoint="refusing")
    cause = "ADDRESS did not respond before the time-out"
    yield case("hanging", cause, endpoint="hanging", config=SHORT + CONFIG)


def sso_cases() -> Iterator[Case]:
    yield from token_cases("", SSO, SSO_FILES[0])
    yield from token_cases(" (session)", SSO_SESSION, SSO_FILES[1])
    half = 'The profile "plant" is configured to use SSO but is missing required configuration: sso_region'
    yield profile_case("sso", "half absent", half, SSO.replace("sso_region = eu-west-1\n", ""))
    unknown = 'The specified sso-session does not exist: "main"'
    yield profile_case("sso", "unknown session", unknown, SSO_SESSION.replace("[sso-session main]", "[sso-session x]"))
    other = "The value for sso_region is inconsistent between profile and sso-session"
    profile = SSO_SESSION.replace("sso_session = main", "sso_session = main\nsso_region = us-east-1")
    yield profile_case("sso", "two values", other, profile)
    refused = {"/token": error_response("InvalidGrantException", 400, SECRET)}
    cause = "the token has expired and cannot be renewed"
    files = {SSO_FILES[1]: json.dumps(RENEWABLE)}
    yield profile_case("sso", "renewal refused", cause, SSO_SESSION, files=files, responses=refused)


def process_cases() -> Iterator[Case]:
    start = "the program cannot be started"
    yield process_case("absent", f"{start}: no such file or directory", command=f"/no/such/{SECRET}")
    yield process_case("not executable", f"{start}: permission denied", SECRET, command="FOLDER/program")
    failed = "the program ended with status 1"
    yield process_case("unreadable", failed, SECRET, command="/bin/cat FOLDER/program", unreadable="program")
    yield process_case("a directory", f"{start}: permission denied", command="FOLDER")
    yield process_case("open quote", MALFORMED, command=f"'{SECRET}")
    yield process_case("refused", "the program ended with status 3", f"echo {SECRET} >&2; echo {SECRET}; exit 3")
    yield process_case("killed", "the program ended with status -9", f"echo {SECRET}; kill -9 $$")
    yield process_case("empty", "the output is empty", "")
    yield process_case("not JSON", "the output is not JSON", f"echo {SECRET}")
    yield process_case("a list", "the output is not a JSON object", printing([SECRET]))
    yield process_case(
        "another version", "Version in the output is not 1", printing({**PROCESS_KEYS, "Version": SECRET})
    )
    for name in ("AccessKeyId", "SecretAccessKey"):
        partial = {key: value for key, value in PROCESS_KEYS.items() if key != name}
        yield process_case(f"no {name}", f"{name} is missing in the output", printing(partial))
    malformed = {**PROCESS_KEYS, "Expiration": SECRET}
    yield process_case("malformed time", "Expiration in the output is not a time", printing(malformed))
    yield process_case("expired", EXPIRED, printing({"Version": 1, **OLD_CONTAINER_KEYS, "SessionToken": SECRET}))
    yield process_case(
        "line break", f"the access key {ODD}", printing({"Version": 1, "AccessKeyId": "A B", "SecretAccessKey": SECRET})
    )
    yield process_case("too big", "the output is larger than 64 KiB", f"yes {SECRET}")
    hanging = "no response before the time-out"
    yield process_case(
        "hanging", hanging, "exec sleep 4", config="aws: {connect_timeout: 100ms, read_timeout: 100ms}\n" + CONFIG
    )


def container_cases() -> Iterator[Case]:
    def case(failure: str, cause: str, keys: object = CONTAINER_KEYS, **more: Unpack[Settings]) -> Case:
        response = keys if isinstance(keys, HttpResponse) else json_response(keys)
        environment = {**CONTAINER, **more.get("environment", {})}
        settings: Settings = {**more, "environment": environment, "responses": {"/keys": response}}
        return Case("container-role", failure, cause, **settings)

    yield case("refused", "cannot connect to ADDRESS: connection refused", endpoint="refusing")
    hanging = "no response before the time-out"
    yield case("hanging", hanging, endpoint="hanging", config=SHORT_CALL + CONFIG)
    for status in (400, 401, 403, 404, 500):
        yield case(str(status), f"the response has status {status}", HttpResponse(SECRET.encode(), status))
    yield case("malformed", "the response contains no credentials", HTML)
    yield case("too big", "the response is larger than 64 KiB", {**CONTAINER_KEYS, "Padding": SECRET * 20_000})
    yield case("not a text", "the response is not a text", HttpResponse(b"\xff"))
    yield case("a list", "the response is not a JSON object", [SECRET])
    for name in ("AccessKeyId", "SecretAccessKey", "Token", "Expiration"):
        keys = {key: value for key, value in CONTAINER_KEYS.items() if key != name}
        yield case(f"no {name}", f"{name} is missing", keys)
    yield case("expired", EXPIRED, OLD_CONTAINER_KEYS)
    yield case("malformed time", MALFORMED, {**CONTAINER_KEYS, "Expiration": SECRET})
    yield case("a number", "the access key is empty", {**CONTAINER_KEYS, "AccessKeyId": ""})
    yield case("line break", f"the session token {ODD}", {**CONTAINER_KEYS, "Token": f"{SECRET}\n"})
    variable = "AWS_CONTAINER_AUTHORIZATION_TOKEN"
    file = {f"{variable}_FILE": "FOLDER/token"}
    yield case("token absent", "FOLDER/token: no such file or directory", environment=file)
    secret = {"token": SECRET}
    denied = "FOLDER/token: permission denied"
    yield case("token unreadable", denied, environment=file, files=secret, unreadable="token")
    yield case("token a directory", "FOLDER/token is not a file", environment=file, files={"token": None})
    yield case("token empty", "FOLDER/token is empty", environment=file, files={"token": ""})
    yield case("token with a line break", f"FOLDER/token {ODD}", environment=file, files={"token": f"{SECRET}\n"})
    big = "FOLDER/token has more than 20000 characters"
    yield case("token too big", big, environment=file, files={"token": SECRET * 2000})
    yield case("line break in the variable", f"{variable} {ODD}", environment={variable: f"{SECRET}\n"})
    uri = "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected https, a loopback address or the address of an agent"
    for url in (f"http://example.com/{SECRET}", f"localhost/{SECRET}", SECRET):
        yield case(f"URL {url[:9]}", uri, environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": url})


def metadata_cases() -> Iterator[Case]:
    def case(failure: str, cause: str, **more: Unpack[Settings]) -> Case:
        settings: Settings = {"environment": METADATA, **more}
        return Case("IMDS", failure, nothing_found(cause), **settings)

    role = {"/latest/api/token": HttpResponse(SECRET.encode()), IMDS: HttpResponse(b"reader")}
    refused = {"Code": "AssumeRoleUnauthorizedAccess", "Message": SECRET}
    yield case("switched off", "switched off", environment={})
    yield case("refused", "cannot connect to ADDRESS: connection refused", endpoint="refusing")
    yield case("hanging", "ADDRESS did not respond before the time-out", endpoint="hanging")
    yield case("no role", "the response has status 404")
    yield case("no keys", "the response has status 404", responses=role)
    for name, keys in (
        ("malformed", HTML),
        ("empty", HttpResponse(b"")),
        ("not trusted", json_response(refused)),
        ("half absent", json_response({"AccessKeyId": SECRET})),
    ):
        cause = "the response contains no credentials"
        yield case(name, cause, responses={**role, f"{IMDS}reader": keys})
    big = json_response({**CONTAINER_KEYS, "Padding": SECRET * 20_000})
    yield case("too big", "the response is larger than 64 KiB", responses={**role, f"{IMDS}reader": big})
    bad = {**CONTAINER_KEYS, "Expiration": SECRET}
    responses = {**role, f"{IMDS}reader": json_response(bad)}
    yield Case(
        "iam-role", "malformed time", MALFORMED, environment=METADATA, responses=responses, profile_name="default"
    )


def nothing_found(metadata: str) -> str:
    places = "the environment, profile default and the container have none"
    return f"no credentials: {places}; instance metadata (IMDS): {metadata}; configure a source of credentials"


def account_cases() -> Iterator[Case]:
    def case(method: str, failure: str, cause: str, **more: Unpack[Settings]) -> Case:
        config = more.get("config", "").replace(CONFIG, "") + ROLE_CONFIG
        settings: Settings = {**more, "environment": KEYS, "profile_name": "field", "config": config}
        return Case(method, failure, cause, **settings)

    yield from sts_cases("account-role", "AssumeRole", case)
    cut = HttpResponse(role_credentials("AssumeRole").body[:200], headers=XML, content_length=400)
    yield case(method="account-role", failure="cut", cause="the response body is incomplete", responses={"/": cut})
    yield Case("IMDS", "absent source of an account", nothing_found("switched off"), config=ROLE_CONFIG)
    source = {"AWS_ACCESS_KEY_ID": SECRET}
    cause = "AWS_SECRET_ACCESS_KEY is missing"
    yield Case("env", "source of an account", cause, environment=source, config=ROLE_CONFIG)


def login_cases() -> Iterator[Case]:
    session = f"arn:aws:iam::1:user/{SECRET}"
    profile = f"[profile plant]\nlogin_session = {session}\n"
    file = f"{hashlib.sha256(session.encode()).hexdigest()}.json"
    keys = {"accessKeyId": f"ASIA{SECRET}", "secretAccessKey": SECRET, "sessionToken": SECRET, "accountId": "1"}
    new = {**keys, "expiresAt": "2199-01-01T00:00:00Z"}
    old = {**keys, "expiresAt": "2020-01-01T00:00:00Z"}
    cached = {"accessToken": old, "refreshToken": SECRET, "dpopKey": new_key_text(), "clientId": SECRET}

    def case(failure: str, cause: str, cache: object = cached, **more: Unpack[Settings]) -> Case:
        content = cache if isinstance(cache, str) else json.dumps(cache)
        environment = {"AWS_LOGIN_CACHE_DIRECTORY": "FOLDER"}
        settings: Settings = {**more, "environment": environment, "files": {file: content}}
        return profile_case("login", failure, cause, profile, **settings)

    package = "a package of the AWS SDK, such as awscrt, is not installed"
    yield profile_case("login", "awscrt absent", package, profile)
    nothing = "the login cache has no valid session"
    elsewhere = {"AWS_LOGIN_CACHE_DIRECTORY": "FOLDER"}
    yield profile_case("login", "absent", nothing, profile, environment=elsewhere)
    yield case("unreadable", "the cached token cannot be read", unreadable=file)
    yield case("malformed cache", "the cached token cannot be read", f"{{{SECRET}")
    yield case("a list", nothing, [SECRET])
    for name in cached:
        yield case(f"no {name}", nothing, {key: value for key, value in cached.items() if key != name})
    yield case("no keys", MALFORMED, {**cached, "accessToken": {}})
    yield case("malformed time", MALFORMED, {**cached, "accessToken": {**keys, "expiresAt": SECRET}})
    yield case("malformed key", nothing, {**cached, "dpopKey": SECRET})
    yield case("line break", f"the access key {ODD}", {**cached, "accessToken": {**new, "accessKeyId": f"{SECRET}\n"}})
    yield case("refused", "cannot connect to ADDRESS: connection refused", endpoint="refusing")
    yield case("hanging", "ADDRESS did not respond before the time-out", endpoint="hanging", config=SHORT + CONFIG)
    path = "/v1/token"
    for error, cause in (
        ("TOKEN_EXPIRED", "the login session has expired"),
        ("USER_CREDENTIALS_CHANGED", "the login session has expired"),
        ("INSUFFICIENT_PERMISSIONS", "signin:CreateOAuth2Token is not allowed"),
        ("OTHER", "the login session is not valid"),
    ):
        body = json.dumps({"error": error, "message": SECRET}).encode()
        headers = {"content-type": "application/json", "x-amzn-errortype": "AccessDeniedException"}
        yield case(f"denied, {error}", cause, responses={path: HttpResponse(body, 403, headers)})
    yield case("malformed response", MALFORMED, responses={path: HTML})
    yield case("empty response", MALFORMED, responses={path: json_response({})})


CASES = (
    *environment_cases(),
    *file_cases(),
    *role_cases(),
    *web_identity_cases(),
    *sso_cases(),
    *process_cases(),
    *container_cases(),
    *metadata_cases(),
    *account_cases(),
    *login_cases(),
)


@contextmanager
def endpoint_of(case: Case) -> Iterator[str]:
    """Yield the URL of the case's AWS."""
    if case.endpoint == "refusing":
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    elif case.endpoint == "hanging":
        with hanging_endpoint() as (url, _):
            yield url
    else:
        with serve_app(ScriptedAws(dict(case.responses)).app()) as url:
            yield url


def write_files(case: Case, folder: Path, endpoint: str) -> None:
    """Write the files of a case."""
    for name, content in case.files.items():
        if content is None:
            (folder / name).mkdir()
        elif isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            (folder / name).write_text(replaced(content, folder, endpoint), encoding="utf-8")
    if case.unreadable:
        (folder / case.unreadable).chmod(0)


def replaced(text: str, folder: Path, endpoint: str) -> str:
    """Return a text with the test's folder and endpoint."""
    return text.replace("FOLDER", str(folder)).replace("ENDPOINT", endpoint).replace("ADDRESS", address(endpoint))


@pytest.fixture
def elliptic_keys(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys for a login, except where the case is their absence."""
    if "awscrt absent" not in request.node.name:
        monkeypatch.setattr("botocore.credentials.EC", EC)


def failure_of(case: Case, endpoint: str) -> ApiError:
    """Return the error of one call to AWS."""
    config = parse_config(case.config, KINDS)
    gateway = Gateway(MODELS, config.aws, ApiMetrics(CollectorRegistry()), Clock())

    async def fail() -> None:
        api = await gateway.connect(config.accounts[0], "eu-west-1", "iot_job")
        await api.call(DESCRIBE, jobId="x")

    with pytest.raises(ApiError) as raised:
        asyncio.run(fail())
    return raised.value


@pytest.mark.usefixtures("elliptic_keys")
@pytest.mark.parametrize("case", [pytest.param(case, id=f"{case.method}-{case.failure}") for case in CASES])
def test_a_failure_to_get_credentials_has_its_reason_its_sentence_and_its_cure(case: Case, home: Path) -> None:
    with endpoint_of(case) as endpoint:
        write_files(case, home, endpoint)
        environment = {name: replaced(text, home, endpoint) for name, text in case.environment.items()}
        with aws_environment(endpoint, **{**NO_KEYS, **environment}):
            error = result_without_file_privileges(lambda: failure_of(case, endpoint))
    assert (error.reason, error.detail) == (case.reason, replaced(case.expected, home, endpoint))
    assert SECRET not in f"{error!r} {error} {error.code}"
    assert error.code in CODES


@pytest.mark.parametrize("method", sorted({case.method for case in CASES}))
def test_every_place_names_the_source_and_the_cure(method: str, home: Path) -> None:
    case = next(case for case in CASES if case.method == method)
    with endpoint_of(case) as endpoint:
        write_files(case, home, endpoint)
        environment = {name: replaced(text, home, endpoint) for name, text in case.environment.items()}
        with serve_exporter(case.config, endpoint) as exporter, aws_environment(endpoint, **{**NO_KEYS, **environment}):
            metrics = exporter.scrape()
            (cell,) = http_requests.get(f"{exporter.url}/api/v1/cells").json()["cells"]
            file = home / "exporter.yaml"
            file.write_text(case.config, encoding="utf-8")
            check = run_exporter("check", f"--config.file={file}", "--live", environment=dict(os.environ))
            page = http_requests.get(exporter.url).text
            outputs = (metrics, page, json.dumps(cell), check.stdout, check.stderr, exporter.log.getvalue())
    sentence = replaced(case.expected, home, endpoint)
    assert f"{case.reason}: {sentence}" in check.stdout
    assert cell["causes"] == [f"{case.reason}: {sentence}"]
    assert f'reason="{case.reason}"}} 1.0' in metrics
    assert sentence in outputs[-1].replace("\\", "")
    assert [output for output in outputs if SECRET in output] == []


@pytest.mark.parametrize("page", ["docs/troubleshooting.md", "docs/runbooks/AwsIotBulkExporterCellDown.md"])
def test_the_pages_for_operators_link_to_the_sources_of_credentials(page: str) -> None:
    assert "aws-permissions.md#find-the-cause-of-missing-credentials" in (ROOT / page).read_text(encoding="utf-8")


def test_every_sentence_has_a_row_with_its_cure_in_the_documents() -> None:
    page = (
        (ROOT / "docs" / "aws-permissions.md").read_text(encoding="utf-8").partition("cause of missing credentials")[2]
    )
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")]
    patterns = [f"^(no credentials from )?{pattern(cells[0])}.*; {pattern(cells[-1])}$" for cells in rows]
    sentences = {case.expected for case in CASES}
    assert [text for text in sentences if not any(re.search(row, text) for row in patterns)] == []


def pattern(cell: str) -> str:
    """Return the regular expression of a cell, in which NAME and PATH are any word."""
    return re.sub(r"\b(NAME|PATH)\b", r"\\S+", re.escape(cell))


def test_every_source_of_the_chain_is_in_the_table() -> None:
    with aws_environment("http://127.0.0.1:9"):
        methods = {provider.METHOD for provider in create_credential_resolver(Session()).providers}
    assert methods <= SOURCES.keys()
    assert methods - {"ec2-credentials-file", "boto-config", "iam-role"} <= {case.method for case in CASES}
    assert named_source("new", "x").error("absent").detail.startswith("no credentials from the source new: absent; ")


def test_a_hanging_program_is_killed_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    factory = ProcessFactory(named_source("custom-process", "plant").error, 0.5)
    process = factory(["/bin/sh", "-c", f"sleep 1000 & echo $! > {pid}; wait"])
    with pytest.raises(ApiError, match="did not end within 0") as raised:
        process.communicate()
    assert raised.value.code == "timeout"
    stat_file = Path(f"/proc/{int(pid.read_text())}/stat")

    def is_ended() -> bool:
        # A process that has ended keeps its entry until its parent has read its status.
        return not stat_file.exists() or stat_file.read_text().split(")")[1].split()[0] == "Z"

    wait_until(lambda: is_ended() or None, "the end of the child")
