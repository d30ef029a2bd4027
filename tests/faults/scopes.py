"""Faults of a whole scope, each in a Region of its own: credentials, STS, clocks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from tests.faults.fault_accounts import (
    ACCOUNT,
    BEGINS,
    ENDS,
    HOME,
    OTHER_ACCOUNT,
    SHORT,
    STALE_AFTER,
    Json,
    Place,
    Subject,
    World,
    operation,
    operation_id,
    region_of,
)
from tests.faults.observation import KEPT, NONE, Seen
from tests.faults.response_edits import CANARY, Entry

ASSUMING = "AssumeRole"


@dataclass(frozen=True, slots=True)
class ScopeFault:
    """A fault of every call of a scope, or with ``of_sts`` of the call that gives credentials for it."""

    name: str
    entry: Entry
    reason: str
    of_sts: bool = False


def _refused(code: str, status: int) -> Entry:
    return {"error": code, "status": status, "message": CANARY}


SCOPE_FAULTS = (
    ScopeFault("expired credentials", _refused("ExpiredTokenException", 403), "credentials"),
    ScopeFault("revoked credentials", _refused("UnrecognizedClientException", 403), "credentials"),
    ScopeFault("every API denied", _refused("AccessDeniedException", 403), "access_denied"),
    ScopeFault("AWS's clock an hour ahead", {"skew": "1h"}, "credentials"),
    ScopeFault("AWS's clock an hour behind", {"skew": "-1h"}, "credentials"),
    ScopeFault("role without trust", _refused("AccessDenied", 403), "access_denied", of_sts=True),
    ScopeFault("STS: expired credentials", _refused("ExpiredToken", 403), "credentials", of_sts=True),
    ScopeFault("STS: clock an hour ahead", {"skew": "1h"}, "credentials", of_sts=True),
    ScopeFault("STS: throttled", _refused("Throttling", 400), "throttled", of_sts=True),
    ScopeFault("STS: 503", _refused("ServiceUnavailable", 503), "server_error", of_sts=True),
    ScopeFault("STS: HTML with 200", {"body": f"<html>{CANARY}</html>", "status": 200}, "malformed", of_sts=True),
    ScopeFault("STS: truncated body", {"cut": 200}, "malformed", of_sts=True),
    ScopeFault("STS: hang before headers", {"hang": "head"}, "timeout", of_sts=True),
)


def scope_case(fault: ScopeFault, kind: Kind[Any]) -> str:
    """Return the name of a fault as one kind sees it."""
    return f"{fault.name}: {kind.name}"


def scopes_world() -> World:
    """Return the one world of all of them."""
    return World(json.dumps(_config()), json.dumps(_scenario()), dict(_subjects()), waits=True)


def expected_of_scope(fault: ScopeFault) -> Seen:
    """Return what each kind must come to. Where there never were credentials there are no rows to keep."""
    return Seen((fault.reason,), up=False, rows=NONE if fault.of_sts else KEPT, later=NONE, back=1)


def _subjects() -> Iterator[tuple[Place, Subject]]:
    for position, fault in enumerate(SCOPE_FAULTS):
        for kind in KINDS:
            place = Place(_account(fault), region_of(position), kind.name)
            yield place, Subject(scope_case(fault, kind), operation_id(kind, "a"), tuple(_homes()))


def _homes() -> Iterator[Place]:
    for account in (ACCOUNT, OTHER_ACCOUNT):
        for kind in KINDS:
            yield Place(account, HOME, kind.name)


def _account(fault: ScopeFault) -> str:
    return OTHER_ACCOUNT if fault.of_sts else ACCOUNT


def _scenario() -> Json:
    places = [(account, HOME) for account in (ACCOUNT, OTHER_ACCOUNT)]
    places += [(_account(fault), region_of(position)) for position, fault in enumerate(SCOPE_FAULTS)]
    return {
        "accounts": [ACCOUNT, OTHER_ACCOUNT],
        "quotas": False,
        "operations": [operation(*place, kind, "a") for place in places for kind in KINDS],
        "faults": [_fault(position, fault) for position, fault in enumerate(SCOPE_FAULTS)],
    }


def _fault(position: int, fault: ScopeFault) -> Json:
    until = {"until": f"{ENDS}s", **fault.entry}
    if fault.of_sts:
        return {"api": ASSUMING, "id": _role(position), **until}
    return {"region": region_of(position), "from": f"{BEGINS}s", **until}


def _role(position: int) -> str:
    return f"arn:aws:iam::{OTHER_ACCOUNT}:role/role-{position}"


def _config() -> Mapping[str, Any]:
    watch = [{"kind": kind.name, "ids": [operation_id(kind, "a")]} for kind in KINDS]
    regions = [HOME, *(region_of(position) for position, fault in enumerate(SCOPE_FAULTS) if not fault.of_sts)]
    roles = [
        {"name": f"role-{position}", "role_arn": _role(position), "regions": [region_of(position)], "watch": watch}
        for position, fault in enumerate(SCOPE_FAULTS)
        if fault.of_sts
    ]
    own = {"name": "own", "account_id": ACCOUNT, "regions": regions, "watch": watch}
    other = {"name": "other", "role_arn": _role(len(SCOPE_FAULTS)), "regions": [HOME], "watch": watch}
    return {"accounts": [own, other, *roles], "refresh": {"stale_after": f"{STALE_AFTER}s"}, "aws": SHORT}
