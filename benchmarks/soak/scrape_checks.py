"""Whether an answer of /metrics holds what it must: every series once, all of one configuration, to its end."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families as parse_text

from benchmarks.soak.fleet import MARKER_REGIONS, MARKERS, UNIT, Fleet
from benchmarks.soak.raw_http import Answer
from tests.support.exposition_rows import STATUS, parse_openmetrics

OWN = b"# HELP process_"
"""Where the operations end and the exporter's own metrics begin."""
UP = re.compile(rb'^aws_iot_bulk_exporter_up\{account="([^"]+)",', re.MULTILINE)
END = b"# EOF\n"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(slots=True)
class Judge:
    """Compares answers to the first one, which was compared to the fleet. It may be used from any thread.

    Most answers hold the same operations, byte by byte, as another one did: a digest tells which.
    """

    fleet: Fleet
    series: frozenset[bytes]
    known: set[bytes] = field(default_factory=set)

    def faults(self, answer: Answer, more_cells: int = 0) -> list[str]:
        """Return what is wrong with an answer, nothing for a good one; it may have cells of other accounts."""
        if answer.status != 200:
            return [f"a scrape was answered with {answer.status}"]
        operations, mark, own = answer.body.partition(OWN)
        found = [] if self._is_known(operations) else self._compared(operations)
        if END in operations or own.endswith(END) is not ("openmetrics" in answer.headers["content-type"]):
            found.append("an end mark is missing or misplaced")
        names = Counter(UP.findall(mark + own))
        markers = [names.pop(marker.encode(), 0) for marker in MARKERS]
        if (
            sorted(markers) != [0, len(MARKER_REGIONS)]
            or sum(names.values()) + sum(markers) != self.fleet.cells + more_cells
        ):
            found.append(f"cells of two configurations, or none: {markers} and {sum(names.values())} others")
        if len(set(_names(own))) < len(_names(own)):
            found.append("a series of the exporter's own stands there twice")
        return found

    def _is_known(self, operations: bytes) -> bool:
        return hashlib.blake2b(operations).digest() in self.known

    def _compared(self, operations: bytes) -> list[str]:
        names = _names(operations)
        found = frozenset(names)
        faults = []
        if len(found) < len(names):
            faults.append(f"{len(names) - len(found)} series stand there twice")
        if lost := self.series - found:
            faults.append(f"{len(lost)} series are lost, as {min(lost)!r}")
        if new := found - self.series:
            faults.append(f"{len(new)} series are new, as {min(new)!r}")
        if not faults:
            self.known.add(hashlib.blake2b(operations).digest())
        return faults


def judge(fleet: Fleet, answer: Answer) -> Judge:
    """Return the judge of all answers after this one, which must hold the fleet. Raises ValueError if it does not."""
    if faults := parsed_faults(fleet, answer):
        raise ValueError("; ".join(faults))
    return Judge(fleet, frozenset(_names(answer.body.partition(OWN)[0])))


def parsed_faults(fleet: Fleet, answer: Answer) -> list[str]:
    """Return what is wrong with an answer that is parsed by Prometheus' own parsers."""
    text = answer.body.decode()
    openmetrics = "openmetrics" in answer.headers["content-type"]
    try:
        families = list((parse_openmetrics if openmetrics else parse_text)(text))
    except ValueError as error:
        return [f"an answer cannot be parsed: {error}"]
    samples = [sample for family in families for sample in family.samples if sample.name == STATUS]
    holding = [sample.labels for sample in samples if sample.value == 1]
    ids = {(one["kind"], one["aws_account_id"], one["aws_region"], one["id"]) for one in holding}
    faults = []
    if len(ids) < len(holding):
        faults.append("an operation has two statuses")
    if Counter(kind for kind, *_ in ids) != fleet.operations:
        faults.append(f"{len(ids)} operations are not those of the scenario")
    if missing := _named(fleet) - {id for *_, id in ids}:
        faults.append(f"{len(missing)} operations are missing, as {min(missing)}")
    return faults


def _named(fleet: Fleet) -> set[str]:
    """Return the ids that the scenario names; those of deployments' jobs are the simulator's own."""
    return {id for group in UNIT for id in fleet.ids(group)}


def _names(body: bytes) -> list[bytes]:
    return [line.rpartition(b" ")[0] for line in body.splitlines() if not line.startswith(b"#")]
