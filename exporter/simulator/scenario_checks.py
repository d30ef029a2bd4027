"""What a scenario may not say although its shape is right.

A fault may begin with the rest of its path, ``[0].status: is missing``, and never holds the end of a line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from exporter.config.fields import id_description
from exporter.kinds.kind import ApiCall, Kind
from exporter.simulator.skew import TOLERATED_SKEW

if TYPE_CHECKING:
    from exporter.simulator.scenario_file import FaultEntry, OperationEntry, PointEntry

TOLERANCE = 1e-9
"""Shares are written with a few digits, and their difference may be off by the last bit."""
TARGET = re.compile(r"arn:aws[a-z-]*:iot:[a-z0-9-]+:[0-9]{12}:(thing|thinggroup)/[a-zA-Z0-9:_-]{1,128}")
"""What jobs and deployments are for: a thing or a thing group."""
EXAMPLE_TARGET = "arn:aws:iot:eu-west-1:111122223333:thinggroup/NAME"
STS = (ApiCall("sts", "AssumeRole", quota=0), ApiCall("sts", "GetCallerIdentity", quota=0))
STS_APIS = frozenset(call.name for call in STS)
EDITS = ("replace", "remove", "double")
"""What changes the true answer, and may go together."""
ANSWERS = ("error", "body", *EDITS, "pages", "skew")
"""What a fault answers instead of the truth, one of them at the most."""
DELIVERIES = ("cut", "drip", "hang")
"""How an answer leaves, one of them at the most."""
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
FRAMING = ("connection", "content-length", "transfer-encoding")


@dataclass(frozen=True)
class Known:
    """What the names in a scenario may refer to."""

    kinds: Mapping[str, Kind[Any]]
    accounts: frozenset[str]

    @cached_property
    def calls(self) -> tuple[ApiCall, ...]:
        """Every API that the simulator answers."""
        return (*(call for kind in self.kinds.values() for call in kind.calls), *STS)

    @cached_property
    def services(self) -> Collection[str]:
        """Their services."""
        return sorted({call.service for call in self.calls})

    @cached_property
    def apis(self) -> Collection[str]:
        """Their names."""
        return sorted({call.name for call in self.calls})


def none_of(name: str | None, known: Collection[str]) -> str:
    """Return what is wrong with a name, empty for a known one or none."""
    return "" if name is None or name in known else f"{json.dumps(name)} is none of {', '.join(known)}"


def account_fault(account: str | None, known: Known) -> str:
    """Return what is wrong with an account; nothing is known to be wrong where ``accounts`` is wrong itself."""
    if account is None or not known.accounts or account in known.accounts:
        return ""
    return "is none of accounts"


def id_fault(ids: Sequence[str], kind: Kind[Any] | None) -> str:
    """Return what is wrong with the ids of an entry, which has none where they are to be derived."""
    if kind is None or all(map(kind.is_id, ids)):
        return ""
    too_long = any(len(id) > kind.id_length for id in ids)
    return f"longer than {kind.id_length} characters" if too_long else f"expected {id_description(kind.id_pattern)}"


def target_fault(target: str) -> str:
    """Return what is wrong with a target, which may be left out."""
    return "" if not target or TARGET.fullmatch(target) else f"expected an ARN such as {EXAMPLE_TARGET}"


def twice(entries: Sequence[OperationEntry], account: str) -> Iterator[str]:
    """Yield the entries whose ids stand twice in one Region of an account; ``account`` is the default."""
    seen: set[tuple[str, str, str, str]] = set()
    for number, entry in enumerate(entries):
        keys = {(entry.kind, entry.account or account, entry.region, id) for id in entry.ids}
        if keys & seen:
            yield f"[{number}].id: stands twice"
        seen |= keys


def timeline_faults(timeline: Sequence[PointEntry], kind: Kind[Any] | None) -> list[str]:
    """Return what is wrong with a timeline: statuses, the order of times, counts that go backwards."""
    return [*_status_faults(timeline, kind), *_time_faults(timeline), *_count_faults(timeline)]


def _status_faults(timeline: Sequence[PointEntry], kind: Kind[Any] | None) -> Iterator[str]:
    if timeline[0].status is None:
        yield "[0].status: is missing"
    for number, point in enumerate(timeline):
        if kind and point.status is not None and point.status not in kind.statuses:
            known = ", ".join(kind.statuses)
            yield f"[{number}].status: {json.dumps(point.status)} is no status of {kind.name}; one of {known}"


def _time_faults(timeline: Sequence[PointEntry]) -> Iterator[str]:
    if timeline[0].at != 0:
        yield "[0].at: the first point must be at 0s"
    for number in range(1, len(timeline)):
        if timeline[number].at <= timeline[number - 1].at:
            yield f"[{number}].at: must be later than the point before"


def _count_faults(timeline: Sequence[PointEntry]) -> Iterator[str]:
    done = failed = 0.0
    for number, point in enumerate(timeline):
        before_done, before_failed = done, failed
        done = done if point.done is None else point.done
        failed = failed if point.failed is None else point.failed
        if failed > done + TOLERANCE:
            yield f"[{number}].failed: is more than done, which includes it"
        elif done < before_done:
            yield f"[{number}].done: goes backwards"
        elif failed < before_failed:
            yield f"[{number}].failed: goes backwards"
        elif done - failed < before_done - before_failed - TOLERANCE:
            yield f"[{number}].failed: grows faster than done, so that successes go backwards"


def headers_fault(headers: Mapping[str, str]) -> str:
    """Return what is wrong with the headers of a faulty answer."""
    for name, value in headers.items():
        if not HEADER.fullmatch(name) or not value.isascii() or not value.isprintable():
            return "expected names of headers, and printable ASCII text"
        if name.lower() in FRAMING:
            return f"{name} is the server's own; cut, drip and hang break an answer"
    return ""


def effect_fault(fault: FaultEntry) -> str:
    """Return what is wrong with a fault as a whole: it does nothing, two things at once, or never."""
    answers, deliveries = _given(fault, ANSWERS), _given(fault, DELIVERIES)
    if len(answers) > 1 and not set(answers) <= set(EDITS):
        return f"{' and '.join(answers)} exclude each other"
    if len(deliveries) > 1:
        return f"{' and '.join(deliveries)} exclude each other"
    if not (answers or deliveries or fault.headers or fault.delay):
        return f"needs one of {', '.join((*ANSWERS, *DELIVERIES, 'headers'))} and delay"
    return _detail_fault(fault, answers)


def _detail_fault(fault: FaultEntry, answers: Sequence[str]) -> str:
    if fault.hang == "head" and (answers or fault.headers):
        return ".hang: head means that no answer comes at all"
    if fault.status is not None and fault.error is None and fault.body is None:
        return ".status: needs error or body"
    if fault.skew is not None and abs(fault.skew) <= TOLERATED_SKEW:
        return ".skew: AWS tolerates five minutes either way"
    if {*EDITS, "pages"} & set(answers) and (fault.service == "sts" or fault.api in STS_APIS):
        return f".{answers[0]}: sts answers XML, which is not edited"
    if fault.until is not None and fault.until <= fault.since:
        return ".until: must be later than from"
    return ""


def _given(fault: FaultEntry, names: Iterable[str]) -> list[str]:
    return [name for name in names if getattr(fault, name) is not None]
