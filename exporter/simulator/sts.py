"""STS: the protocol query with answers in XML, as much of it as an exporter and boto3 need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from exporter.simulator.callers import Caller, Session
from exporter.simulator.constraints import check
from exporter.simulator.question import Question
from exporter.simulator.requests import Values, read_pairs
from exporter.simulator.scenario import Role, Scenario
from exporter.simulator.wire import AwsError, Incoming, Reply, Target, request_id

if TYPE_CHECKING:
    from botocore.model import OperationModel

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
HOUR = 3600
CODES = {
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ExpiredTokenException": "ExpiredToken",
}
"""The protocol query has its own names for the errors of credentials."""


class Sts:
    """AssumeRole and GetCallerIdentity.

    AWS: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """

    def __init__(self, scenario: Scenario, operations: Iterable[OperationModel]) -> None:
        self._accounts = scenario.accounts
        self._roles = scenario.roles
        self._operations = {operation.name: operation for operation in operations}

    @staticmethod
    def refused(error: AwsError) -> Reply:
        """Return an error of the protocol query."""
        sender = "Receiver" if error.status >= 500 else "Sender"
        content = {"Type": sender, "Code": CODES.get(error.code, error.code), "Message": error.message}
        id = request_id()
        return _xml(error.status, "ErrorResponse", {"Error": content, "RequestId": id}, id)

    def question(self, incoming: Incoming, caller: Caller) -> Question:
        """Return what a request asks. Raises AwsError for an action that is not simulated."""
        pairs = _pairs(incoming)
        action = pairs.get("Action", "")
        if incoming.path != "/" or action not in ("AssumeRole", "GetCallerIdentity"):
            raise AwsError("InvalidAction", 400, f"Could not find operation {action} for version 2011-06-15")
        values = read_pairs(self._operations[action].input_shape, pairs)
        target = Target(caller.signing_name, action, str(values.get("RoleArn", "")))
        return Question(target, partial(self._answer, action, values), self.refused)

    def _answer(self, action: str, values: Values, caller: Caller, now: float) -> Reply:
        if fault := check(self._operations[action].input_shape, values):
            raise AwsError("ValidationError", 400, fault)
        if action == "AssumeRole":
            return _result(action, self._assume(values, caller, now))
        return _result(action, {"UserId": _user_id(caller), "Account": caller.account, "Arn": caller.arn})

    def _assume(self, values: Values, caller: Caller, now: float) -> Mapping[str, Any]:
        arn = values["RoleArn"]
        if not self._allows(arn, values.get("ExternalId", "")):
            said = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"
            raise AwsError("AccessDenied", 403, said)
        account, name = arn.split(":")[4], arn.rpartition("/")[2]
        expires = now + values.get("DurationSeconds", HOUR)
        session = Session(account, name, values["RoleSessionName"], expires)
        assumed = Caller(account, caller.region, caller.signing_name, session)
        return {
            "Credentials": {
                "AccessKeyId": session.key,
                "SecretAccessKey": "simulated",
                "SessionToken": session.token,
                "Expiration": datetime.fromtimestamp(expires, UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            },
            "AssumedRoleUser": {"AssumedRoleId": _user_id(assumed), "Arn": assumed.arn},
        }

    def _allows(self, arn: str, external_id: str) -> bool:
        parts = arn.split(":")
        if len(parts) != 6 or not parts[5].startswith("role/") or parts[4] not in self._accounts:
            return False
        return self._roles is None or _trusts(self._roles, arn, external_id)


def _trusts(roles: Sequence[Role], arn: str, external_id: str) -> bool:
    role = next((role for role in roles if role.arn == arn), None)
    return role is not None and role.external_id in ("", external_id)


def _pairs(incoming: Incoming) -> Mapping[str, str]:
    body = incoming.body.decode("utf-8", "replace") if incoming.method == "POST" else ""
    return dict((*incoming.query, *parse_qsl(body, keep_blank_values=True)))


def _user_id(caller: Caller) -> str:
    session = caller.session
    return f"AROA{caller.account}:{session.name}" if session else f"AIDA{caller.account}"


def _result(api: str, result: Mapping[str, Any]) -> Reply:
    id = request_id()
    content = {f"{api}Result": result, "ResponseMetadata": {"RequestId": id}}
    return _xml(200, f"{api}Response", content, id)


def _xml(status: int, root: str, content: Mapping[str, Any], id: str) -> Reply:
    body = f'<{root} xmlns="{NAMESPACE}">{_elements(content)}</{root}>'
    return Reply(status, body.encode(), "text/xml", {"x-amzn-RequestId": id})


def _elements(content: Mapping[str, Any]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in content.items())


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return _elements(value)
    return escape("".join(character for character in str(value) if character.isprintable()), quote=False)
