"""The two APIs of STS that the exporter uses, in the protocol query with XML responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from exporter.core.clock import rfc3339
from exporter.simulator.api_request import ApiRequest, Target
from exporter.simulator.callers import Caller, Session
from exporter.simulator.constraints import constraint_violation
from exporter.simulator.http_messages import AwsError, HttpRequest, HttpResponse, request_id
from exporter.simulator.parameters import Values, read_query_parameters
from exporter.simulator.scenario import STS_APIS, Scenario

if TYPE_CHECKING:
    from botocore.model import OperationModel

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
HOUR = 3600
ACTIVE = "ACTIVE"
# The protocol query has different names for the errors of credentials.
CODES = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
}


class Sts:
    """AssumeRole and GetCallerIdentity.

    AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """

    def __init__(self, scenario: Scenario, operations: Iterable[OperationModel]) -> None:
        inactive = {member.id for entry in scenario.organizations for member in entry.members if member.state != ACTIVE}
        self._accounts = frozenset(scenario.every_account) - inactive
        self._roles = scenario.roles
        self._operations = {operation.name: operation for operation in operations}

    def api_request(self, request: HttpRequest, caller: Caller) -> ApiRequest:
        """Return the request with its target. Raises AwsError for an action that is not simulated."""
        pairs = _pairs(request)
        action = pairs.get("Action", "")
        if request.path != "/" or action not in STS_APIS:
            raise AwsError("InvalidAction", 400, f"Could not find operation {action} for version 2011-06-15")
        values = read_query_parameters(self._operations[action].input_shape, pairs)
        target = Target(caller.signing_name, action, str(values.get("RoleArn", "")))
        return ApiRequest(target, partial(self._respond, action, values), xml_error)

    def _respond(self, action: str, values: Values, caller: Caller, now: float) -> HttpResponse:
        if violation := constraint_violation(self._operations[action].input_shape, values):
            raise AwsError("ValidationError", 400, violation)
        if action == "AssumeRole":
            return _result(action, self._assume_role(values, caller, now))
        return _result(action, {"UserId": _user_id(caller), "Account": caller.account, "Arn": caller.arn})

    def _assume_role(self, values: Values, caller: Caller, now: float) -> Mapping[str, Any]:
        arn = values["RoleArn"]
        if not self._may_assume(arn, values.get("ExternalId", "")):
            message = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise AwsError("AccessDenied", 403, message)
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        expires = now + values.get("DurationSeconds", HOUR)
        session = Session(account, name, values["RoleSessionName"], expires)
        assumed = Caller(account, caller.region, caller.signing_name, session)
        return {
            "Credentials": {
                "AccessKeyId": session.key,
                "SecretAccessKey": "simulated",
                "SessionToken": session.token,
                "Expiration": rfc3339(datetime.fromtimestamp(expires, UTC)),
            },
            "AssumedRoleUser": {"AssumedRoleId": _user_id(assumed), "Arn": assumed.arn},
        }

    def _may_assume(self, arn: str, external_id: str) -> bool:
        parts = arn.split(":")
        if len(parts) != 6 or not parts[5].startswith("role/") or parts[4] not in self._accounts:
            return False
        role = next((role for role in self._roles or () if role.arn == arn), None)
        return self._roles is None or (role is not None and role.external_id in ("", external_id))


def xml_error(error: AwsError) -> HttpResponse:
    """Return an error response of the protocol query."""
    sender = "Receiver" if error.status >= 500 else "Sender"
    content = {"Type": sender, "Code": CODES.get(error.code, error.code), "Message": error.message}
    id = request_id()
    return _xml(error.status, "ErrorResponse", {"Error": content, "RequestId": id}, id)


def _pairs(request: HttpRequest) -> Mapping[str, str]:
    body = request.body.decode("utf-8", "replace") if request.method == "POST" else ""
    return dict((*request.query, *parse_qsl(body, keep_blank_values=True)))


def _user_id(caller: Caller) -> str:
    session = caller.session
    return f"AROA{caller.account}:{session.name}" if session else f"AIDA{caller.account}"


def _result(api: str, result: Mapping[str, Any]) -> HttpResponse:
    id = request_id()
    content = {f"{api}Result": result, "ResponseMetadata": {"RequestId": id}}
    return _xml(200, f"{api}Response", content, id)


def _xml(status: int, root: str, content: Mapping[str, Any], id: str) -> HttpResponse:
    body = f'<{root} xmlns="{NAMESPACE}">{_elements(content)}</{root}>'
    return HttpResponse(status, body.encode(), "text/xml", {"x-amzn-RequestId": id})


def _elements(content: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in content.items())


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _elements(value)
    return escape("".join(character for character in str(value) if character.isprintable()), quote=False)
