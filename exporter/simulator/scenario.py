"""What the simulated AWS does: its accounts, its operations over time, and what goes wrong."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from exporter.kinds.kind import Kind
from exporter.simulator.scenario_file import FaultEntry, OperationEntry, PointEntry, ScenarioFile, read_scenario

NAMESPACE = uuid.UUID("6f0c1a5e-52b8-4d3a-9f6b-0a4d2f1c7e11")
"""Ids that a scenario leaves out are derived from it, so that they are the same in every run."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role that may be assumed; with an external id, only by who names it."""

    arn: str
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """The state from a time on, in seconds since the operation was created; the shares are of its items."""

    at: float
    status: str
    done: float
    failed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One operation and its whole life; ``created`` is in seconds since the simulator started.

    ``message`` is told from the last point on, ``error_codes`` already from the first failure on, and ``retries``
    is their number in the end: they grow as what is done does.
    """

    kind: str
    id: str
    account: str
    region: str
    created: float
    items: int
    timeline: tuple[Point, ...]
    retries: int = 0
    name: str = ""
    input: str = ""
    target: str = ""
    continuous: bool = False
    message: str = ""
    error_codes: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong for some requests: None fits every request.

    ``since`` and ``until`` are seconds since the simulator started. A fault delays, and then answers with an error,
    with a body of its own, as to a caller whose clock lags by ``skew`` seconds, with a list that never ends, or with
    the true answer after edits. The answer leaves whole, or cut after some bytes, or ``drip`` bytes a second, or it
    hangs until the caller leaves.
    """

    account: str | None = None
    region: str | None = None
    service: str | None = None
    api: str | None = None
    id: str | None = None
    since: float = 0.0
    until: float | None = None
    share: float = 1.0
    delay: float = 0.0
    error: str | None = None
    message: str = ""
    status: int | None = None
    body: str | None = None
    content_type: str = "text/html"
    headers: Mapping[str, str] | None = None
    replace: Mapping[str, Any] | None = None
    remove: Sequence[str] | None = None
    double: Sequence[str] | None = None
    pages: str | None = None
    skew: float | None = None
    cut: int | None = None
    drip: int | None = None
    hang: str | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A whole simulated AWS. ``roles`` is None where every role of the accounts may be assumed."""

    accounts: tuple[str, ...]
    roles: tuple[Role, ...] | None
    quotas: bool
    latency: float
    operations: tuple[Planned, ...]
    faults: tuple[Fault, ...]


def scenario_text(name: str = "demo") -> str:
    """Return the text of a scenario that the package ships."""
    return (resources.files("exporter.simulator") / "scenarios" / f"{name}.yaml").read_text("utf-8")


def parse_scenario(text: str, kinds: Sequence[Kind[Any]]) -> Scenario:
    """Return the scenario that a YAML text describes. Raises ConfigError with every problem and its path."""
    by_name = {kind.name: kind for kind in kinds}
    file = read_scenario(text, by_name)
    return Scenario(
        accounts=file.accounts,
        roles=None if file.roles is None else tuple(Role(role.arn, role.external_id) for role in file.roles),
        quotas=file.quotas,
        latency=file.latency,
        operations=tuple(_operations(file)),
        faults=tuple(_fault(fault) for fault in file.faults),
    )


def _operations(file: ScenarioFile) -> Iterator[Planned]:
    for position, entry in enumerate(file.operations):
        timeline = tuple(_points(entry.timeline))
        for id in entry.ids or _derived_ids(position, entry.count):
            yield _planned(entry, id, timeline, entry.account or file.accounts[0])


def _derived_ids(position: int, count: int) -> Iterator[str]:
    return (str(uuid.uuid5(NAMESPACE, f"{position}.{number}")) for number in range(count))


def _planned(entry: OperationEntry, id: str, timeline: tuple[Point, ...], account: str) -> Planned:
    return Planned(
        kind=entry.kind,
        id=id,
        account=account,
        region=entry.region,
        created=entry.created,
        items=entry.items,
        timeline=timeline,
        retries=entry.retries,
        name=entry.name,
        input=entry.input,
        target=entry.target,
        continuous=entry.continuous,
        message=entry.message,
        error_codes=entry.error_codes,
        tags=_pairs(entry.tags),
    )


def _pairs(tags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tags.items()))


def _points(entries: Sequence[PointEntry]) -> Iterator[Point]:
    point = Point(0.0, "", 0.0, 0.0)
    for entry in entries:
        done = point.done if entry.done is None else entry.done
        failed = point.failed if entry.failed is None else entry.failed
        point = Point(entry.at, entry.status or point.status, done, failed)
        yield point


def _fault(entry: FaultEntry) -> Fault:
    return Fault(**entry.model_dump())
