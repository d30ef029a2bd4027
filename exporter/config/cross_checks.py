"""Faults between fields. They are read from the raw file, so that they are told together with those of each field.

What has a wrong type here is a fault of its own field, which is told there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

Section = Mapping[str, Any]
Numbered = Sequence[tuple[int, Section]]
"""The sections of a list, each with its number there."""


def faults_across(raw: Any, kinds: Collection[str], by_default: Sequence[str]) -> Iterator[str]:
    """Give every fault between fields, with its path; ``by_default`` is watched where an account names nothing."""
    accounts = _sections(raw, "accounts")
    yield from _same_names(accounts)
    for number, account in accounts:
        yield from _in_account(f"accounts[{number}]", account)
    yield from _same_cells(accounts, kinds, by_default)


def _same_names(accounts: Numbered) -> Iterator[str]:
    first: dict[str, int] = {}
    for number, account in accounts:
        name = account.get("name", "default")
        if isinstance(name, str) and first.setdefault(name, number) != number:
            yield f"accounts[{number}].name: accounts[{first[name]}] has this name too; give each its own"


def _in_account(path: str, account: Section) -> Iterator[str]:
    role, account_id = account.get("role_arn"), account.get("account_id")
    if role is None and account.get("external_id") is not None:
        yield f"{path}.external_id: needs role_arn"
    if isinstance(account_id, str) and _account_of(role) not in ("", account_id):
        yield f"{path}.account_id: role_arn names another account"
    first: dict[str, int] = {}
    for number, watch in _sections(account, "watch"):
        kind = watch.get("kind")
        if isinstance(kind, str) and first.setdefault(kind, number) != number:
            yield f"{path}.watch[{number}].kind: watch[{first[kind]}] has this kind too; make them one"
        if watch.get("ids", []) == [] and watch.get("discover", False) is False:
            yield f"{path}.watch[{number}]: watches nothing: name ids, or set discover to true"


def _same_cells(accounts: Numbered, kinds: Collection[str], by_default: Sequence[str]) -> Iterator[str]:
    first: dict[tuple[str, str, str], int] = {}
    for number, account in accounts:
        known_id = _known_id(account)
        if known_id is None:
            continue
        for path, region in _regions(f"accounts[{number}]", account):
            for kind in _kinds(account, kinds, by_default):
                earlier = first.setdefault((known_id, region, kind), number)
                if earlier != number:
                    yield f"{path}: accounts[{earlier}] watches {kind} there too, and is the same account"


def _known_id(account: Section) -> str | None:
    """The account's number, empty for that of the default credentials, None where it cannot be told."""
    account_id, role = account.get("account_id"), account.get("role_arn")
    if account_id is not None:
        return account_id if isinstance(account_id, str) else None
    return "" if role is None else _account_of(role) or None


def _account_of(role: Any) -> str:
    match = re.match(r"arn:[a-z-]+:iam::([0-9]{12}):role/", role) if isinstance(role, str) else None
    return match[1] if match else ""


def _regions(path: str, account: Section) -> Iterator[tuple[str, str]]:
    regions = account.get("regions", [])
    if regions == []:
        yield path, ""
    for number, region in enumerate(regions if isinstance(regions, list) else ()):
        if isinstance(region, str) and region not in regions[:number]:
            yield f"{path}.regions[{number}]", region


def _kinds(account: Section, kinds: Collection[str], by_default: Sequence[str]) -> Sequence[str]:
    if "watch" not in account:
        return by_default
    named = [watch.get("kind") for _, watch in _sections(account, "watch")]
    return [kind for kind in kinds if kind in named]


def _sections(parent: Any, key: str) -> Numbered:
    members = parent.get(key) if isinstance(parent, dict) else None
    numbered = enumerate(members if isinstance(members, list) else ())
    return [(number, member) for number, member in numbered if isinstance(member, dict)]
