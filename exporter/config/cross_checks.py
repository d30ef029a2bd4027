"""Check settings that depend on each other.

The checks read the raw file, so that their problems are reported together with those of single settings.
They ignore values of a wrong type, because the model reports those.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exporter.config.fields import EVERY_REGION
from exporter.config.partitions import has_other_partition, partition_of

Section = Mapping[str, Any]
# The sections of a list, each with its position in that list.
Numbered = Sequence[tuple[int, Section]]


def cross_check_problems(raw: Any) -> Iterator[str]:
    """Yield each problem with its path."""
    accounts = _sections(raw, "accounts")
    yield from _duplicate_names(accounts)
    for number, account in accounts:
        yield from _account_problems(f"accounts[{number}]", account)
    organizations = _sections(raw, "organizations")
    yield from _duplicate_organizations(organizations)
    for number, organization in organizations:
        yield from _scope_problems(f"organizations[{number}]", organization)
    if isinstance(raw, dict) and raw.get("accounts") in ([], ()) and not organizations:
        yield "accounts: is empty; add an account or organizations, or remove the key for the default account"


def _duplicate_names(accounts: Numbered) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, account in accounts:
        name = account.get("name", "default")
        if isinstance(name, str) and first.setdefault(name, number) != number:
            yield f"accounts[{number}].name: accounts[{first[name]}] has the same name; use a different name"


def _duplicate_organizations(organizations: Numbered) -> Iterator[str]:
    for number, organization in organizations:
        same = next((first for first, section in organizations if section == organization), number)
        if same != number:
            yield f"organizations[{number}]: organizations[{same}] is the same; remove one of them"


def _account_problems(path: str, account: Section) -> Iterator[str]:
    role, account_id = account.get("role_arn"), account.get("account_id")
    if role is None and account.get("external_id") is not None:
        yield f"{path}.external_id: requires role_arn; set role_arn or remove external_id"
    if isinstance(account_id, str) and _account_of_role(role) not in ("", account_id):
        yield f"{path}.account_id: differs from the account in role_arn; correct one of them"
    yield from _scope_problems(path, account)


def _scope_problems(path: str, account: Section) -> Iterator[str]:
    """Yield each problem with the Regions and the watches of an account or an organization."""
    yield from _partition_problems(path, account)
    # An organization has the key role_name, and all Regions by default.
    default = EVERY_REGION if "role_name" in account else []
    if account.get("exclude_regions") and account.get("regions", default) != EVERY_REGION:
        yield f"{path}.exclude_regions: requires regions: all; set it, or remove exclude_regions"
    first: dict[str, int] = {}
    for number, watch in _sections(account, "watch"):
        kind = watch.get("kind")
        if isinstance(kind, str) and first.setdefault(kind, number) != number:
            yield f"{path}.watch[{number}].kind: watch[{first[kind]}] has the same kind; merge the two entries"
        if watch.get("ids", []) == [] and watch.get("discover", False) is False:
            yield f"{path}.watch[{number}]: watches nothing; add ids or set discover to true"


def _partition_problems(path: str, account: Section) -> Iterator[str]:
    """Yield a problem for each Region and role outside the partition of the first Region whose partition is known."""
    places = (*_regions(path, account, "regions"), *_regions(path, account, "exclude_regions"))
    known = [(place, partition_of(region)) for place, region in places if partition_of(region)]
    if not known:
        return
    first, partition = known[0]
    name = first.removeprefix(f"{path}.")
    for place, other in known:
        if other != partition:
            cure = f"watch {other} with another exporter that has credentials of {other}"
            yield f"{place}: is in the partition {other}, but {name} is in {partition}; {cure}"
    role = account.get("role_arn")
    if isinstance(role, str) and _account_of_role(role) and has_other_partition(role, partition):
        yield f"{path}.role_arn: is not in {partition}, the partition of {name}; use a role of {partition}"


def _account_of_role(role: Any) -> str:
    match = re.match(r"arn:[a-z-]+:iam::([0-9]{12}):role/", role) if isinstance(role, str) else None
    return match[1] if match else ""


def _regions(path: str, account: Section, key: str) -> Iterator[tuple[str, str]]:
    regions = account.get(key, [])
    for number, region in enumerate(regions if isinstance(regions, list) else ()):
        if isinstance(region, str) and region not in regions[:number]:
            yield f"{path}.{key}[{number}]", region


def _sections(parent: Any, key: str) -> Numbered:
    members = parent.get(key) if isinstance(parent, dict) else None
    numbered = enumerate(members if isinstance(members, list) else ())
    return [(number, member) for number, member in numbered if isinstance(member, dict)]
