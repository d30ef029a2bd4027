"""The log lines about failures of a cell."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from exporter.core.errors import ApiError
from exporter.core.model import CellKey

# The subject of a failure that is about no single operation.
ACCESS, REFRESH = "access to the account", "the refresh"


@dataclass(frozen=True, slots=True)
class CellLog:
    """The log lines of one cell. ``warning`` and ``info`` are methods of the log.

    ``has_account_failures`` is false if the account has lines of its own for them.
    """

    key: CellKey
    warning: Callable[..., None]
    info: Callable[..., None]
    failure_message: str = "AWS call failed"
    has_account_failures: bool = False

    def failure(self, error: ApiError, subject: str) -> None:
        """Log a failure. ``subject`` is an operation's id, a list, ``ACCESS`` or ``REFRESH``."""
        subject = subject or "operation without an id"
        reason, detail = error.reason.value, error.detail
        self.warning(self.failure_message, **asdict(self.key), subject=subject, reason=reason, detail=detail)

    def account_failure(self, error: ApiError) -> None:
        """Log a lack of credentials for the account."""
        if self.has_account_failures:
            self.failure(error, ACCESS)

    def unknown_id(self, id: str) -> None:
        """Log that AWS does not know a configured id."""
        self.info("AWS does not know the configured id; correct or remove it", **asdict(self.key), id=id)

    def active_omitted(self, number: int) -> None:
        """Log that active operations are beyond the limit."""
        message = "active operations are not watched; increase max_operations or discover fewer operations"
        self.warning(message, **asdict(self.key), active_omitted=number)
