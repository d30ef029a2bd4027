"""The faults of the matrix, and what each must lead to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.kinds.kind import DISCOVER, TAGS, ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.faults.observation import FEWER, FRESH, KEPT, NONE, UNKNOWN, UNTAGGED, Seen
from tests.faults.response_edits import (
    CANARY,
    Answered,
    Effect,
    additions,
    always,
    body,
    doubled,
    dripping,
    entries,
    every,
    paged,
    refused,
    statuses,
    top_level,
    without,
    wrong,
)

HTML = f"<html><body>{CANARY}: please log in</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a call. Without a reason it is AWS's right, and ``up`` stays 1.

    ``rows`` is what a description then says; ``waits`` tells that the exporter must wait for it, ``long`` that it costs
    thousands of calls.
    """

    name: str
    effect: Effect
    reason: str = ""
    rows: str = FRESH
    waits: bool = False
    long: bool = False


FAULTS: tuple[Fault, ...] = (
    Fault("throttled, 400", refused("ThrottlingException", 400), "throttled"),
    Fault("throttled, 429", refused("TooManyRequestsException", 429), "throttled"),
    Fault(
        "throttled, 429 with Retry-After",
        refused("ThrottlingException", 429, headers={"Retry-After": "30"}),
        "throttled",
    ),
    Fault("throttled once", refused("ThrottlingException", 400, share=0.5)),
    Fault("access denied, 403", refused("AccessDeniedException", 403), "access_denied"),
    Fault("invalid request, 400", refused("InvalidRequestException", 400), "other"),
    Fault("an error of tomorrow, 418", refused("TeapotException", 418), "other"),
    Fault("500", refused("InternalFailureException", 500), "server_error"),
    Fault("500 once", refused("InternalFailureException", 500, share=0.5)),
    Fault("502 HTML", body(HTML, "text/html", status=502), "server_error"),
    Fault("503", refused("ServiceUnavailableException", 503), "server_error"),
    Fault("404 HTML", body(HTML, "text/html", status=404), "malformed"),
    Fault(
        "302 to the metadata address", body("", status=302, headers={"Location": "http://169.254.169.254/"}), "other"
    ),
    Fault("hang before headers", always(hang="head"), "timeout", waits=True),
    Fault("hang in the body", always(hang="body"), "timeout", waits=True),
    Fault("slow drip", dripping(12), "timeout", waits=True),
    Fault("truncated body", always(cut=9), "malformed"),
    Fault("malformed JSON", body(f'{{"{CANARY}": ['), "malformed"),
    Fault("HTML with 200", body(HTML, "text/html"), "malformed"),
    Fault("HTML with 200, as JSON", body(HTML), "malformed"),
    Fault("empty body", body(""), "malformed"),
    Fault("204", body("", status=204), "malformed"),
    Fault("`{}`", body("{}"), "malformed"),
    Fault("`null`", body("null"), "malformed"),
    Fault("`[]`", body("[]"), "malformed"),
    Fault("wrong types", wrong, "malformed"),
    Fault("nulls", top_level(None), "malformed"),
    Fault("entries that are null", entries(None), "malformed"),
    Fault("entries that are numbers", entries(7), "malformed"),
    Fault("entries that are `{}`", entries({}), "malformed"),
    Fault("negative numbers", every(-1, "integer"), "malformed"),
    Fault("huge numbers", every(10**30, "integer"), "malformed"),
    Fault("fractions", every(1.5, "integer"), "malformed"),
    Fault("numbers as text", every("12", "integer"), "malformed"),
    Fault("times beyond all", every(10**30, "timestamp"), "malformed"),
    Fault("counts missing", without("integer"), rows=FEWER),
    Fault("unknown enum", statuses("TOMORROW"), rows=UNKNOWN),
    Fault("unknown fields", additions({"a": [1, None, CANARY]})),
    Fault("duplicate ids", doubled),
    Fault("a repeated page token", paged("repeated"), "malformed"),
    Fault("an endless list", paged("endless"), "malformed", long=True),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault on a call of a kind."""

    fault: Fault
    kind: Kind[Any]
    call: ApiCall
    purpose: str

    @property
    def entry(self) -> Mapping[str, Any]:
        """What the scenario says of the fault."""
        return self.fault.effect(Answered(self.kind, self.call)) or {}

    @property
    def name(self) -> str:
        """The fault and the call."""
        return f"{self.fault.name}: {self.kind.name} {self.call.name}"


def cases(kind: Kind[Any]) -> Iterator[Case]:
    """Yield every case of a kind that makes sense."""
    for purpose, calls in kind.purposes.items():
        for call in calls:
            found = (Case(fault, kind, call, purpose) for fault in FAULTS)
            yield from (case for case in found if case.entry)


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of one purpose of a kind that one exporter meets at once, each in a Region of its own."""

    name: str
    cases: tuple[Case, ...]
    is_long: bool = False

    @property
    def kind(self) -> Kind[Any]:
        """The kind of all of them."""
        return self.cases[0].kind

    @property
    def waits(self) -> bool:
        """Whether time-outs are to be waited for."""
        return any(case.fault.waits for case in self.cases)


def groups(kinds: Sequence[Kind[Any]] = KINDS) -> tuple[Group, ...]:
    """Return all cases: those of one call together, those that wait of a kind together, each long one alone."""
    return tuple(group for kind in kinds for group in _groups(kind))


def _groups(kind: Kind[Any]) -> Iterator[Group]:
    every_case = tuple(cases(kind))
    quick = [case for case in every_case if not (case.fault.waits or case.fault.long)]
    for call in dict.fromkeys(case.call.name for case in every_case):
        yield Group(f"{kind.name} {call}", tuple(case for case in quick if case.call.name == call))
    for purpose in dict.fromkeys(case.purpose for case in every_case):
        waiting = tuple(case for case in every_case if case.fault.waits and case.purpose == purpose)
        yield Group(f"{kind.name} {purpose} waits", waiting)
    for case in every_case:
        if case.fault.long:
            yield Group(case.name, (case,), is_long=True)


def expected(case: Case) -> Seen:
    """Return what a case must come to."""
    reason = case.fault.reason
    rows, later = _rows(case)
    return Seen((reason,) if reason else (), not reason, rows, later, back=1)


def _rows(case: Case) -> tuple[str, str]:
    """What cannot be described keeps its last rows for a time. What a list lacks is known already."""
    if case.purpose == TAGS:
        return (UNTAGGED, UNTAGGED) if case.fault.reason else (FRESH, FRESH)
    if case.purpose == DISCOVER:
        return FRESH, FRESH
    if case.fault.reason:
        return KEPT, NONE
    # The status of an operation is that of the first description: a second one only counts.
    rows = FRESH if case.fault.rows == UNKNOWN and case.call in case.kind.describes[1:] else case.fault.rows
    return rows, rows
