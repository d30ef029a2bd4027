"""AWS Organizations in the protocol JSON 1.1: the APIs that read an organization."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from exporter.aws.models import Models
from exporter.aws.organizations import CALLS
from exporter.kinds.kind import ApiCall
from exporter.simulator.api_model import ApiModel, Protocol, api_model
from exporter.simulator.api_request import ApiRequest
from exporter.simulator.callers import Caller
from exporter.simulator.http_messages import (
    AwsError,
    HttpRequest,
    json_1_1_error,
    json_1_1_response,
)
from exporter.simulator.organization_sections import Member, SimulatedOrganization, Unit
from exporter.simulator.parameters import Values
from exporter.simulator.quota import Quotas
from exporter.simulator.scenario import ORGANIZATIONS, ORGANIZATIONS_APIS

Content = Mapping[str, Any]

PROTOCOL = Protocol(json_1_1_response, json_1_1_error)
# The quota of the APIs that the exporter does not call.
QUOTA = 5
# AWS: https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html
PAGE_SIZE = 20
# The parameters that name an account, a unit or a root.
ID_PARAMETERS = ("AccountId", "ChildId", "OrganizationalUnitId", "ParentId", "ResourceId")
# The only API that every account of the organization may call.
OPEN_TO_MEMBERS = "DescribeOrganization"
ROOT, UNIT = "ROOT", "ORGANIZATIONAL_UNIT"
DELEGATED_MEMBERS = ("Id", "Arn", "Email", "Name", "Status", "JoinedMethod", "JoinedTimestamp")
# The older form of the states that do not end in the same word.
STATUSES = {"PENDING_ACTIVATION": "ACTIVE", "CLOSED": "SUSPENDED"}


class Organizations:
    """AWS Organizations. ``started`` is the Unix time at which the scenario begins.

    AWS: https://docs.aws.amazon.com/organizations/latest/APIReference/Welcome.html
    """

    def __init__(
        self, organizations: Sequence[SimulatedOrganization], models: Models, quotas: Quotas | None, started: float
    ) -> None:
        self._trees = tuple(_Tree(organization, started) for organization in organizations)
        self._prefix = models.service(ORGANIZATIONS).metadata["targetPrefix"]
        calls = {call.name: call for call in CALLS}
        self._apis = {
            name: api_model(calls.get(name, ApiCall(ORGANIZATIONS, name, QUOTA)), models, quotas, PROTOCOL, PAGE_SIZE)
            for name in ORGANIZATIONS_APIS
        }

    def api_request(self, request: HttpRequest, caller: Caller) -> ApiRequest:
        """Return the request with its target. Raises AwsError for an API that is not simulated."""
        prefix, _, name = request.headers.get("x-amz-target", "").rpartition(".")
        api = self._apis.get(name)
        if api is None or prefix != self._prefix or (request.method, request.path) != ("POST", "/"):
            raise AwsError("UnknownOperationException", 400, "The operation is not known here.")
        values = _parameters(api, request.body)
        id = next((str(values[parameter]) for parameter in ID_PARAMETERS if values.get(parameter)), "")
        return api.request(values, id, partial(self._content, api, values))

    def may_manage(self, caller: str, account: str, now: float) -> bool:
        """Return whether an account may manage another one of its organization."""
        tree = next((tree for tree in self._trees if tree.member(caller, now)), None)
        return bool(tree and caller in tree.administrators and tree.member(account, now) and account != caller)

    def _content(self, api: ApiModel, values: Values, caller: Caller, now: float) -> Content:
        tree = next((tree for tree in self._trees if tree.member(caller.account, now)), None)
        if tree is None:
            raise AwsError("AWSOrganizationsNotInUseException", 400, "Your account is not a member of an organization.")
        if api.call.name != OPEN_TO_MEMBERS and caller.account not in tree.administrators:
            raise AwsError("AccessDeniedException", 400, "You don't have permissions to access this resource.")
        content = tree.content(api.call.name, values, now)
        if content is None:
            parameter = next(parameter for parameter in ID_PARAMETERS if parameter in values)
            raise api.errors.not_found(parameter.removesuffix("Id").lower(), str(values[parameter]))
        return content


class _Tree:
    """The root, the units and the accounts of an organization. A method returns None for an id that does not exist."""

    def __init__(self, organization: SimulatedOrganization, started: float) -> None:
        self._organization = organization
        self._started = started
        self._members = organization.members
        self._by_id = {member.id: member for member in self._members}
        self._units = {unit.id: (above, unit) for above, unit in organization.all_units()}
        self.administrators = frozenset((organization.management_account, *organization.delegated_administrators))

    def member(self, id: str, now: float) -> Member | None:
        """Return an account that is a member at a time."""
        member = self._by_id.get(id)
        return member if member and member.is_member(now - self._started) else None

    def content(self, api: str, values: Values, now: float) -> Content | None:
        """Return the members of a response."""
        responses: Mapping[str, Callable[[Values, float], Content | None]] = {
            "DescribeAccount": self._described_account,
            "DescribeOrganization": self._described_organization,
            "DescribeOrganizationalUnit": self._described_unit,
            "ListAccounts": self._all_accounts,
            "ListAccountsForParent": self._accounts_in,
            "ListChildren": self._children,
            "ListDelegatedAdministrators": self._delegated_administrators,
            "ListOrganizationalUnitsForParent": self._units_in,
            "ListParents": self._parents,
            "ListRoots": self._roots,
            "ListTagsForResource": self._tags,
        }
        return responses[api](values, now)

    def _described_account(self, values: Values, now: float) -> Content | None:
        member = self.member(values["AccountId"], now)
        return {"Account": self._account(member)} if member else None

    def _described_organization(self, values: Values, now: float) -> Content:
        id = self._organization.management_account
        organization = {
            "Id": self._organization.id,
            "Arn": f"arn:aws:organizations::{id}:organization/{self._organization.id}",
            "FeatureSet": "ALL",
            "MasterAccountArn": self._arn("account", id),
            "MasterAccountId": id,
            "MasterAccountEmail": self._by_id[id].email,
            "AvailablePolicyTypes": [],
        }
        return {"Organization": organization}

    def _described_unit(self, values: Values, now: float) -> Content | None:
        found = self._units.get(values["OrganizationalUnitId"])
        return {"OrganizationalUnit": self._unit(*found)} if found else None

    def _all_accounts(self, values: Values, now: float) -> Content:
        return {"Accounts": ((rank, self._account(member)) for rank, member in self._existing(now))}

    def _accounts_in(self, values: Values, now: float) -> Content | None:
        if not self._is_parent(values["ParentId"]):
            return None
        return {"Accounts": ((rank, self._account(member)) for rank, member in self._members_in(values, now))}

    def _units_in(self, values: Values, now: float) -> Content | None:
        if not self._is_parent(values["ParentId"]):
            return None
        return {"OrganizationalUnits": ((rank, self._unit(*found)) for rank, found in self._units_below(values))}

    def _children(self, values: Values, now: float) -> Content | None:
        if not self._is_parent(values["ParentId"]):
            return None
        if values["ChildType"] == UNIT:
            ids = [(rank, unit.id) for rank, (_, unit) in self._units_below(values)]
        else:
            ids = [(rank, member.id) for rank, member in self._members_in(values, now)]
        return {"Children": [(rank, {"Id": id, "Type": values["ChildType"]}) for rank, id in ids]}

    def _delegated_administrators(self, values: Values, now: float) -> Content:
        members = (self.member(id, now) for id in self._organization.delegated_administrators)
        accounts = [self._account(member) for member in members if member]
        entries = (
            {**{name: account[name] for name in DELEGATED_MEMBERS}, "DelegationEnabledDate": account["JoinedTimestamp"]}
            for account in accounts
        )
        return {"DelegatedAdministrators": enumerate(entries)}

    def _parents(self, values: Values, now: float) -> Content | None:
        member, found = self.member(values["ChildId"], now), self._units.get(values["ChildId"])
        above = member.parents if member else found[0] if found else ()
        if not above:
            return None
        type = ROOT if above[-1] == self._organization.root else UNIT
        return {"Parents": enumerate([{"Id": above[-1], "Type": type}])}

    def _roots(self, values: Values, now: float) -> Content:
        id = self._organization.root
        return {"Roots": enumerate([{"Id": id, "Arn": self._arn("root", id), "Name": "Root", "PolicyTypes": []}])}

    def _tags(self, values: Values, now: float) -> Content | None:
        id = values["ResourceId"]
        member, found = self.member(id, now), self._units.get(id)
        if member is None and not self._is_parent(id):
            return None
        tags = member.tags if member else tuple(sorted(found[1].tags.items())) if found else ()
        return {"Tags": enumerate({"Key": key, "Value": value} for key, value in tags)}

    def _is_parent(self, id: str) -> bool:
        return id == self._organization.root or id in self._units

    def _existing(self, now: float) -> Iterator[tuple[int, Member]]:
        elapsed = now - self._started
        return ((rank, member) for rank, member in enumerate(self._members) if member.is_member(elapsed))

    def _members_in(self, values: Values, now: float) -> Iterator[tuple[int, Member]]:
        parent = values["ParentId"]
        return ((rank, member) for rank, member in self._existing(now) if member.parents[-1] == parent)

    def _units_below(self, values: Values) -> Iterator[tuple[int, tuple[tuple[str, ...], Unit]]]:
        return ((rank, found) for rank, found in enumerate(self._units.values()) if found[0][-1] == values["ParentId"])

    def _account(self, member: Member) -> Content:
        is_manager = member.id == self._organization.management_account
        return {
            "Id": member.id,
            "Arn": self._arn("account", member.id),
            "Email": member.email,
            "Name": member.name,
            "Status": STATUSES.get(member.state, member.state),
            "State": member.state,
            "Paths": [self._path(*member.parents, member.id)],
            "JoinedMethod": "INVITED" if is_manager else "CREATED",
            "JoinedTimestamp": datetime.fromtimestamp(self._started + member.joined, UTC),
        }

    def _unit(self, above: tuple[str, ...], unit: Unit) -> Content:
        return {
            "Id": unit.id,
            "Arn": self._arn("ou", unit.id),
            "Name": unit.name,
            "Path": self._path(*above, unit.id),
        }

    def _arn(self, type: str, id: str) -> str:
        organization = self._organization
        return f"arn:aws:organizations::{organization.management_account}:{type}/{organization.id}/{id}"

    def _path(self, *ids: str) -> str:
        return "/".join((self._organization.id, *ids, ""))


def _parameters(api: ApiModel, body: bytes) -> Values:
    """Return the parameters of a request. Raises AwsError if its body is no JSON object."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise AwsError("SerializationException", 400, "The body is no JSON object.")
    shape = api.operation.input_shape
    return {name: content[name] for name in (shape.members if shape else ()) if content.get(name) is not None}
