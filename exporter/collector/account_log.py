"""The log lines about accounts that cannot be accessed or that deny cells. Each of their cells would repeat them."""

from collections.abc import Collection
from dataclasses import asdict

from exporter.core.errors import Reason
from exporter.core.log import Log
from exporter.core.model import CellKey, Snapshot

INACCESSIBLE = "account cannot be accessed"
ACCESSIBLE = "account can be accessed again"
DENIED = "AWS denies found cells of the account; this is the first one, and the log has no line for further ones"
ALLOWED = "AWS denies no found cell of the account any more"


class AccountLog:
    """Logs that an account cannot be accessed, once for each reason, and once that it can be accessed again.

    An account cannot be accessed while any of its cells lacks credentials, as ``account_accessible`` of the metrics.

    In the same way, it logs once that AWS denies found cells of an account: a policy that forbids Regions denies
    thousands of them.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._reasons: dict[str, dict[CellKey, frozenset[Reason]]] = {}
        self._denied: dict[str, set[CellKey]] = {}

    def note(self, snapshot: Snapshot) -> None:
        """Log what the snapshot of a cell changes for its account."""
        if snapshot.lacks_credentials:
            self._note_failures(snapshot)
        elif snapshot.key in self._reasons.get(snapshot.key.account, ()):
            self._note_access(snapshot)
        if snapshot.is_denied:
            self._note_denial(snapshot)
        elif snapshot.key in self._denied.get(snapshot.key.account, ()) and not _may_be_denied(snapshot):
            self._note_permission(snapshot)

    def keep(self, keys: Collection[CellKey]) -> None:
        """Remove all cells but these."""
        kept = {
            account: {key: reasons for key, reasons in cells.items() if key in keys}
            for account, cells in self._reasons.items()
        }
        self._reasons = {account: cells for account, cells in kept.items() if cells}
        denied = {account: cells.intersection(keys) for account, cells in self._denied.items()}
        self._denied = {account: cells for account, cells in denied.items() if cells}

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

    def _note_denial(self, snapshot: Snapshot) -> None:
        account = snapshot.key.account
        if account not in self._denied:
            for failure in snapshot.failures:
                self._log.warning(DENIED, **asdict(snapshot.key), reason=failure.reason.value, detail=failure.detail)
        self._denied.setdefault(account, set()).add(snapshot.key)

    def _note_permission(self, snapshot: Snapshot) -> None:
        account = snapshot.key.account
        self._denied[account].remove(snapshot.key)
        if not self._denied[account]:
            del self._denied[account]
            # A cell that a new configuration has reset was not read yet.
            if snapshot.up:
                self._log.info(ALLOWED, account=account)


def _may_be_denied(snapshot: Snapshot) -> bool:
    """Return whether a cell that was denied has not been read completely since, and its service has not ended."""
    return bool(snapshot.reasons) and Reason.END_OF_SUPPORT not in snapshot.reasons
