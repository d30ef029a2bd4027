"""The simulated AWS and the configuration of an exporter in which each case has an account of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exporter.kinds.kind import DISCOVER, TAGS, Kind
from exporter.kinds.registry import KINDS
from tests.faults.fault_table import Case, Group

HOME = "eu-west-1"
"""The Region in which nothing goes wrong."""
BEGINS, CREATED, ENDS = 100, 2500, 3000
"""Seconds after the start: when faults begin, when an operation is created that nobody knew before, when faults end."""
STALE_AFTER = 600
ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
QUICK = {"connect_timeout": "4s", "read_timeout": "8s", "max_attempts": 2}
SHORT = {"connect_timeout": "1s", "read_timeout": "2s", "max_attempts": 2}
"""Where time-outs are waited for; the deadline of a call is 6 seconds."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A cell, its account by number."""

    account: str
    region: str
    kind: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at in the cell of a case, and what must not notice: an operation beside it, and other cells.

    ``comes`` are the operations that the cell has in the end.
    """

    name: str
    id: str
    neighbours: tuple[Place, ...]
    beside: str = ""
    comes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """A simulated AWS and the configuration of an exporter, both as YAML, and the cells in which faults are seen.

    ``waits`` tells that time-outs are short because they are waited for.
    """

    config: str
    scenario: str
    subjects: Mapping[Place, Subject]
    waits: bool


def world(group: Group) -> World:
    """Return the world in which all cases of a group happen."""
    places = (Place(ACCOUNT, region_of(number), group.kind.name) for number, _ in enumerate(group.cases))
    subjects = {place: _subject(place, case) for place, case in zip(places, group.cases, strict=True)}
    return World(_config(group), _scenario(group), subjects, group.waits)


def _subject(place: Place, case: Case) -> Subject:
    """A list is looked at through an operation that is known, and has to tell of a new one in the end."""
    a, b, c = (operation_id(case.kind, which) for which in "abc")
    comes = frozenset({a, b, c} if case.purpose == DISCOVER else {a, b})
    return Subject(case.name, a, tuple(_neighbours(place)), b, comes)


def _neighbours(place: Place) -> Iterator[Place]:
    """Yield the cells that a case must leave alone: those of its scope, and those of another Region and account."""
    for kind in KINDS:
        if kind.name != place.kind:
            yield Place(place.account, place.region, kind.name)
        yield Place(ACCOUNT, HOME, kind.name)
        yield Place(OTHER_ACCOUNT, HOME, kind.name)


def region_of(position: int) -> str:
    """Return the Region of a case: each has one, so that one exporter can meet all of them at once."""
    return f"eu-west-{10 + position}"


def operation_id(kind: Kind[Any], which: str) -> str:
    """Return the id of an operation; no two kinds share one, since jobs answer for deployments too."""
    return f"k{KINDS.index(kind)}-{which}"


def _scenario(group: Group) -> str:
    """Return the simulated AWS of a group, as JSON, which is YAML too."""
    everything = {
        "accounts": [ACCOUNT, OTHER_ACCOUNT],
        "quotas": False,
        "operations": [
            *_operations(group, OTHER_ACCOUNT, HOME),
            *_operations(group, ACCOUNT, HOME),
            *(
                one
                for position, _ in enumerate(group.cases)
                for one in _operations(group, ACCOUNT, region_of(position))
            ),
        ],
        "faults": [_fault(position, case) for position, case in enumerate(group.cases)],
    }
    return json.dumps(everything)


def _operations(group: Group, account: str, region: str) -> Iterator[Json]:
    """An operation of each kind, and of the group's own one beside it and one that comes later."""
    for kind in KINDS:
        yield operation(account, region, kind, "a")
    yield operation(account, region, group.kind, "b")
    yield {**operation(account, region, group.kind, "c"), "created": f"{CREATED}s"}


def operation(account: str, region: str, kind: Kind[Any], which: str) -> Json:
    """Return an active operation in the middle of its life."""
    status = min(kind.active - kind.waiting - kind.ending)
    return {
        "kind": kind.name,
        "account": account,
        "region": region,
        "id": operation_id(kind, which),
        "created": "-1h",
        "items": 12,
        "retries": 1,
        "tags": {"team": "gateways"},
        "error_codes": ["InvalidInput"],
        "timeline": [{"at": "0s", "status": status, "done": 0.75, "failed": 0.25}],
    }


def _fault(position: int, case: Case) -> Json:
    """A fault of all requests of a list, and of those about one operation for any other call."""
    about = {} if case.purpose == DISCOVER else {"id": operation_id(case.kind, "a")}
    # Tags are asked for once: their fault must be there from the start.
    since = 0 if case.purpose == TAGS else BEGINS
    where = {"region": region_of(position), "service": case.call.service, "api": case.call.name}
    return {**where, **about, "from": f"{since}s", "until": f"{ENDS}s", **case.entry}


def _config(group: Group) -> str:
    """Return the configuration of the exporter, as JSON."""
    regions = [HOME, *(region_of(position) for position, _ in enumerate(group.cases))]
    role = f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"
    others = [{"kind": kind.name, "ids": [operation_id(kind, "a")]} for kind in KINDS if kind != group.kind]
    watch = [_watch(group.cases[0]), *others]
    return json.dumps(
        {
            "accounts": [
                {"name": "own", "account_id": ACCOUNT, "regions": regions, "watch": watch},
                {"name": "other", "role_arn": role, "regions": [HOME], "watch": watch},
            ],
            "refresh": {"stale_after": f"{STALE_AFTER}s"},
            "aws": SHORT if group.waits else QUICK,
            "labels": {"tags": ["team"] if group.cases[0].purpose == TAGS else []},
        }
    )


def _watch(case: Case) -> Json:
    """A case of a list finds its operations; any other one names them, so that each is asked for each time."""
    kind = case.kind
    status = min(kind.active - kind.waiting - kind.ending)
    if case.purpose == DISCOVER:
        return {"kind": kind.name, "discover": {"statuses": [status], "id_pattern": "^k"}}
    options = {option.name: True for option in kind.options if case.purpose == option.name}
    return {"kind": kind.name, "ids": [operation_id(kind, "a"), operation_id(kind, "b")], **options}
