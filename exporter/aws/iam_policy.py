"""IAM policies: they allow exactly the calls that the exporter makes.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.aws.models import Models
from exporter.aws.organizations import organization_calls
from exporter.config.partitions import partition_of
from exporter.config.sections import Account, Config, Organization, Watch
from exporter.core.errors import ConfigError
from exporter.kinds.kind import DESCRIBE, DISCOVER, FAILURES, TAGS, ApiCall, Kind

# The purpose of dependent actions: the caller of an API needs them in addition to the API's own action.
DEPENDENT = "dependent"
# EKS Pod Identity tags its sessions, and a role that is assumed from such a session inherits the tags.
ASSUME_ROLE_ACTIONS = ("sts:AssumeRole", "sts:TagSession")

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
    config: Config, kinds: Sequence[Kind[Any]], models: Models, account: str | None = None, failures: bool = False
) -> Document:
    """Return the policy for the calls that a configuration causes. Raises ConfigError.

    With the name of an account, it is the policy for the credentials of that account. Otherwise it is the policy for
    the credentials of the process: they read the accounts without a role, and assume the roles of the others.
    ``failures``: the policy also allows the calls that find failed items on request, as with ``failures: true``.
    """
    on_request = {FAILURES} if failures or config.failures else set()
    if account is not None:
        return _document(_statements(config, [_account(config, account)], kinds, models, on_request))
    roles = {entry.role_arn for entry in config.accounts if entry.role_arn}
    direct = [entry for entry in config.accounts if not entry.role_arn]
    statements = _statements(config, direct, kinds, models, on_request)
    statements += _organization_statements(config, models)
    roles |= {arn for entry in config.organizations for arn in _organization_roles(entry)}
    if roles:
        resources = {"Action": list(ASSUME_ROLE_ACTIONS), "Resource": sorted(roles)}
        statements.append({"Sid": "RolesOfAccounts", "Effect": "Allow", **resources})
    return _document(statements)


def _organization_statements(config: Config, models: Models) -> list[Document]:
    """Return the statement for the organizations that the credentials of the process read."""
    calls = {call for entry in config.organizations if not entry.role_arn for call in organization_calls(entry)}
    actions = sorted(models.iam_action(call) for call in calls)
    return [{"Sid": "Organizations", "Effect": "Allow", "Action": actions, "Resource": ["*"]}] if actions else []


def _organization_roles(organization: Organization) -> tuple[str, ...]:
    """Return the patterns of the roles that the process assumes for an organization."""
    own = organization.role_arn
    # The Regions say the partition if no role does. Without both, the partition is not known here.
    partition = own.split(":")[1] if own else partition_of(organization.regions[0]) or "*"
    return (*((own,) if own else ()), f"arn:{partition}:iam::*:role/{organization.role_name}")


def _document(statements: Iterable[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _permission(kind: str, purpose: str, calls: Iterable[ApiCall], models: Models) -> Permission:
    actions = tuple(sorted({models.iam_action(call) for call in calls}))
    return Permission(kind, purpose, actions, tuple(sorted({call.resource for call in calls})))


def _statements(
    config: Config,
    accounts: Sequence[Account],
    kinds: Sequence[Kind[Any]],
    models: Models,
    on_request: Collection[str],
) -> list[Document]:
    """Return a statement for each kind and purpose of the accounts, limited to Regions if every account names some."""
    regions = {region for account in accounts for region in account.regions}
    limits = regions if all(account.regions and not account.has_all_regions for account in accounts) else set()
    watches = [watch for account in accounts for watch in account.watch]
    statements = []
    for kind in kinds:
        purposes = {purpose for watch in watches if watch.kind == kind.name for purpose in _purposes(watch, config)}
        if purposes:
            purposes |= set(on_request)
        statements += [permission.statement(limits) for permission in permissions(kind, models, purposes)]
    return statements


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
