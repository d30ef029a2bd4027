"""Malformed responses that botocore parses as successes, over HTTP through real clients: every one is refused.

Other responses are broken below the HTTP status: cut chunks, encodings that were not requested, redirects.
"""

import asyncio
import gc
import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from exporter.aws.gateway import Gateway
from exporter.aws.models import Models
from exporter.config.sections import Account, Aws
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, Reason
from exporter.kinds import greengrass_bulk_deployment, thing_registration_task
from exporter.kinds.kind import FetchRequest, Kind
from exporter.metrics.self_metrics import ApiMetrics
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

ACCOUNT_ID = "111122223333"
ACCOUNT = Account(account_id=ACCOUNT_ID)
TASK, DEPLOYMENT = thing_registration_task.KIND, greengrass_bulk_deployment.KIND
PATH, LIST = "/thing-registration-tasks/a", "/thing-registration-tasks"
PATHS = {"DescribeThingRegistrationTask": PATH, "GetBulkDeploymentStatus": "/greengrass/bulk/deployments/a/status"}
LISTS = {"ListThingRegistrationTasks": LIST, "ListBulkDeployments": "/greengrass/bulk/deployments"}
HTML = b"<html><body>Please log in</body></html>"
JSON = {"content-type": "application/json"}
IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Account>%s</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""
GOOD = {
    "DescribeThingRegistrationTask": b'{"taskId":"a","status":"Failed"}',
    "GetBulkDeploymentStatus": b'{"BulkDeploymentStatus":"Failed"}',
    "ListThingRegistrationTasks": b'{"taskIds":[]}',
    "ListBulkDeployments": b'{"BulkDeployments":[]}',
}
MALFORMED_BODIES = {
    "html": HttpResponse(HTML, headers={"content-type": "text/html"}),
    "html with the type of json": HttpResponse(HTML, headers=JSON),
    "empty object": HttpResponse(b"{}"),
    "empty": HttpResponse(b""),
    "no content": HttpResponse(b"", status=204),
    "list": HttpResponse(b"[]"),
    "null": HttpResponse(b"null"),
    "number": HttpResponse(b"7"),
    "text": HttpResponse(b'"words"'),
    "not UTF-8": HttpResponse(b'{"status":"\xff"}'),
    "deep": HttpResponse(b'{"a":' * 100_000),
    "two objects": HttpResponse(b"{}{}"),
}
PROXY_BODIES = [b"<!DOCTYPE html><html><br>Bad</html>", b"no healthy upstream", b'["x"]', b"\x1f\x8b\xff", b"{}", b""]
RETRYABLE = [(429, Reason.THROTTLED), (500, Reason.SERVER_ERROR), (503, Reason.SERVER_ERROR)]
WRONG = {
    "DescribeThingRegistrationTask": [
        b'{"status":""}',
        b'{"status":null}',
        b'{"status":7}',
        b'{"status":["Failed"]}',
        b'{"status":"Failed","creationDate":NaN}',
        b'{"status":"Failed","creationDate":Infinity}',
        b'{"status":"Failed","creationDate":1e300}',
        b'{"status":"Failed","creationDate":"soon"}',
        b'{"status":"Failed","creationDate":"10:00 EST"}',
        b'{"status":"Failed","creationDate":"0001-01-01T00:00:00+10:00"}',
        b'{"status":"Failed","creationDate":[]}',
        b'{"status":"Failed","successCount":-1}',
        b'{"status":"Failed","successCount":1' + b"0" * 400 + b"}",
        b'{"status":"Failed","successCount":1' + b"0" * 5000 + b"}",
        b'{"status":"Failed","successCount":"many"}',
        b'{"status":"Failed","successCount":1.5}',
        b'{"status":"Failed","successCount":NaN}',
        b'{"status":"Failed","successCount":{}}',
        b'{"status":"Failed","successCount":"5"}',
        b'{"status":"Failed","successCount":true}',
        b'{"status":"Failed","percentageProgress":101}',
        b'{"status":"Failed","inputFileBucket":7}',
    ],
    "GetBulkDeploymentStatus": [
        b'{"BulkDeploymentStatus":{}}',
        b'{"BulkDeploymentStatus":"Failed","BulkDeploymentMetrics":[]}',
        b'{"BulkDeploymentStatus":"Failed","BulkDeploymentMetrics":{"RecordsProcessed":-1}}',
        b'{"BulkDeploymentStatus":"Failed","ErrorDetails":"words"}',
        b'{"BulkDeploymentStatus":"Failed","ErrorDetails":{}}',
        b'{"BulkDeploymentStatus":"Failed","ErrorDetails":[7]}',
        b'{"BulkDeploymentStatus":"Failed","ErrorDetails":[null]}',
        b'{"BulkDeploymentStatus":"Failed","CreatedAt":7}',
        b'{"BulkDeploymentStatus":"Failed","tags":{"team":7}}',
        b'{"BulkDeploymentStatus":"Failed","tags":{"team":null}}',
        b'{"BulkDeploymentStatus":"Failed","tags":[]}',
        b'{"BulkDeploymentStatus":"Failed","tags":{"team":"' + b"x" * 3000 + b'"}}',
    ],
    "ListThingRegistrationTasks": [
        b'{"taskIds":null}',
        b'{"taskIds":[null]}',
        b'{"taskIds":[""]}',
        b'{"taskIds":[{}]}',
        b'{"taskIds":"abc"}',
        b'{"taskIds":{}}',
        b'{"nextToken":"x"}',
    ],
    "ListBulkDeployments": [
        b'{"BulkDeployments":{}}',
        b'{"BulkDeployments":[null]}',
        b'{"BulkDeployments":"abc"}',
        b'{"BulkDeployments":["abc"]}',
        b'{"BulkDeployments":[{}]}',
        b'{"BulkDeployments":[{"BulkDeploymentId":7}]}',
    ],
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls a scripted AWS."""

    aws: ScriptedAws
    models: Models

    def call(
        self, api: str, response: HttpResponse, account: Account = ACCOUNT, max_attempts: int = 1
    ) -> tuple[ApiError | None, CollectorRegistry]:
        """Call one API that has this response. Return the error, and the metrics."""
        self.aws.responses[(PATHS | LISTS)[api]] = response
        registry = CollectorRegistry()
        settings = Aws.model_validate({"max_attempts": max_attempts, "read_timeout": "1m"})
        gateway = Gateway(self.models, settings, ApiMetrics(registry), Clock())
        try:
            asyncio.run(_call(gateway, api, account))
        except ApiError as error:
            return error, registry
        return None, registry


async def _call(gateway: Gateway, api: str, account: Account) -> None:
    kind: Kind[Any] = DEPLOYMENT if "BulkDeployment" in api else TASK
    scope = await gateway.connect(account, "eu-west-1", "test")
    if api in PATHS:
        await kind.fetch(scope, FetchRequest("a"))
        return
    async for page in scope.pages(kind.discovery.call):
        list(kind.discovery.entries(page))


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    aws = ScriptedAws()
    with serve_app(aws.app()) as endpoint, aws_environment(endpoint):
        yield Caller(aws, Models())


def malformed_error(caller: Caller, api: str, response: HttpResponse, account: Account = ACCOUNT) -> ApiError:
    """Return the error of a call with this response. Fail if it is not ``malformed``."""
    error, _ = caller.call(api, response, account)
    assert error is not None
    assert error.reason is Reason.MALFORMED
    return error


@pytest.mark.parametrize("api", GOOD)
def test_a_valid_response_is_a_success(caller: Caller, api: str) -> None:
    assert caller.call(api, HttpResponse(GOOD[api]))[0] is None


@pytest.mark.parametrize("api", GOOD)
@pytest.mark.parametrize("response", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES)
def test_a_body_without_the_content_is_malformed(caller: Caller, api: str, response: HttpResponse) -> None:
    error = malformed_error(caller, api, response)
    assert "log in" not in f"{error} {error.detail}"


@pytest.mark.parametrize("api", GOOD)
@pytest.mark.parametrize("missing_bytes", [1, 1000])
def test_an_incomplete_body_is_malformed(caller: Caller, api: str, missing_bytes: int) -> None:
    malformed_error(caller, api, HttpResponse(GOOD[api], content_length=len(GOOD[api]) + missing_bytes))


@pytest.mark.parametrize("api", GOOD)
def test_a_body_of_40_megabytes_is_malformed(caller: Caller, api: str) -> None:
    assert "larger than" in malformed_error(caller, api, HttpResponse(GOOD[api] + b" " * 40_000_000)).detail


@pytest.mark.parametrize(("api", "body"), [(api, body) for api, bodies in WRONG.items() for body in bodies])
def test_a_missing_or_invalid_member_is_malformed(caller: Caller, api: str, body: bytes) -> None:
    malformed_error(caller, api, HttpResponse(body, headers=JSON))


@pytest.mark.parametrize(
    "body", [HTML, b"", b"{}", b"<GetCallerIdentityResponse/>", IDENTITY[:-40], IDENTITY % b"secret"]
)
def test_an_identity_without_an_account_id_is_malformed(caller: Caller, body: bytes) -> None:
    caller.aws.responses["/"] = HttpResponse(body, headers={"content-type": "text/xml"})
    api = "DescribeThingRegistrationTask"
    error = malformed_error(caller, api, HttpResponse(GOOD[api]), Account())
    assert "secret" not in f"{error} {error.detail}"


@pytest.mark.parametrize("body", PROXY_BODIES)
@pytest.mark.parametrize(("status", "reason"), RETRYABLE)
def test_a_retryable_error_of_a_proxy_is_retried_and_has_its_reason(
    caller: Caller, status: int, reason: Reason, body: bytes
) -> None:
    proxied = HttpResponse(body, status, {"content-type": "text/html"})
    caller.aws.responses["/"] = proxied
    for path, account in (("/", Account()), (PATH, ACCOUNT)):
        caller.aws.requests.clear()
        error, _ = caller.call("DescribeThingRegistrationTask", proxied, account, max_attempts=2)
        assert error is not None
        assert error.reason is reason
        assert caller.aws.requests == [path, path]


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (HttpResponse(HTML), "malformed"),
        (json_response({}, status=500), "5xx"),
        (HttpResponse(b"[]", status=400), "malformed"),
        (error_response("ThrottlingException", 400), "ThrottlingException"),
        (error_response("NewException", 400, message="secret"), "4xx"),
    ],
)
def test_each_failed_attempt_is_counted_once_by_its_code(caller: Caller, response: HttpResponse, code: str) -> None:
    api = "DescribeThingRegistrationTask"
    labels = {"aws_account_id": ACCOUNT_ID, "aws_region": "eu-west-1", "aws_service": "iot", "api": api}
    error, registry = caller.call(api, response)
    assert error is not None
    assert "secret" not in f"{error} {error.detail}"
    prefix = "aws_iot_bulk_exporter_api_request"
    assert registry.get_sample_value(f"{prefix}s_total", labels) == 1
    assert registry.get_sample_value(f"{prefix}_errors_total", {**labels, "code": code}) == 1
    assert registry.get_sample_value(f"{prefix}_duration_seconds_count", {"aws_service": "iot", "api": api}) == 1


CONFIG = """
accounts:
  - account_id: "111122223333"
    watch: [{kind: thing_registration_task, ids: [a], discover: {statuses: [InProgress]}}]
aws: {max_attempts: 1}
"""
BODY = b'{"status": "InProgress", "successCount": 5}'
GZIP = {**JSON, "content-encoding": "gzip"}
COUNT = "aws_iot_thing_registration_task_succeeded_things"


def healthy_aws() -> ScriptedAws:
    return ScriptedAws({PATH: HttpResponse(BODY), LIST: json_response({"taskIds": ["a"]})})


@pytest.mark.parametrize(
    "broken",
    [
        lambda: HttpResponse(gzip.compress(BODY), headers=GZIP),
        lambda: HttpResponse(gzip.compress(BODY)[:20], headers=GZIP),
        lambda: HttpResponse(gzip.compress(BODY)[:20], headers=GZIP, content_length=len(gzip.compress(BODY))),
        lambda: HttpResponse(BODY[:20], headers=GZIP, content_length=len(BODY)),
        # Compressed only by the process that runs the test.
        lambda: HttpResponse(gzip.compress(b"0" * 100_000_000), headers=GZIP),
    ],
    ids=["complete", "cut", "cut with full length", "not encoded and cut", "bomb"],
)
@pytest.mark.parametrize("path", [PATH, LIST])
def test_an_encoding_that_was_not_requested_is_malformed(path: str, broken: Callable[[], HttpResponse]) -> None:
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[path] = broken()
        exposed = Scrape(exporter.scrape())
    assert exposed.reasons() == {("thing_registration_task", "malformed")}
    assert exposed.value(COUNT, id="a") == 5


@pytest.mark.parametrize("sent", [b"", BODY[:20], BODY])
def test_chunks_without_an_end_are_no_response(sent: bytes) -> None:
    # This includes a complete body, because more chunks could have followed it.
    aws, breaks = healthy_aws(), list[bool]()
    app = aws.app()

    async def chunked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or scope["path"] != PATH or not breaks:
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": sent, "more_body": True})

    with serve_app(chunked) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        breaks.append(True)
        exposed = Scrape(exporter.scrape())
        breaks.clear()
        recovered = Scrape(exporter.scrape())
    ((kind, reason),) = exposed.reasons()
    assert (kind, reason) in {("thing_registration_task", "connection"), ("thing_registration_task", "malformed")}
    assert exposed.value(COUNT, id="a") == 5
    assert recovered.up() == {"thing_registration_task": 1}


@pytest.mark.parametrize(
    ("status", "reason"), [(301, "other"), (302, "other"), (303, "connection"), (307, "other"), (308, "other")]
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_redirect_is_not_followed(status: int, reason: str) -> None:
    # urllib3 cannot turn botocore's request into the GET that 303 requires, and fails like a broken connection. It
    # leaves the socket to the garbage collector.
    aws, elsewhere = healthy_aws(), ScriptedAws({"/latest/meta-data": HttpResponse(BODY)})
    with (
        serve_app(elsewhere.app()) as redirect_target,
        serve_app(aws.app()) as endpoint,
        serve_exporter(CONFIG, endpoint) as exporter,
    ):
        exporter.scrape()
        aws.responses[PATH] = HttpResponse(b"", status, {"location": f"{redirect_target}/latest/meta-data"})
        exposed = Scrape(exporter.scrape())
    assert exposed.reasons() == {("thing_registration_task", reason)}
    assert exposed.value(COUNT, id="a") == 5
    assert elsewhere.requests == []
    gc.collect()
