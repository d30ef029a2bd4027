"""The accounts of an organization, from AWS Organizations.

AWS: https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from exporter.config.sections import Account, AccountSelection, Organization
from exporter.core.errors import malformed
from exporter.core.model import FoundAccount
from exporter.kinds.kind import Api, ApiCall
from exporter.kinds.response import Response

SERVICE = "organizations"
# The limits of an account. AWS documents them by API, and a single one for the two calls with a parent.
# AWS: https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html#throttling-limits
LIST_ACCOUNTS = ApiCall(SERVICE, "ListAccounts", quota=8)
LIST_IN_PARENT = ApiCall(SERVICE, "ListAccountsForParent", quota=5, bucket="parents")
LIST_UNITS = ApiCall(SERVICE, "ListOrganizationalUnitsForParent", quota=5, bucket="parents")
LIST_TAGS = ApiCall(SERVICE, "ListTagsForResource", quota=10)
CALLS = (LIST_ACCOUNTS, LIST_IN_PARENT, LIST_UNITS, LIST_TAGS)
# The entries on a page, the most that AWS allows.
PAGE_SIZE = 20
ACTIVE = "ACTIVE"
# Deeper trees than AWS allows have a cycle. AWS: a root, and units nested up to five levels.
MAX_DEPTH = 10


def reading_account(organization: Organization, path: str, region: str) -> Account:
    """Return the account whose credentials read an organization. Its service has one endpoint in a partition."""
    return Account(
        name=path,
        regions=(region,),
        role_arn=organization.role_arn,
        external_id=organization.external_id if organization.role_arn else None,
        session_name=organization.session_name,
    )


def organization_calls(organization: Organization) -> tuple[ApiCall, ...]:
    """Return the calls that the selection of an organization needs."""
    chosen = (organization.include, organization.exclude)
    units = (LIST_IN_PARENT, LIST_UNITS) if any(part.units for part in chosen) else ()
    tags = (LIST_TAGS,) if any(part.tags for part in chosen) else ()
    return (LIST_ACCOUNTS, *units, *tags)


@dataclass(frozen=True, slots=True)
class _SharedApi:
    """An API whose quotas are shared by several processes that make the same calls at the same time."""

    api: Api
    processes: int

    def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Response]:
        return self.api.pages(replace(call, quota=call.quota / self.processes), **parameters)


async def read_accounts(connected: Api, organization: Organization, processes: int) -> tuple[FoundAccount, ...]:
    """Return the selected active accounts, by their ids. ``processes`` read them at the same time. Raises ApiError."""
    api = _SharedApi(connected, processes)
    include, exclude = organization.include, organization.exclude
    included, excluded = await _ids_in_units(api, include.units), await _ids_in_units(api, exclude.units)
    found = []
    async for page in api.pages(LIST_ACCOUNTS, MaxResults=PAGE_SIZE):
        for entry in page["Accounts"]:
            account = FoundAccount(_text(entry, "Id"), entry.get("Name") or _text(entry, "Id"))
            if entry.get("State", entry.get("Status")) == ACTIVE:
                found.append(account)
    has_tags = bool(include.tags or exclude.tags)
    chosen = []
    for account in sorted(found, key=lambda account: account.id):
        tags = await _tags(api, account.id) if has_tags else frozenset()
        is_included = include.is_empty or _matches(include, account.id, included, tags)
        if is_included and not _matches(exclude, account.id, excluded, tags):
            chosen.append(account)
    return tuple(chosen)


def _matches(part: AccountSelection, id: str, in_units: frozenset[str], tags: frozenset[str]) -> bool:
    return id in part.accounts or id in in_units or not tags.isdisjoint(part.tags)


async def _ids_in_units(api: _SharedApi, units: Iterable[str]) -> frozenset[str]:
    """Return the ids of the accounts in units and in all units below them."""
    ids: set[str] = set()
    level = set(units)
    for _ in range(MAX_DEPTH):
        below: set[str] = set()
        for unit in sorted(level):
            async for page in api.pages(LIST_IN_PARENT, ParentId=unit, MaxResults=PAGE_SIZE):
                ids.update(_text(entry, "Id") for entry in page["Accounts"])
            async for page in api.pages(LIST_UNITS, ParentId=unit, MaxResults=PAGE_SIZE):
                below.update(_text(entry, "Id") for entry in page["OrganizationalUnits"])
        level = below
    return frozenset(ids)


async def _tags(api: _SharedApi, id: str) -> frozenset[str]:
    """Return the tags of an account, each as KEY=VALUE."""
    tags: set[str] = set()
    async for page in api.pages(LIST_TAGS, ResourceId=id):
        tags.update(f"{_text(tag, 'Key')}={tag.get('Value', '')}" for tag in page["Tags"])
    return frozenset(tags)


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    if not value:
        raise malformed(f"{name} is missing")
    return str(value)
