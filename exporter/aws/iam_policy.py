"""The IAM policies that a configuration needs: no action that is not called, no call that is not allowed.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.aws.models import Models
from exporter.config.sections import Account, Config, Watch
from exporter.core.errors import ConfigError
from exporter.kinds.kind import DESCRIBE, DISCOVER, TAGS, ApiCall, Kind

DEPENDENT = "dependent"
"""The purpose of what AWS asks of the caller besides a call's own action; AWS calls these dependent actions."""
ASSUMING = ("sts:AssumeRole", "sts:TagSession")
"""EKS Pod Identity tags its sessions, and the tags go along into a role that is assumed from one."""

Document = dict[str, Any]
"""A policy or a statement of one, as JSON has it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What a kind needs for one purpose: IAM actions, and the resources that they may be narrowed to."""

    kind: str
    purpose: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]

    @property
    def sid(self) -> str:
        """The statement's name, of the letters and digits that IAM allows there."""
        words = re.split(r"[^a-z0-9]+", f"{self.kind}_{self.purpose}")
        return "".join(word.capitalize() for word in words)

    def statement(self, regions: Collection[str] = ()) -> Document:
        """Return the statement that allows it, in these Regions alone if there are any."""
        within = {"StringEquals": {"aws:RequestedRegion": sorted(regions)}}
        return {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
            **({"Condition": within} if regions else {}),
        }


def permissions(kind: Kind[Any], models: Models, purposes: Collection[str] | None = None) -> tuple[Permission, ...]:
    """Return what a kind needs for some of its purposes, by default for all."""
    wanted = {name: calls for name, calls in kind.purposes.items() if purposes is None or name in purposes}
    own = [_permission(kind.name, name, calls, models) for name, calls in wanted.items()]
    besides = {action for calls in wanted.values() for call in calls for action in call.also_needs}
    dependent = [Permission(kind.name, DEPENDENT, tuple(sorted(besides)), ("*",))] if besides else []
    return (*own, *dependent)


def policy(kinds: Sequence[Kind[Any]], models: Models) -> Document:
    """Return the policy for all that these kinds may ever call, in every Region."""
    return _document(one.statement() for kind in kinds for one in permissions(kind, models))


def policy_of(config: Config, kinds: Sequence[Kind[Any]], models: Models, account: str | None = None) -> Document:
    """Return the policy for what a configuration makes the exporter call.

    With the name of an account it is that of the account's credentials. Without one it is that of the process's own:
    for the accounts that have no role, and for assuming the roles of the others. Raises ConfigError.
    """
    if account is not None:
        return _document(_statements(config, [_named(config, account)], kinds, models))
    roles = [one.role_arn for one in config.accounts if one.role_arn]
    direct = [one for one in config.accounts if not one.role_arn]
    return _document([*_statements(config, direct, kinds, models), *_assuming(roles)])


def _document(statements: Iterable[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def _permission(kind: str, purpose: str, calls: Iterable[ApiCall], models: Models) -> Permission:
    actions = tuple(sorted({models.iam_action(call) for call in calls}))
    return Permission(kind, purpose, actions, tuple(sorted({call.resource for call in calls})))


def _statements(
    config: Config, accounts: Sequence[Account], kinds: Sequence[Kind[Any]], models: Models
) -> list[Document]:
    """Return a statement for each kind and purpose that the accounts watch, narrowed where all of them name Regions."""
    regions = {region for account in accounts for region in account.regions}
    known = regions if all(account.regions for account in accounts) else set()
    watches = [watch for account in accounts for watch in account.watch]
    found = []
    for kind in kinds:
        purposes = {purpose for watch in watches if watch.kind == kind.name for purpose in _purposes(watch, config)}
        found += [one.statement(known) for one in permissions(kind, models, purposes)]
    return found


def _purposes(watch: Watch, config: Config) -> set[str]:
    discover = {DISCOVER} if watch.discover else set()
    tags = {TAGS} if config.labels.tags else set()
    return {DESCRIBE, *watch.options, *discover, *tags}


def _assuming(roles: Collection[str]) -> list[Document]:
    if not roles:
        return []
    return [{"Sid": "RolesOfAccounts", "Effect": "Allow", "Action": list(ASSUMING), "Resource": sorted(set(roles))}]


def _named(config: Config, name: str) -> Account:
    found = next((account for account in config.accounts if account.name == name), None)
    if found is None:
        raise ConfigError(["--account: the configuration names no such account"])
    return found
