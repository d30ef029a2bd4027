"""IAM policies: they allow exactly the calls that the exporter makes.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.aws.models import Models
from exporter.aws.organizations import organization_calls
from exporter.aws.regions import LIST_REGIONS
from exporter.config.partitions import OPT_IN_PARTITION, partition_of, partition_of_arn
from exporter.config.sections import Account, Config, Organization, Watch
from exporter.core.errors import ConfigError
from exporter.kinds.kind import DESCRIBE, DISCOVER, FAILURES, TAGS, ApiCall, Kind

# The purpose of dependent actions: the caller of an API needs them in addition to the API's own action.
DEPENDENT = "dependent"
# EKS Pod Identity tags its sessions, and a role that is assumed from such a session inherits the tags.
ASSUME_ROLE_ACTIONS = ("sts:AssumeRole", "sts:TagSession")
# AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
OWN_ORGANIZATION = {"StringEquals": {"aws:ResourceOrgID": "${aws:PrincipalOrgID}"}}

# A policy or one of its statements, in the structure of its JSON.
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Permission:
    """The IAM actions that a kind needs for one purpose, and their resources."""

    kind: str
    purpose: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    @property
    def sid(self) -> str:
        """The id of the statement. IAM allows only letters and digits in it."""
        words = re.split(r"[^a-z0-9]+", f"{self.kind}_{self.purpose}")
        return "".join(word.capitalize() for word in words)

    def statement(self, regions: Collection[str] = ()) -> Document:
        """Return the statement that allows the actions, only in these Regions if there are any."""
        condition = {"StringEquals": {"aws:RequestedRegion": sorted(regions)}}
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
            **({"Condition": condition} if regions else {}),
        }


def permissions(kind: Kind[Any], models: Models, purposes: Collection[str] | None = None) -> tuple[Permission, ...]:
    """Return the permissions that a kind needs for some of its purposes, by default for all that refreshes have."""
    wanted = kind.purposes if purposes is None else purposes
    chosen = {name: calls for name, calls in kind.every_purpose.items() if name in wanted}
    own = [_permission(kind.name, name, calls, models) for name, calls in chosen.items()]
    actions = {action for calls in chosen.values() for call in calls for action in call.dependent_actions}
    dependent = [Permission(kind.name, DEPENDENT, tuple(sorted(actions)), ("*",))] if actions else []
    return (*own, *dependent)


def policy(kinds: Sequence[Kind[Any]], models: Models, failures: bool = False) -> Document:
    """Return the policy for every call of these kinds, in every Region. ``failures``: also for those on request."""
    return _document(
        permission.statement()
        for kind in kinds
        for permission in permissions(kind, models, kind.every_purpose if failures else None)
    )


def config_policy(
    config: Config,
    kinds: Sequence[Kind[Any]],
    models: Models,
    account: str | None = None,
    failures: bool = False,
    role: str | None = None,
) -> Document:
    """Return the policy for the calls that a configuration causes. Raises ConfigError.

    With the name of an account, it is the policy for the credentials of that account. With the name or the ARN of a
    role of the configuration, it is the policy of that role. Otherwise it is the policy for the credentials of the
    process: they read the accounts without a role, and assume the roles of the others.
    ``failures``: the policy also allows the calls that find failed items on request, as with ``failures: true``.
    """
    on_request = {FAILURES} if failures or config.failures else set()
    if account is not None:
        return _document(_statements(config, [_account(config, account)], kinds, models, on_request))
    if role is not None:
        members, readers = _uses_of_role(config, role)
        statements = _statements(config, members, kinds, models, on_request)
        return _document(statements + _organization_statements(readers, models))
    direct = [entry for entry in config.accounts if not entry.role_arn]
    statements = _statements(config, direct, kinds, models, on_request)
    own = [organization for organization in config.organizations if not organization.role_arn]
    return _document(statements + _organization_statements(own, models) + _assume_role_statements(config))


def _uses_of_role(config: Config, role: str) -> tuple[list[Account | Organization], list[Organization]]:
    """Return what is watched with a role, and the organizations that are read with it. Raises ConfigError."""
    organizations = config.organizations
    accounts = [account for account in config.accounts if account.role_arn == role]
    members = [entry for entry in organizations if role == entry.role_name or role.endswith(f":role/{entry.role_name}")]
    readers = [entry for entry in organizations if entry.role_arn == role]
    if not (accounts or members or readers):
        known = {entry.role_name for entry in organizations}
        known |= _named_roles(config)
        expected = f"expected any of {', '.join(sorted(known))}" if known else "it has none"
        raise ConfigError([f"--role: the configuration has no such role; {expected}"])
    return [*accounts, *members], readers


def _organization_statements(organizations: Iterable[Organization], models: Models) -> list[Document]:
    """Return the statement for the calls that read these organizations."""
    calls = {call for organization in organizations for call in organization_calls(organization)}
    actions = sorted(models.iam_action(call) for call in calls)
    return [{"Sid": "Organizations", "Effect": "Allow", "Action": actions, "Resource": ["*"]}] if actions else []


def _assume_role_statements(config: Config) -> list[Document]:
    """Return the statements for the roles that the process assumes.

    Credentials that read an organization without a role belong to it. Only its roles are then allowed.
    """
    own = {_member_roles(entry) for entry in config.organizations if not entry.role_arn}
    roles = {_member_roles(entry) for entry in config.organizations if entry.role_arn}
    roles |= _named_roles(config)
    members = {"Condition": OWN_ORGANIZATION}
    return [
        {"Sid": sid, "Effect": "Allow", "Action": list(ASSUME_ROLE_ACTIONS), "Resource": sorted(resources), **condition}
        for sid, resources, condition in (("RolesOfAccounts", roles, {}), ("RolesOfMembers", own, members))
        if resources
    ]


def _named_roles(config: Config) -> set[str]:
    roles = [account.role_arn for account in config.accounts]
    roles += [organization.role_arn for organization in config.organizations]
    return {role for role in roles if role}


def _member_roles(organization: Organization) -> str:
    """Return the pattern of the roles in the accounts of an organization."""
    reader = organization.role_arn
    # The Regions say the partition if no role does. Without both, the partition is not known here.
    partition = partition_of_arn(reader) if reader else partition_of(organization.regions[0]) or "*"
    return f"arn:{partition}:iam::*:role/{organization.role_name}"


def _document(statements: Iterable[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _permission(kind: str, purpose: str, calls: Iterable[ApiCall], models: Models) -> Permission:
    actions = tuple(sorted({models.iam_action(call) for call in calls}))
    return Permission(kind, purpose, actions, tuple(sorted({call.resource for call in calls})))


def _statements(
    config: Config,
    accounts: Sequence[Account | Organization],
    kinds: Sequence[Kind[Any]],
    models: Models,
    on_request: Collection[str],
) -> list[Document]:
    """Return a statement for each kind and purpose of the accounts, limited to Regions if every account names some.

    A further statement is for the call that finds the Regions.
    """
    regions = {region for account in accounts for region in account.regions}
    limits = regions if all(account.regions and not account.has_all_regions for account in accounts) else set()
    watches = [watch for account in accounts for watch in account.watch]
    statements = []
    for kind in kinds:
        purposes = {purpose for watch in watches if watch.kind == kind.name for purpose in _purposes(watch, config)}
        if purposes:
            purposes |= set(on_request)
        statements += [permission.statement(limits) for permission in permissions(kind, models, purposes)]
    return statements + _region_statements(accounts, models)


def _region_statements(accounts: Iterable[Account | Organization], models: Models) -> list[Document]:
    """Return the statement with which the credentials of accounts with ``regions: all`` read the enabled Regions."""
    partitions = {
        partition_of_arn(entry.role_arn) if entry.role_arn else "" for entry in accounts if entry.has_all_regions
    }
    # Without a role, the partition is that of the default Region, which is not known here.
    is_needed = not partitions.isdisjoint({"", OPT_IN_PARTITION})
    statement = {"Sid": "Regions", "Effect": "Allow", "Action": [models.iam_action(LIST_REGIONS)], "Resource": ["*"]}
    return [statement] if is_needed else []


def _purposes(watch: Watch, config: Config) -> set[str]:
    discover = {DISCOVER} if watch.discover else set()
    tags = {TAGS} if config.labels.tags else set()
    return {DESCRIBE, *watch.options, *discover, *tags}


def _account(config: Config, name: str) -> Account:
    account = next((account for account in config.accounts if account.name == name), None)
    if account is None:
        names = ", ".join(account.name for account in config.accounts)
        raise ConfigError([f"--account: the configuration has no such account; expected any of {names}"])
    return account
