"""The limits of the sources of credentials: the largest allowed size is used, and one byte more is refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.aws.credential_chain import MAX_RESPONSE_BYTES, MAX_TOKEN_LENGTH
from exporter.aws.credential_process import MAX_OUTPUT_BYTES
from exporter.core.errors import ApiError, CredentialsError
from tests.aws.test_credential_sources import (
    CASES,
    CONTAINER,
    CONTAINER_KEYS,
    IMDS,
    IRSA,
    METADATA,
    Case,
    endpoint_of,
    failure_of,
    process_case,
    replaced,
    write_files,
)
from tests.aws.test_credentials import NO_KEYS, role_credentials
from tests.support.exporter_server import aws_environment
from tests.support.scripted_endpoint import HttpResponse, json_response

TOKEN_CAUSE = f"FOLDER/token has more than {MAX_TOKEN_LENGTH} characters"
RESPONSE_CAUSE = "the response is larger than 64 KiB"


def padded(content: object, size: int) -> bytes:
    """Return JSON of exactly ``size`` bytes. Spaces at the end belong to no value."""
    return json.dumps(content).encode().ljust(size)


def process(extra: int) -> Case:
    keys = padded({"Version": 1, **CONTAINER_KEYS}, MAX_OUTPUT_BYTES + extra)
    case = process_case("size", "the output is larger than 64 KiB", command="/bin/cat FOLDER/output")
    return replace(case, files={**case.files, "output": keys})


def container(extra: int) -> Case:
    keys = HttpResponse(padded(CONTAINER_KEYS, MAX_RESPONSE_BYTES + extra))
    return Case("container-role", "size", RESPONSE_CAUSE, environment=CONTAINER, responses={"/keys": keys})


def metadata(extra: int) -> Case:
    keys = HttpResponse(padded({"Code": "Success", **CONTAINER_KEYS}, MAX_RESPONSE_BYTES + extra))
    role = {"/latest/api/token": HttpResponse(b"token"), IMDS: HttpResponse(b"reader"), f"{IMDS}reader": keys}
    return Case("IMDS", "size", RESPONSE_CAUSE, environment=METADATA, responses=role)


def web_identity(extra: int) -> Case:
    token = "x" * (MAX_TOKEN_LENGTH + extra)
    responses = {"/": role_credentials("AssumeRoleWithWebIdentity")}
    method = "assume-role-with-web-identity"
    return Case(method, "size", TOKEN_CAUSE, environment=IRSA, files={"token": token}, responses=responses)


def container_token(extra: int) -> Case:
    environment = {**CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "FOLDER/token"}
    token = "x" * (MAX_TOKEN_LENGTH + extra)
    keys = {"/keys": json_response(CONTAINER_KEYS)}
    return Case(
        "container-role", "token size", TOKEN_CAUSE, environment=environment, files={"token": token}, responses=keys
    )


LIMITED = (process, container, metadata, web_identity, container_token)


def error_of(case: Case, folder: Path) -> ApiError:
    """Return the error of a call to AWS. AWS has no such job, so that a call with credentials fails too."""
    with endpoint_of(case) as endpoint:
        write_files(case, folder, endpoint)
        environment = {name: replaced(text, folder, endpoint) for name, text in case.environment.items()}
        with aws_environment(endpoint, **{**NO_KEYS, **environment}):
            return failure_of(case, endpoint)


@pytest.mark.parametrize("limited", LIMITED)
def test_a_byte_more_than_the_limit_is_refused(limited: Callable[[int], Case], home: Path) -> None:
    case = limited(1)
    error = error_of(case, home)
    assert isinstance(error, CredentialsError)
    assert replaced(case.cause, home, "") in error.detail


@pytest.mark.parametrize("limited", LIMITED)
def test_the_largest_allowed_size_is_used(limited: Callable[[int], Case], home: Path) -> None:
    error = error_of(limited(0), home)
    assert not isinstance(error, CredentialsError)
    assert error.api == "DescribeJob"


def test_every_source_that_has_a_limit_is_tested_at_it() -> None:
    sources = {case.method for case in CASES if "too big" in case.failure}
    assert sources == {limited(0).method for limited in LIMITED}
