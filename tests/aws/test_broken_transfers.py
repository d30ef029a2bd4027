"""Responses that are broken below the HTTP status: cut chunks, encodings that were not requested, redirects."""

import gc
import gzip

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import Scrape
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, json_response
from tests.support.servers import serve_app

CONFIG = """
accounts:
  - account_id: "111122223333"
    watch: [{kind: thing_registration_task, ids: [a], discover: {statuses: [InProgress]}}]
aws: {max_attempts: 1}
"""
PATH, LIST = "/thing-registration-tasks/a", "/thing-registration-tasks"
BODY = b'{"status": "InProgress", "successCount": 5}'
JSON = {"content-type": "application/json"}
GZIP = {**JSON, "content-encoding": "gzip"}
COUNT = "aws_iot_thing_registration_task_succeeded_things"


def healthy_aws() -> ScriptedAws:
    return ScriptedAws({PATH: HttpResponse(BODY), LIST: json_response({"taskIds": ["a"]})})


@pytest.mark.parametrize(
    "broken",
    [
        HttpResponse(gzip.compress(BODY), headers=GZIP),
        HttpResponse(gzip.compress(BODY)[:20], headers=GZIP),
        HttpResponse(gzip.compress(BODY)[:20], headers=GZIP, content_length=len(gzip.compress(BODY))),
        HttpResponse(BODY[:20], headers=GZIP, content_length=len(BODY)),
        HttpResponse(gzip.compress(b"0" * 100_000_000), headers=GZIP),
    ],
    ids=["complete", "cut", "cut with full length", "not encoded and cut", "bomb"],
)
@pytest.mark.parametrize("path", [PATH, LIST])
def test_an_encoding_that_was_not_requested_is_malformed(path: str, broken: HttpResponse) -> None:
    aws = healthy_aws()
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        aws.responses[path] = broken
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
        serve_app(elsewhere.app()) as other,
        serve_app(aws.app()) as endpoint,
        serve_exporter(CONFIG, endpoint) as exporter,
    ):
        exporter.scrape()
        aws.responses[PATH] = HttpResponse(b"", status, {"location": f"{other}/latest/meta-data"})
        exposed = Scrape(exporter.scrape())
    assert exposed.reasons() == {("thing_registration_task", reason)}
    assert exposed.value(COUNT, id="a") == 5
    assert elsewhere.requests == []
    gc.collect()
