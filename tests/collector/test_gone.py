"""Only a call that describes an operation can report that it is gone. A 404 of any other call removes nothing."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import SSOProvider

from exporter.cli.commands.watch import End, Filter, watch
from exporter.metrics.summary import CellLine, OperationLine
from tests.aws.test_credentials import NO_KEYS, XML, role_credentials
from tests.cli.test_watch import new_runtime, new_tracker
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment
from tests.support.scripted_endpoint import ACCOUNT_ID, HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

# botocore requests new credentials before each call if they expire in less than ten minutes.
REMAINING = timedelta(minutes=9)
SSO, STS, CONTAINER, DESCRIBE, LIST, TAGS = "/federation/credentials", "/", "/keys", "/jobs/x", "/jobs", "/tags"
KEYS = {"accessKeyId": "ASIA", "secretAccessKey": "secret", "sessionToken": "token"}
NOT_FOUND = error_response("ResourceNotFoundException", 404)
NO_ROLE = b"<ErrorResponse><Error><Code>ResourceNotFoundException</Code><Message>no</Message></Error></ErrorResponse>"
SSO_PROFILE = """
[profile plant]
sso_start_url = https://plant.example
sso_region = eu-west-1
sso_account_id = 111122223333
sso_role_name = reader
"""
CONFIG = """
labels: {tags: [team]}
accounts:
  - account_id: "111122223333"
    watch: [{kind: iot_job, ids: [x], discover: {statuses: [IN_PROGRESS]}}]
"""
ROLE = "    role_arn: arn:aws:iam::111122223333:role/reader\n"


def credentials() -> dict[str, HttpResponse]:
    """Return new credentials of each source, which expire soon."""
    expires = datetime.now(UTC) + REMAINING
    written = f"{expires:%FT%TZ}"
    container = {"AccessKeyId": "ASIA", "SecretAccessKey": "secret", "Token": "token", "Expiration": written}
    role = role_credentials("AssumeRole").body.replace(b"2099-01-01T00:00:00Z", written.encode())
    return {
        SSO: json_response({"roleCredentials": {**KEYS, "expiration": int(expires.timestamp() * 1000)}}),
        STS: HttpResponse(role, headers=XML),
        CONTAINER: json_response(container),
    }


def job(status: str) -> HttpResponse:
    arn = f"arn:aws:iot:eu-west-1:{ACCOUNT_ID}:job/x"
    details = {"numberOfSucceededThings": 3, "numberOfFailedThings": 0}
    return json_response({"job": {"jobId": "x", "jobArn": arn, "status": status, "jobProcessDetails": details}})


@dataclass
class ForgetfulAws(ScriptedAws):
    """An AWS with a job that is completed at its second description. After its first one, a path is not found.

    Whether the list was read before then, in the first refresh, makes no difference.
    """

    missing: str = ""
    not_found: HttpResponse = NOT_FOUND
    described: int = 0

    def find(self, target: str, path: str) -> HttpResponse:
        """Return the response for a path."""
        if path == self.missing and self.described:
            return self.not_found
        if path != DESCRIBE:
            return super().find(target, path)
        self.described += 1
        return job("IN_PROGRESS" if self.described == 1 else "COMPLETED")


@dataclass
class LastView:
    """A view that keeps what it shows."""

    ids: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)

    def __call__(self, operations: Sequence[OperationLine], cells: Sequence[CellLine], now: float) -> None:
        self.ids = [operation.id for operation in operations]
        self.reasons = {reason for cell in cells for reason in cell.reasons}


@pytest.fixture
def sso_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the environment of a profile whose user has signed in."""
    monkeypatch.setattr(SSOProvider, "_SSO_TOKEN_CACHE_DIR", str(tmp_path))
    token = {"accessToken": "token", "expiresAt": "2099-01-01T00:00:00Z", "startUrl": "https://plant.example"}
    # botocore names the file by the SHA-1 of the start URL.
    (tmp_path / "fe01bd00edbc1564eca6233c42499cda83bed196.json").write_text(json.dumps(token))
    (tmp_path / "config").write_text(SSO_PROFILE)
    return {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_PROFILE": "plant", **NO_KEYS}


@pytest.mark.parametrize(
    ("missing", "reasons", "ids", "exit_status"),
    [
        pytest.param(DESCRIBE, set(), [], 1, id="DescribeJob"),
        pytest.param(LIST, {"other"}, ["x"], 3, id="ListJobs"),
        pytest.param(TAGS, set(), ["x"], 0, id="ListTagsForResource"),
        pytest.param(STS, {"credentials"}, ["x"], 3, id="AssumeRole"),
        pytest.param(SSO, {"credentials"}, ["x"], 3, id="GetRoleCredentials"),
        pytest.param(CONTAINER, {"credentials"}, ["x"], 3, id="credentials of a container"),
    ],
)
def test_only_a_missing_description_removes_an_operation(
    missing: str,
    reasons: set[str],
    ids: list[str],
    exit_status: int,
    sso_profile: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The watch looks only at finished refreshes, however slow this machine is.
    monkeypatch.setattr("exporter.cli.commands.watch.TICK", 60.0)
    aws = ForgetfulAws(
        {
            LIST: json_response({"jobs": []}),
            TAGS: json_response({"tags": []}),
            **credentials(),
        },
        missing=missing,
        not_found=HttpResponse(NO_ROLE, 404, XML) if missing == STS else NOT_FOUND,
    )
    clock, view, config = ManualClock(), LastView(), CONFIG + (ROLE if missing == STS else "")
    with ExitStack() as stack:
        endpoint = stack.enter_context(serve_app(aws.app()))
        container = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": endpoint + CONTAINER, **NO_KEYS}
        environment: dict[str, str] = {SSO: sso_profile, CONTAINER: container}.get(missing, {})
        stack.enter_context(aws_environment(endpoint, **environment))

        async def run() -> Any:
            runtime, end = new_runtime(Filter(), config, clock), End(give_up_after=15.0)
            return await watch(runtime, new_tracker(runtime, clock, end), view, clock.clock(), end)

        result = asyncio.run(run())
    assert (view.reasons, view.ids, result.exit_status) == (reasons, ids, exit_status)
