"""The faults of the matrix, and the observation that each case must give."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.kinds.kind import DISCOVER, TAGS, ApiCall, Kind
from exporter.kinds.registry import KINDS
from tests.faults.observation import FEWER, FRESH, KEPT, NONE, UNKNOWN, UNTAGGED, Observation
from tests.faults.response_edits import (
    CANARY,
    Effect,
    TrueResponse,
    added_members,
    constant,
    double_entries,
    drip,
    endless_pages,
    error,
    members_of_type,
    other_body,
    page_entries,
    statuses,
    top_level_members,
    without,
    wrong_types,
)

RETRY_AFTER = {"Retry-After": "30"}
METADATA = {"Location": "http://169.254.169.254/"}
HTML = f"<html><body>{CANARY}: please log in</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one API call. Without a reason the response is valid, and ``up`` stays 1.

    ``rows`` is the state of the operation's series if the call describes it. A fault ``waits`` if the exporter must
    wait for a time-out, and is ``long`` if it costs thousands of calls.
    """

    name: str
    effect: Effect
    reason: str = ""
    rows: str = FRESH
    waits: bool = False
    long: bool = False


FAULTS: tuple[Fault, ...] = (
    Fault("throttled, 400", error("ThrottlingException", 400), "throttled"),
    Fault("throttled, 429", error("TooManyRequestsException", 429), "throttled"),
    Fault("throttled, 429 with Retry-After", error("ThrottlingException", 429, headers=RETRY_AFTER), "throttled"),
    Fault("throttled once", error("ThrottlingException", 400, share=0.5)),
    Fault("access denied, 403", error("AccessDeniedException", 403), "access_denied"),
    Fault("invalid request, 400", error("InvalidRequestException", 400), "other"),
    Fault("unknown error code, 418", error("TeapotException", 418), "other"),
    Fault("500", error("InternalFailureException", 500), "server_error"),
    Fault("500 once", error("InternalFailureException", 500, share=0.5)),
    Fault("502 HTML", other_body(HTML, "text/html", status=502), "server_error"),
    Fault("503", error("ServiceUnavailableException", 503), "server_error"),
    Fault("404 HTML", other_body(HTML, "text/html", status=404), "malformed"),
    Fault("302 to the metadata address", other_body("", status=302, headers=METADATA), "other"),
    Fault("hang before headers", constant(hang="head"), "timeout", waits=True),
    Fault("hang in the body", constant(hang="body"), "timeout", waits=True),
    # Much longer than the deadline of a call, because real bodies can be shorter than the sample.
    Fault("slow trickle", drip(20), "timeout", waits=True),
    Fault("truncated body", constant(cut=9), "malformed"),
    Fault("malformed JSON", other_body(f'{{"{CANARY}": ['), "malformed"),
    Fault("HTML with 200", other_body(HTML, "text/html"), "malformed"),
    Fault("HTML with 200, as JSON", other_body(HTML), "malformed"),
    Fault("empty body", other_body(""), "malformed"),
    Fault("204", other_body("", status=204), "malformed"),
    Fault("`{}`", other_body("{}"), "malformed"),
    Fault("`null`", other_body("null"), "malformed"),
    Fault("`[]`", other_body("[]"), "malformed"),
    Fault("wrong types", wrong_types, "malformed"),
    Fault("nulls", top_level_members(None), "malformed"),
    Fault("entries that are null", page_entries(None), "malformed"),
    Fault("entries that are numbers", page_entries(7), "malformed"),
    Fault("entries that are `{}`", page_entries({}), "malformed"),
    Fault("negative numbers", members_of_type(-1, "integer"), "malformed"),
    Fault("huge numbers", members_of_type(10**30, "integer"), "malformed"),
    Fault("fractions", members_of_type(1.5, "integer"), "malformed"),
    Fault("numbers as text", members_of_type("12", "integer"), "malformed"),
    Fault("timestamps out of range", members_of_type(10**30, "timestamp"), "malformed"),
    Fault("counts missing", without("integer"), rows=FEWER),
    Fault("unknown enum", statuses("UNHEARD_OF"), rows=UNKNOWN),
    Fault("unknown fields", added_members({"a": [1, None, CANARY]})),
    Fault("duplicate ids", double_entries),
    Fault("a repeated page token", endless_pages("repeated"), "malformed"),
    Fault("an endless list", endless_pages("endless"), "malformed", long=True),
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
        """The scenario's entry of the fault, empty if the fault makes no sense for the call."""
        return self.fault.effect(TrueResponse(self.kind, self.call)) or {}

    @property
    def name(self) -> str:
        """The fault and the call."""
        return f"{self.fault.name}: {self.kind.name} {self.call.name}"


def cases(kind: Kind[Any]) -> Iterator[Case]:
    """Yield every case of a kind for which the fault makes sense."""
    for purpose, calls in kind.purposes.items():
        for call in calls:
            found = (Case(fault, kind, call, purpose) for fault in FAULTS)
            yield from (case for case in found if case.entry)


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of one purpose and kind that one exporter meets at once, each in a Region of its own."""

    name: str
    cases: tuple[Case, ...]
    is_long: bool = False

    @property
    def kind(self) -> Kind[Any]:
        """The kind of all of them."""
        return self.cases[0].kind

    @property
    def waits(self) -> bool:
        """Whether the exporter must wait for time-outs."""
        return any(case.fault.waits for case in self.cases)


def groups(kinds: Sequence[Kind[Any]] = KINDS) -> tuple[Group, ...]:
    """Return all cases in groups: by call, by purpose if they wait for time-outs, and alone if they are long."""
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


def expected(case: Case) -> Observation:
    """Return the observation that a case must give."""
    reason = case.fault.reason
    rows, later = _rows(case)
    return Observation((reason,) if reason else (), not reason, rows, later, back=1)


def _rows(case: Case) -> tuple[str, str]:
    """An operation that cannot be described keeps its last series for a time. A list adds operations only."""
    if case.purpose == TAGS:
        return (UNTAGGED, UNTAGGED) if case.fault.reason else (FRESH, FRESH)
    if case.purpose == DISCOVER:
        return FRESH, FRESH
    if case.fault.reason:
        return KEPT, NONE
    # The first description gives an operation its status, a second one its counts only.
    rows = FRESH if case.fault.rows == UNKNOWN and case.call in case.kind.describe_calls[1:] else case.fault.rows
    return rows, rows
