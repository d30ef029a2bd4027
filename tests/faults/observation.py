"""Reads scrapes and reduces them to the observation of a case: what a fault changed, and what recovered."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from prometheus_client.samples import Sample

from tests.support.exposition_rows import Scrape

# The states of an operation's series: read again, the last good ones, without tags, with the status Unknown,
# without counts, absent.
FRESH, KEPT, UNTAGGED, UNKNOWN, FEWER, NONE = "fresh", "kept", "untagged", "Unknown", "fewer", "none"

READ_AT = "aws_iot_bulk_operation_last_read_timestamp_seconds"
INFO = "aws_iot_bulk_operation_info"
OPERATIONS = ("aws_iot_", "aws_greengrass_")
EXPORTER = "aws_iot_bulk_exporter_"

Series = tuple[str, frozenset[tuple[str, str]], float]


@dataclass(frozen=True, slots=True)
class Observation:
    """The outcome of one case.

    ``rows`` is the state of the operation's series during the fault, ``later`` the state after ``stale_after``.
    ``back`` is the number of refreshes from the end of the fault to full recovery, 0 if there was none.
    ``hurt`` names the other cells and operations that the fault affected.
    """

    reasons: tuple[str, ...]
    up: bool
    rows: str
    later: str
    back: int
    hurt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CellAddress:
    """A cell by its labels; the account is a 12-digit number."""

    account: str
    region: str
    kind: str


@dataclass(frozen=True)
class ScrapeView:
    """One scrape that began at ``since``: the series of operations, and ``up`` and the reasons of cells."""

    since: float
    rows: Mapping[tuple[CellAddress, str], frozenset[Series]]
    read_at: Mapping[tuple[CellAddress, str], float]
    up: Mapping[CellAddress, bool]
    reasons: Mapping[CellAddress, tuple[str, ...]]

    def ids(self, cell: CellAddress) -> set[str]:
        """Return the ids of a cell's operations that have series."""
        return self._ids_by_cell.get(cell, set())

    @cached_property
    def _ids_by_cell(self) -> Mapping[CellAddress, set[str]]:
        ids = defaultdict(set)
        for cell, id in self.rows:
            ids[cell].add(id)
        return ids

    def is_fresh(self, cell: CellAddress, id: str, wanted: frozenset[Series] | None) -> bool:
        """Return whether an operation has these series and was read during this scrape."""
        return (cell, id) in self.rows and self.rows[cell, id] == wanted and self.read_at[cell, id] >= self.since

    def state(self, cell: CellAddress, id: str, wanted: frozenset[Series]) -> str:
        """Return the state of an operation's series, compared with the series that it has without a fault."""
        rows = self.rows.get((cell, id))
        if rows is None:
            return NONE
        is_read = self.read_at[cell, id] >= self.since
        if rows == wanted:
            return FRESH if is_read else KEPT
        return _difference(rows, wanted) if is_read else "other rows, not read again"


def _difference(rows: frozenset[Series], wanted: frozenset[Series]) -> str:
    differing = rows ^ wanted
    if {name for name, *_ in differing} == {INFO}:
        return UNTAGGED
    if rows < wanted:
        return FEWER
    if any(dict(labels).get("status") == UNKNOWN and value for _, labels, value in rows):
        return UNKNOWN
    return f"other rows: {sorted({name for name, *_ in differing})}"


def scrape_view(text: str, since: float) -> ScrapeView:
    """Return the view of an exposition. Fails if the text cannot be parsed."""
    rows, read_at, up = defaultdict(set), {}, {}
    reasons: dict[CellAddress, list[str]] = defaultdict(list)
    for sample, cell, series in filter(None, map(_parsed, text.splitlines())):
        if sample.name == READ_AT:
            read_at[cell, sample.labels["id"]] = sample.value
        elif sample.name == f"{EXPORTER}up":
            up[cell] = sample.value == 1
        elif sample.name == f"{EXPORTER}cell_error" and sample.value == 1:
            reasons[cell].append(sample.labels["reason"])
        elif sample.name.startswith(OPERATIONS) and not sample.name.startswith(EXPORTER):
            rows[cell, sample.labels["id"]].add(series)
    frozen = {key: frozenset(series) for key, series in rows.items()}
    return ScrapeView(since, frozen, read_at, up, {cell: tuple(sorted(found)) for cell, found in reasons.items()})


@lru_cache(maxsize=20_000)
def _parsed(line: str) -> tuple[Sample, CellAddress, Series] | None:
    """Return the sample of a line with its cell, or None for a comment. Most lines are the same in several scrapes."""
    samples = Scrape(line).samples
    if not samples:
        return None
    (sample,) = samples
    labels = sample.labels
    cell = CellAddress(labels.get("aws_account_id", ""), labels.get("aws_region", ""), labels.get("kind", ""))
    return sample, cell, (sample.name, frozenset(labels.items()), sample.value)
