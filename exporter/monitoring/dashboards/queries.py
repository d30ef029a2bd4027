"""PromQL of the dashboards, with their variables. Dashboards need no recording rules."""

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.kinds.phase import Phase, phase
from exporter.metrics.families import UNKNOWN
from exporter.monitoring.promql import (
    ACCOUNT_ACCESSIBLE,
    ACCOUNT_LABELS,
    CELL_ERROR,
    CONTINUOUS,
    INFO,
    PROGRESS,
    SAME_OPERATION,
    STATUS,
    UP,
    Kinds,
    by,
    failed_items,
    item_count,
    matcher,
    on,
    per_cell,
    per_operation,
    selector,
    with_zeros,
)
from exporter.monitoring.records import RECENT, STALLED_SECONDS, records, without_records
from exporter.monitoring.selection import Selection, fill
from exporter.monitoring.settings import Settings, parameter_values

# Matchers for the variables. The fleet and exporter dashboards allow several values, the operation dashboard only one.
CHOSEN_PLACES = 'aws_account_id=~"$account", aws_region=~"$region"'
CHOSEN = f'{CHOSEN_PLACES}, kind=~"$kind"'
CHOSEN_ACCOUNT = 'aws_account_id=~"$account"'
CHOSEN_PLACE = 'aws_account_id="$account", aws_region="$region"'
CHOSEN_CELL = f'{CHOSEN_PLACE}, kind="$kind"'
CHOSEN_OPERATION = f'{CHOSEN_CELL}, id="$id"'

ACTIVE = (Phase.WAITING, Phase.RUNNING, Phase.ENDING, Phase.UNKNOWN)
# Grafana's units for timestamps expect milliseconds.
MILLISECONDS = 1000


def number_of(series: str, chosen: str = CHOSEN) -> str:
    """Return the number of series: 0 if there are none, and no value if no exporter is scraped."""
    return f"count({series}) or 0 * count({selector(UP, chosen)})"


def phases(kinds: Kinds) -> Mapping[str, Phase]:
    """Return every status of the kinds with its phase, in AWS's order."""
    return {status: phase(kind, status) for kind in kinds for status in (*kind.statuses, UNKNOWN)}


def in_phase(kinds: Kinds, chosen: str, *wanted: Phase) -> str:
    """Return the operations that are in one of the phases."""
    statuses = [status for status, phase in phases(kinds).items() if phase in wanted]
    return per_operation(f"{selector(STATUS, chosen, matcher('status', statuses))} == 1")


def active(kinds: Kinds, chosen: str) -> str:
    """Return the operations that AWS may still change."""
    return in_phase(kinds, chosen, *ACTIVE)


def progress_rate(chosen: str) -> str:
    """Return the increase per second of each operation's progress, over the dashboard's window."""
    return per_operation(f"deriv({selector(PROGRESS, chosen)}[$window])")


def estimated_end(kinds: Kinds, chosen: str) -> str:
    """Return the estimated end of each active operation in milliseconds.

    An operation without progress has none, and neither has a continuous one.
    """
    remaining = f"(1 - {per_operation(selector(PROGRESS, chosen))})"
    estimate = f"(time() + {remaining} / ({progress_rate(chosen)} > 0)) * {MILLISECONDS}"
    return f"{estimate} and {active(kinds, chosen)} unless {SAME_OPERATION} {continuous(chosen)}"


def in_milliseconds(metric: str, chosen: str) -> str:
    """Return a timestamp of each operation in milliseconds."""
    return f"{per_operation(selector(metric, chosen))} * {MILLISECONDS}"


def failures(kinds: Kinds, chosen: str) -> str:
    """Return the number of failed items of each operation, without retried failures."""
    return f"{item_count(kinds, 'certainly_failed', chosen)} or {with_zeros(kinds, 'failed', chosen)}"


def continuous(chosen: str) -> str:
    """Return the operations that have no end."""
    return f"{per_operation(selector(CONTINUOUS, chosen))} == 1"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Queries from the definitions of the recording rules, so that panels, alerts and the status page agree.

    ``places`` are matchers for the variables of accounts and Regions, ``chosen`` those of the operations. The queries
    need the job and the deployment of a roll-out, so only their results can be narrowed to a kind.
    """

    kinds: Kinds
    settings: Settings
    places: str = CHOSEN_PLACES
    chosen: str = CHOSEN

    def stalled(self) -> str:
        """Return 1 for each stalled operation."""
        return f"clamp_max({self._chosen(self._recorded(STALLED_SECONDS))}, 1)"

    def failed(self) -> str:
        """Return the operations with a failed status that ended in the time range."""
        return f"{in_phase(self.kinds, self.chosen, Phase.FAILED)} and {SAME_OPERATION} {self._recent()}"

    def finished(self) -> str:
        """Return the operations that ended in the time range."""
        return f"({self._chosen(self._recent())}) unless {SAME_OPERATION} {active(self.kinds, self.chosen)}"

    def recent_failures(self) -> str:
        """Return the failed items of each operation that is unfinished or ended in the time range, and has some.

        A continuous operation keeps its failures for years. It counts only if it had fewer at the start of the range.
        """
        now, before = (failed_items(self.kinds, self.chosen, applied) for applied in ("{}", "{} offset $__range"))
        old = f"({continuous(self.chosen)} and ({now}) <= ({before}))"
        recent = f"({failures(self.kinds, self.chosen)}) > 0 and {SAME_OPERATION} {self._recent()}"
        return f"({recent} unless {SAME_OPERATION} {old})"

    def _recent(self) -> str:
        return self._recorded(RECENT, ended_seconds="${__range_s}")

    def _chosen(self, series: str) -> str:
        return f"{series} and {SAME_OPERATION} {selector(INFO, self.chosen)}"

    def _recorded(self, record: str, **changes: str) -> str:
        """Return the query of a recording rule with changed parameters."""
        query = without_records(record, records(self.kinds))
        return Selection(self.places).apply(fill(query, parameter_values(self.kinds, self.settings) | changes))


def inaccessible_accounts(chosen: str) -> str:
    """Return the accounts for which an exporter has no credentials."""
    return f"min {by(ACCOUNT_LABELS)} ({selector(ACCOUNT_ACCESSIBLE, chosen)}) == 0"


def cells_down(chosen_cells: str, chosen_accounts: str) -> str:
    """Return the cells that an exporter cannot read, except those of a service that AWS has switched off.

    An inaccessible account whose cells have no series is in the place of its cells.
    """
    ended = f'{CELL_ERROR}{{reason="end_of_support"}}'
    cells = per_cell("min", f"{selector(UP, chosen_cells)} unless ignoring (reason) {ended}") + " == 0"
    return f"({cells} or ({inaccessible_accounts(chosen_accounts)} unless {on(ACCOUNT_LABELS)} ({cells})))"
