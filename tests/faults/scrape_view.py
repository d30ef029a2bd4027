"""One scrape, as far as the matrix looks: rows of operations by cell, and what the exporter says of the cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.samples import Sample

from tests.faults.fault_accounts import Place
from tests.faults.observation import FEWER, FRESH, KEPT, NONE, UNKNOWN, UNTAGGED
from tests.support.exposition_rows import Scrape

READ_AT = "aws_iot_bulk_operation_last_success_timestamp_seconds"
INFO = "aws_iot_bulk_operation_info"
OPERATIONS = ("aws_iot_", "aws_greengrass_")
EXPORTER = "aws_iot_bulk_exporter_"

Row = tuple[str, frozenset[tuple[str, str]], float]


@dataclass(frozen=True)
class Sight:
    """What a scrape that began at ``since`` showed."""

    since: float
    rows: Mapping[tuple[Place, str], frozenset[Row]]
    read_at: Mapping[tuple[Place, str], float]
    up: Mapping[Place, bool]
    reasons: Mapping[Place, tuple[str, ...]]

    def ids(self, place: Place) -> set[str]:
        """Return the operations of a cell that have rows."""
        return {id for one, id in self.rows if one == place}

    def is_fresh(self, place: Place, id: str, wanted: frozenset[Row] | None) -> bool:
        """Tell whether an operation has these rows, read in this scrape."""
        return (place, id) in self.rows and self.rows[place, id] == wanted and self.read_at[place, id] >= self.since

    def state(self, place: Place, id: str, wanted: frozenset[Row]) -> str:
        """Return what became of the rows of an operation that should have these."""
        rows = self.rows.get((place, id))
        if rows is None:
            return NONE
        fresh = self.read_at[place, id] >= self.since
        if rows == wanted:
            return FRESH if fresh else KEPT
        return _difference(rows, wanted) if fresh else "other rows, not read anew"


def _difference(rows: frozenset[Row], wanted: frozenset[Row]) -> str:
    """Return how rows that were read anew differ from those that should be there."""
    differing = rows ^ wanted
    if {name for name, *_ in differing} == {INFO}:
        return UNTAGGED
    if rows < wanted:
        return FEWER
    if any(dict(labels).get("status") == UNKNOWN and value for _, labels, value in rows):
        return UNKNOWN
    return f"other rows: {sorted({name for name, *_ in differing})}"


def sight(text: str, since: float) -> Sight:
    """Return what an exposition shows. Fails for one that cannot be parsed."""
    rows, read_at, up = defaultdict(set), {}, {}
    reasons: dict[Place, list[str]] = defaultdict(list)
    for sample in Scrape(text).samples:
        place = _place(sample)
        if sample.name == READ_AT:
            read_at[place, sample.labels["id"]] = sample.value
        elif sample.name == f"{EXPORTER}up":
            up[place] = sample.value == 1
        elif sample.name == f"{EXPORTER}cell_error" and sample.value == 1:
            reasons[place].append(sample.labels["reason"])
        elif sample.name.startswith(OPERATIONS) and not sample.name.startswith(EXPORTER):
            rows[place, sample.labels["id"]].add((sample.name, frozenset(sample.labels.items()), sample.value))
    frozen = {key: frozenset(found) for key, found in rows.items()}
    return Sight(since, frozen, read_at, up, {place: tuple(sorted(found)) for place, found in reasons.items()})


def _place(sample: Sample) -> Place:
    labels = sample.labels
    return Place(labels.get("aws_account_id", ""), labels.get("aws_region", ""), labels.get("kind", ""))
