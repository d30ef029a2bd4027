"""The log lines about accounts that cannot be accessed. Each cell of such an account would repeat them."""

from collections.abc import Collection

from exporter.core.errors import Reason
from exporter.core.log import Log
from exporter.core.model import CellKey, Snapshot

INACCESSIBLE = "account cannot be accessed"
ACCESSIBLE = "account can be accessed again"


class AccountLog:
    """Logs that an account cannot be accessed, once for each reason, and once that it can be accessed again.

    An account cannot be accessed while any of its cells lacks credentials, as ``account_accessible`` of the metrics.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._reasons: dict[str, dict[CellKey, frozenset[Reason]]] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Log what the snapshot of a cell changes for its account."""
        if snapshot.lacks_credentials:
            self._note_failures(snapshot)
        elif snapshot.key in self._reasons.get(snapshot.key.account, ()):
            self._note_access(snapshot)

    def keep(self, keys: Collection[CellKey]) -> None:
        """Remove all cells but these."""
        kept = {
            account: {key: reasons for key, reasons in cells.items() if key in keys}
            for account, cells in self._reasons.items()
        }
        self._reasons = {account: cells for account, cells in kept.items() if cells}

    def _note_failures(self, snapshot: Snapshot) -> None:
        account = snapshot.key.account
        cells = self._reasons.setdefault(account, {})
        known = frozenset[Reason]().union(*cells.values())
        for failure in snapshot.account_failures:
            if failure.reason not in known:
                self._log.warning(INACCESSIBLE, account=account, reason=failure.reason.value, detail=failure.detail)
        cells[snapshot.key] = frozenset(failure.reason for failure in snapshot.account_failures)

    def _note_access(self, snapshot: Snapshot) -> None:
        account = snapshot.key.account
        del self._reasons[account][snapshot.key]
        if not self._reasons[account]:
            del self._reasons[account]
            # A cell that a new configuration has reset was not read yet.
            if snapshot.duration is not None:
                self._log.info(ACCESSIBLE, account=account)
