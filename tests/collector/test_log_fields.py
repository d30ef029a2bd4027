"""Every log line about a failure names what failed: no field is empty."""

import re

import pytest

from tests.aws.test_credentials import IDENTITY, NO_KEYS, XML
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

CONFIG = """
labels: {tags: [team]}
accounts:
  - watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: greengrass_bulk_deployment, discover: true}
      - {kind: iot_job, discover: true, ids: [x]}
      - {kind: greengrass_deployment, discover: true}
"""
EMPTY_FIELD = re.compile(r'\w+=(""|\s|$)')
FAILURES = ("AWS call failed", "account cannot be accessed")
BROKEN = HttpResponse(b"", 500)
DENIED = error_response("AccessDeniedException", 403)
JOB = {"jobId": "x", "jobArn": "arn:aws:iot:eu-west-1:111122223333:job/x", "status": "IN_PROGRESS"}
NAMELESS = json_response({"taskIds": [""], "jobs": [{"jobId": "", "status": "IN_PROGRESS"}]})


class AllDenied(ScriptedAws):
    """An AWS that denies every call without a response of its own."""

    def find(self, target: str, path: str) -> HttpResponse:
        """Return the response for a path."""
        return self.responses.get(path, DENIED)


@pytest.mark.parametrize(
    ("responses", "environment", "subject"),
    [
        ({}, NO_KEYS, "account=default reason=credentials "),
        ({"/": BROKEN}, {}, 'subject="access to the account"'),
        ({}, {}, "subject=list "),
        # The lists of the statuses are read at the same time. Any of them can be the first that fails.
        ({}, {}, 'subject="list of '),
        ({"/jobs/x": json_response({"job": JOB}), "/tags": BROKEN}, {}, "subject=x reason=server_error"),
        ({"/thing-registration-tasks": NAMELESS, "/jobs": NAMELESS}, {}, "subject="),
    ],
    ids=["credentials", "access", "list", "list of a status", "tags", "operations without an id"],
)
def test_no_field_of_a_failure_is_empty(
    responses: dict[str, HttpResponse], environment: dict[str, str], subject: str
) -> None:
    aws = AllDenied({"/": HttpResponse(IDENTITY.encode(), headers=XML), **responses})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        with aws_environment(endpoint, **environment):
            exporter.scrape()
        lines = [line for line in exporter.log.getvalue().splitlines() if any(text in line for text in FAILURES)]
    assert lines
    assert [line for line in lines if EMPTY_FIELD.search(line)] == []
    assert any(subject in line for line in lines), lines
