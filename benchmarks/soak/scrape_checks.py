"""Checks of a response of /metrics: each series once, all of one configuration, and a complete text."""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families as parse_text

from benchmarks.soak.fleet import MARKER_REGIONS, MARKERS, UNIT, Fleet
from benchmarks.soak.raw_http import Response
from tests.support.exposition_rows import STATUS, parse_openmetrics

# The exporter's own metrics begin here, after the operations.
OWN = b"# HELP process_"
UP = re.compile(rb'^aws_iot_bulk_exporter_up\{account="([^"]+)",', re.MULTILINE)
END = b"# EOF\n"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@dataclass(slots=True)
class ScrapeChecker:
    """Compares responses to the first one, which was compared to the fleet. It may be used from any thread.

    The operations of most responses are identical to those of an earlier one. A digest detects them.
    """

    fleet: Fleet
    series: frozenset[bytes]
    known: set[bytes] = field(default_factory=set)

    def faults(self, response: Response, more_cells: int = 0) -> list[str]:
        """Return the faults of a response. ``more_cells`` is the number of cells of other accounts."""
        if response.status != 200:
            return [f"a scrape has the status {response.status}"]
        operations, mark, own = response.body.partition(OWN)
        faults = [] if self._is_known(operations) else self._new_faults(operations)
        if END in operations or own.endswith(END) is not ("openmetrics" in response.headers["content-type"]):
            faults.append("an end mark is missing or misplaced")
        names = Counter(UP.findall(mark + own))
        markers = [names.pop(marker.encode(), 0) for marker in MARKERS]
        if (
            sorted(markers) != [0, len(MARKER_REGIONS)]
            or sum(names.values()) + sum(markers) != self.fleet.cells + more_cells
        ):
            faults.append(f"cells of two configurations, or none: {markers} and {sum(names.values())} others")
        if len(set(_series(own))) < len(_series(own)):
            faults.append("a series of the exporter itself is duplicate")
        return faults

    def _is_known(self, operations: bytes) -> bool:
        return hashlib.blake2b(operations).digest() in self.known

    def _new_faults(self, operations: bytes) -> list[str]:
        names = _series(operations)
        series = frozenset(names)
        faults = []
        if len(series) < len(names):
            faults.append(f"{len(names) - len(series)} series are duplicate")
        if lost := self.series - series:
            faults.append(f"{len(lost)} series are lost, such as {min(lost)!r}")
        if new := series - self.series:
            faults.append(f"{len(new)} series are new, such as {min(new)!r}")
        if not faults:
            self.known.add(hashlib.blake2b(operations).digest())
        return faults


def new_checker(fleet: Fleet, response: Response) -> ScrapeChecker:
    """Return the checker of later responses. Raises ValueError if this response does not match the fleet."""
    if faults := parsed_faults(fleet, response):
        raise ValueError("; ".join(faults))
    return ScrapeChecker(fleet, frozenset(_series(response.body.partition(OWN)[0])))


def parsed_faults(fleet: Fleet, response: Response) -> list[str]:
    """Return the faults of a response, found by the parsers of prometheus_client."""
    text = response.body.decode()
    openmetrics = "openmetrics" in response.headers["content-type"]
    try:
        families = list((parse_openmetrics if openmetrics else parse_text)(text))
    except ValueError as error:
        return [f"a response cannot be parsed: {error}"]
    samples = [sample for family in families for sample in family.samples if sample.name == STATUS]
    active = [sample.labels for sample in samples if sample.value == 1]
    ids = {(labels["kind"], labels["aws_account_id"], labels["aws_region"], labels["id"]) for labels in active}
    faults = []
    if len(ids) < len(active):
        faults.append("an operation has two statuses")
    if Counter(kind for kind, *_ in ids) != fleet.operations:
        faults.append(f"{len(ids)} operations are not those of the scenario")
    if missing := _scenario_ids(fleet) - {id for *_, id in ids}:
        faults.append(f"{len(missing)} operations are missing, such as {min(missing)}")
    return faults


def _scenario_ids(fleet: Fleet) -> set[str]:
    """Return the ids of the scenario. They do not include the jobs of deployments, whose ids the simulator creates."""
    return {id for group in UNIT for id in fleet.ids(group)}


def _series(body: bytes) -> list[bytes]:
    return [line.rpartition(b" ")[0] for line in body.splitlines() if not line.startswith(b"#")]
