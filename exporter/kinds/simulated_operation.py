"""A simulated operation, from which a kind derives the responses of AWS."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOperation:
    """One operation of a scenario at one moment. The counts are of its items: things, records or groups.

    ``abort_percentage`` is the share of failures at which the operation aborts itself, None if it never does.
    ``retries`` are made for items that do not fail. ``allowed_retries`` are those of each thing by failure type.
    """

    id: str
    account: str
    region: str
    status: str
    created: datetime
    updated: datetime
    items: int
    succeeded: int
    failed: int
    retries: int = 0
    allowed_retries: tuple[tuple[str, int], ...] = ()
    name: str = ""
    input: str = ""
    target: str = ""
    continuous: bool = False
    message: str = ""
    reason_code: str = ""
    abort_percentage: int | None = None
    error_codes: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def processed(self) -> int:
        """The number of finished items: the succeeded and the failed ones."""
        return self.succeeded + self.failed
