"""Faults of a whole scope, each in a Region of its own: credentials, STS, clocks."""

from collections.abc import Iterator, Sequence
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
    Json,
    Setup,
    Subject,
    case_regions,
    config_text,
    named,
    operation,
    operation_id,
    scenario_text,
)
from tests.faults.observation import KEPT, NONE, CellAddress, Observation
from tests.faults.response_edits import CANARY, Entry


@dataclass(frozen=True, slots=True)
class ScopeFault:
    """A fault of every call of a scope or, ``of_sts``, of the call that gets the scope's credentials.

    A fault ``waits`` if the exporter must wait for a time-out.
    """

    name: str
    entry: Entry
    reason: str
    of_sts: bool = False
    waits: bool = False

    @property
    def account(self) -> str:
        """The account of the scope."""
        return OTHER_ACCOUNT if self.of_sts else ACCOUNT


def _error(code: str, status: int) -> Entry:
    return {"error": code, "status": status, "message": CANARY}


SCOPE_FAULTS = (
    ScopeFault("expired credentials", _error("ExpiredTokenException", 403), "credentials"),
    ScopeFault("revoked credentials", _error("UnrecognizedClientException", 403), "credentials"),
    ScopeFault("every API denied", _error("AccessDeniedException", 403), "access_denied"),
    ScopeFault("AWS's clock an hour ahead", {"skew": "1h"}, "credentials"),
    ScopeFault("AWS's clock an hour behind", {"skew": "-1h"}, "credentials"),
    ScopeFault("role without trust", _error("AccessDenied", 403), "access_denied", of_sts=True),
    ScopeFault("STS: expired credentials", _error("ExpiredToken", 403), "credentials", of_sts=True),
    ScopeFault("STS: clock an hour ahead", {"skew": "1h"}, "credentials", of_sts=True),
    ScopeFault("STS: throttled", _error("Throttling", 400), "throttled", of_sts=True),
    ScopeFault("STS: 503", _error("ServiceUnavailable", 503), "server_error", of_sts=True),
    ScopeFault("STS: HTML with 200", {"body": f"<html>{CANARY}</html>", "status": 200}, "credentials", of_sts=True),
    ScopeFault("STS: truncated body", {"cut": 200}, "credentials", of_sts=True),
    ScopeFault("STS: hang before headers", {"hang": "head"}, "credentials", of_sts=True, waits=True),
)


def scope_case(fault: ScopeFault, kind: Kind[Any]) -> str:
    """Return the name of the case of a fault and a kind."""
    return f"{fault.name}: {kind.name}"


def expected_of_scope(fault: ScopeFault) -> Observation:
    """Return the observation of each kind. A scope that never had credentials has no series to keep."""
    return Observation((fault.reason,), up=False, rows=NONE if fault.of_sts else KEPT, later=NONE, back=1)


def setup_of_scopes(faults: Sequence[ScopeFault]) -> Setup:
    """Return the setup for these faults. All of them wait for time-outs, or none does."""
    waits = faults[0].waits
    return Setup(_config(faults, waits), _scenario(faults), dict(_subjects(faults)), waits)


def _subjects(faults: Sequence[ScopeFault]) -> Iterator[tuple[CellAddress, Subject]]:
    homes = tuple(CellAddress(account, HOME, kind.name) for account in (ACCOUNT, OTHER_ACCOUNT) for kind in KINDS)
    for region, fault in zip(case_regions(faults), faults, strict=True):
        for kind in KINDS:
            cell = CellAddress(fault.account, region, kind.name)
            yield cell, Subject(scope_case(fault, kind), operation_id(kind, "a"), homes)


def _scenario(faults: Sequence[ScopeFault]) -> str:
    regions = case_regions(faults)
    scopes = [(ACCOUNT, HOME), (OTHER_ACCOUNT, HOME)]
    scopes += [(fault.account, region) for region, fault in zip(regions, faults, strict=True)]
    operations = (operation(*scope, kind, "a") for scope in scopes for kind in KINDS)
    return scenario_text(operations, map(_entry, regions, faults))


def _entry(region: str, fault: ScopeFault) -> Json:
    requests = {"api": "AssumeRole", "id": _role(region)} if fault.of_sts else {"region": region}
    # The exporter reads credentials once only, so a fault of STS must exist from the start.
    since = 0 if fault.of_sts else BEGINS
    return {**requests, "from": f"{since}s", "until": f"{ENDS}s", **fault.entry}


def _role(region: str) -> str:
    return f"arn:aws:iam::{OTHER_ACCOUNT}:role/of-{region}"


def _config(faults: Sequence[ScopeFault], waits: bool) -> str:
    """Each fault of STS has an account with a role of its own, and the other faults share an account."""
    watch = [named(kind, "a") for kind in KINDS]
    pairs = list(zip(case_regions(faults), faults, strict=True))
    own = [HOME, *(region for region, fault in pairs if not fault.of_sts)]
    roles = [HOME, *(region for region, fault in pairs if fault.of_sts)]
    accounts = [{"name": region, "role_arn": _role(region), "regions": [region], "watch": watch} for region in roles]
    return config_text([{"account_id": ACCOUNT, "regions": own, "watch": watch}, *accounts], waits)
