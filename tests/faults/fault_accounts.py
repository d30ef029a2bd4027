"""The simulated AWS and the exporter's configuration for a group of cases. Each case has a Region of its own."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.kinds.kind import DISCOVER, TAGS, Kind
from exporter.kinds.registry import KINDS
from tests.faults.fault_table import Case, Group
from tests.faults.observation import CellAddress

# The Region without faults.
HOME = "eu-west-1"
# Seconds after the start: when faults begin, when a new operation is created, and when faults end.
BEGINS, CREATED, ENDS = 200, 2500, 3000
STALE_AFTER = 600
ACCOUNT, OTHER_ACCOUNT = "111122223333", "444455556666"
# Time-outs run in real time. Where no case waits for one, they must not expire on a busy machine either.
LONG_TIMEOUTS = {"connect_timeout": "60s", "read_timeout": "60s", "max_attempts": 2}
# For cases that wait for time-outs. The deadline of a call is 8 seconds.
SHORT_TIMEOUTS = {"connect_timeout": "1s", "read_timeout": "3s", "max_attempts": 2}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Subject:
    """The operation of a case, and what the fault must not affect: another operation of its cell, and other cells.

    ``final_ids`` are the operations that the cell has in the end; empty if it has this one only.
    """

    name: str
    id: str
    neighbours: tuple[CellAddress, ...]
    beside: str = ""
    final_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Setup:
    """A simulated AWS and an exporter's configuration, both as YAML, and the cells that have faults."""

    config: str
    scenario: str
    subjects: Mapping[CellAddress, Subject]
    has_short_timeouts: bool


def setup_of(group: Group) -> Setup:
    """Return the setup for all cases of a group."""
    cells = (CellAddress(ACCOUNT, region, group.kind.name) for region in case_regions(group.cases))
    subjects = {cell: _subject(cell, case) for cell, case in zip(cells, group.cases, strict=True)}
    return Setup(_config(group), _scenario(group), subjects, group.waits)


def scenario_text(operations: Iterable[Json], faults: Iterable[Json] = ()) -> str:
    """Return a scenario of both accounts."""
    content = {"quotas": False, "operations": [*operations], "faults": [*faults]}
    return json.dumps({"accounts": [ACCOUNT, OTHER_ACCOUNT], **content})


def config_text(accounts: Iterable[Json], waits: bool, tags: Iterable[str] = ()) -> str:
    """Return a configuration. ``waits`` selects short time-outs, for faults that last until one expires."""
    aws = SHORT_TIMEOUTS if waits else LONG_TIMEOUTS
    refresh = {"stale_after": f"{STALE_AFTER}s"}
    return json.dumps({"accounts": [*accounts], "refresh": refresh, "aws": aws, "labels": {"tags": [*tags]}})


def named(kind: Kind[Any], *letters: str) -> Json:
    """Return a configuration's entry that watches these operations of a kind."""
    return {"kind": kind.name, "ids": [operation_id(kind, letter) for letter in letters]}


def _subject(cell: CellAddress, case: Case) -> Subject:
    """The case observes operation a. If the cell discovers operations, it must have a new one in the end."""
    a, b, c = (operation_id(case.kind, letter) for letter in "abc")
    final_ids = frozenset({a, b, c} if _discovers(case) else {a, b})
    return Subject(case.name, a, tuple(_neighbours(cell)), b, final_ids)


def _discovers(case: Case) -> bool:
    return case.purpose in (DISCOVER, TAGS)


def _neighbours(cell: CellAddress) -> Iterator[CellAddress]:
    """Yield the other cells of the same scope, and those of another Region and another account."""
    for kind in KINDS:
        if kind.name != cell.kind:
            yield CellAddress(cell.account, cell.region, kind.name)
        yield CellAddress(ACCOUNT, HOME, kind.name)
        yield CellAddress(OTHER_ACCOUNT, HOME, kind.name)


def case_regions(cases: Sequence[object]) -> list[str]:
    """Return a Region for each case. Separate Regions let one exporter meet all faults of a group at once."""
    return [f"eu-west-{number}" for number in range(10, 10 + len(cases))]


def operation_id(kind: Kind[Any], letter: str) -> str:
    """Return the id of an operation. Ids differ between kinds, because a job can belong to a deployment."""
    return f"k{KINDS.index(kind)}-{letter}"


def _scenario(group: Group) -> str:
    regions = case_regions(group.cases)
    scopes = [(OTHER_ACCOUNT, HOME), (ACCOUNT, HOME), *((ACCOUNT, region) for region in regions)]
    operations = (entry for account, region in scopes for entry in _operations(group, account, region))
    return scenario_text(operations, map(_fault, regions, group.cases))


def _operations(group: Group, account: str, region: str) -> Iterator[Json]:
    """Yield an operation of each kind; for the group's kind also a second one and one that is created later."""
    # The exporter reads tags once, and a failed read ends the reading of tags in its refresh. So the operation whose
    # tags fail appears when its fault begins, after the first complete read of the others.
    created = f"{BEGINS}s" if group.cases[0].purpose == TAGS else "-1h"
    for kind in KINDS:
        yield operation(account, region, kind, "a", created if kind == group.kind else "-1h")
    yield operation(account, region, group.kind, "b")
    yield operation(account, region, group.kind, "c", f"{CREATED}s")


def operation(account: str, region: str, kind: Kind[Any], letter: str, created: str = "-1h") -> Json:
    """Return the scenario's entry of an active operation."""
    return {
        "kind": kind.name,
        "account": account,
        "region": region,
        "id": operation_id(kind, letter),
        "created": created,
        "items": 12,
        "retries": 1,
        "tags": {"team": "gateways"},
        "error_codes": ["InvalidInput"],
        "timeline": [{"at": "0s", "status": _active_status(kind), "done": 0.75, "failed": 0.25}],
    }


def _active_status(kind: Kind[Any]) -> str:
    return min(kind.active - kind.waiting - kind.ending)


def _fault(region: str, case: Case) -> Json:
    """A fault of a list concerns all its requests; any other fault concerns the requests for one operation."""
    about = {} if case.purpose == DISCOVER else {"id": operation_id(case.kind, "a")}
    requests = {"region": region, "service": case.call.service, "api": case.call.name}
    return {**requests, **about, "from": f"{BEGINS}s", "until": f"{ENDS}s", **case.entry}


def _config(group: Group) -> str:
    regions, role = [HOME, *case_regions(group.cases)], f"arn:aws:iam::{OTHER_ACCOUNT}:role/exporter"
    watch = [_watch(group.cases[0]), *(named(kind, "a") for kind in KINDS if kind != group.kind)]
    own = {"name": "own", "account_id": ACCOUNT, "regions": regions, "watch": watch}
    other_account = {"name": "other", "role_arn": role, "regions": [HOME], "watch": watch}
    return config_text([own, other_account], group.waits, ["team"] if group.cases[0].purpose == TAGS else [])


def _watch(case: Case) -> Json:
    """Most cases name their operations, so that each refresh reads them."""
    kind = case.kind
    if _discovers(case):
        return {"kind": kind.name, "discover": {"statuses": [_active_status(kind)], "id_pattern": "^k"}}
    return {**named(kind, "a", "b"), **{option.name: True for option in kind.options if case.purpose == option.name}}
