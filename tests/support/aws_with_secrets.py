"""A simulated AWS with secrets in its responses: where AWS has them, and wherever else AWS could have them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.scripted_endpoint import HttpResponse, error_response, json_response
from tests.support.secret_canaries import canaries

SECRETS = canaries(
    "AWS",
    "access key of a role, secret key of a role, session token of a role, session of a role, a message, "
    "a presigned URL, a token in a presigned URL, a template, a role that a service uses, "
    "configuration of a component, a comment, details of a status, a tag that is no label, a header, "
    "a body that is no JSON",
)
PRESIGNED = (
    f"https://{SECRETS['AWS: a presigned URL']}.s3.amazonaws.com/key?X-Amz-Signature={SECRETS['AWS: a presigned URL']}"
    f"&X-Amz-Security-Token={SECRETS['AWS: a token in a presigned URL']}"
)
ROLE = f"arn:aws:iam::444455556666:role/{SECRETS['AWS: a role that a service uses']}"
WORDS = f"{SECRETS['AWS: a message']}: {ROLE} may not read {PRESIGNED}"
HEADERS = {"x-amzn-requestid": SECRETS["AWS: a header"], "x-amz-security-token": SECRETS["AWS: a header"]}
# Members that some response of AWS has.
MORE = {
    "message": WORDS,
    "roleArn": ROLE,
    "resourceLinks": [PRESIGNED],
    "InputFileUri": PRESIGNED,
    "comment": SECRETS["AWS: a comment"],
    "statusDetails": {"detailsMap": {"reason": SECRETS["AWS: details of a status"]}},
    "reasonCode": "USER_INITIATED",
    "tags": {"team": "gateways", "owner": SECRETS["AWS: a tag that is no label"]},
}
# Part of an operation that the exporter shows, as proof that a page contains data of these responses.
SHOWN_INPUT = "shown-input.jsonl"
TASK = {
    **MORE,
    "taskId": "good",
    "status": "Failed",
    "templateBody": f'{{"Parameters": "{SECRETS["AWS: a template"]}"}}',
    "inputFileBucket": "things",
    "inputFileKey": SHOWN_INPUT,
}
BULK = {
    **MORE,
    "BulkDeploymentStatus": "Failed",
    "ErrorMessage": WORDS,
    "ErrorDetails": [{"DetailedErrorCode": WORDS, "DetailedErrorMessage": WORDS}],
}
REPORT = {**MORE, "DeploymentStatus": "Failure", "ErrorMessage": WORDS, "GroupArn": ROLE}
JOB = {
    **MORE,
    "jobId": "job",
    "status": "IN_PROGRESS",
    "targets": ["arn:aws:iot:eu-west-1:111122223333:thinggroup/all"],
    "description": WORDS,
    "documentParameters": {"url": PRESIGNED},
    "presignedUrlConfig": {"roleArn": ROLE, "expiresInSec": 60},
}
DEPLOYMENT = {
    **MORE,
    "deploymentId": "deployment",
    "deploymentStatus": "FAILED",
    "targetArn": "arn:aws:iot:eu-west-1:111122223333:thinggroup/all",
    "deploymentName": "roll-out",
    "components": {
        "com.example": {
            "componentVersion": "1.0.0",
            "configurationUpdate": {"merge": SECRETS["AWS: configuration of a component"]},
        }
    },
}
CREDENTIALS = {
    "AccessKeyId": SECRETS["AWS: access key of a role"],
    "SecretAccessKey": SECRETS["AWS: secret key of a role"],
    "SessionToken": SECRETS["AWS: session token of a role"],
    "Expiration": "2199-01-01T00:00:00Z",
}
# The responses by path. Every kind of error contains a secret too.
RESPONSES: Mapping[str, HttpResponse] = {
    "/thing-registration-tasks/good": json_response(TASK),
    "/thing-registration-tasks/denied": error_response("AccessDeniedException", 403, WORDS),
    "/thing-registration-tasks/throttled": error_response("ThrottlingException", 429, WORDS),
    "/thing-registration-tasks/broken": HttpResponse(WORDS.encode()),
    "/thing-registration-tasks/page": HttpResponse(
        f"<html>{SECRETS['AWS: a body that is no JSON']}</html>".encode(), 200, {"content-type": "text/html"}
    ),
    "/thing-registration-tasks/cut": HttpResponse(json.dumps(TASK).encode()[:200]),
    "/thing-registration-tasks/odd": json_response({**TASK, "taskId": "odd", "successCount": WORDS}),
    "/thing-registration-tasks/down": HttpResponse(WORDS.encode(), 500),
    "/thing-registration-tasks/moved": HttpResponse(b"", 302, {"location": PRESIGNED}),
    "/thing-registration-tasks/gone": error_response("ResourceNotFoundException", 404, WORDS),
    "/thing-registration-tasks/code": error_response(SECRETS["AWS: a message"], 418, WORDS),
    "/thing-registration-tasks": json_response({"taskIds": [], "message": WORDS}),
    "/greengrass/bulk/deployments/bulk/status": json_response(BULK),
    "/greengrass/bulk/deployments/bulk/detailed-reports": json_response({"Deployments": [REPORT]}),
    "/greengrass/bulk/deployments/refused/status": json_response({"Message": WORDS}, 400),
    "/greengrass/bulk/deployments": json_response({"BulkDeployments": WORDS}),
    "/jobs/job": json_response({"job": JOB, "documentSource": PRESIGNED}),
    "/tags": json_response({"tags": [{"Key": "owner", "Value": SECRETS["AWS: a tag that is no label"]}]}),
    "/greengrass/v2/deployments/deployment": json_response(DEPLOYMENT),
}


def _sts(name: str, content: str, status: int = 200) -> HttpResponse:
    body = f'<{name} xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{content}</{name}>'
    return HttpResponse(body.encode(), status, {"content-type": "text/xml"})


ASSUMED = _sts(
    "AssumeRoleResponse",
    "<AssumeRoleResult><Credentials>"
    + "".join(f"<{name}>{value}</{name}>" for name, value in CREDENTIALS.items())
    + "</Credentials><AssumedRoleUser><AssumedRoleId>AROA:x</AssumedRoleId>"
    + f"<Arn>arn:aws:sts::444455556666:assumed-role/x/{SECRETS['AWS: session of a role']}</Arn>"
    + "</AssumedRoleUser></AssumeRoleResult>",
)
REFUSED = _sts(
    "ErrorResponse",
    f"<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{WORDS.replace('&', '&amp;')}</Message></Error>",
    403,
)
WHO = _sts(
    "GetCallerIdentityResponse",
    f"<GetCallerIdentityResult><Arn>{SECRETS['AWS: session of a role']}</Arn><Account>444455556666</Account>"
    "</GetCallerIdentityResult>",
)


@dataclass
class AwsWithSecrets:
    """The endpoint. ``received`` contains the lines of all requests."""

    received: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the ASGI application."""

        async def handle(request: Request) -> Response:
            body = (await request.body()).decode()
            headers = (f"{name}: {value}" for name, value in request.headers.items())
            self.received += [f"{request.method} {request.url.path}?{request.url.query}", *headers, body]
            found = _found(request.url.path, body)
            return Response(found.body, found.status, {**HEADERS, **found.headers})

        return Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])


def _found(path: str, body: str) -> HttpResponse:
    by_action: Mapping[str, Any] = {"refused": REFUSED, "AssumeRole": ASSUMED, "GetCallerIdentity": WHO}
    actions = (response for word, response in by_action.items() if path == "/" and word in body)
    return next(actions, None) or RESPONSES.get(path) or error_response("ResourceNotFoundException", 404, WORDS)
