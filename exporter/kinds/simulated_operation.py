"""What a simulated operation looks like at one moment, before a kind puts it into AWS's words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOperation:
    """One operation of a scenario at one moment; the counts are of items: things, records or groups."""

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
    name: str = ""
    input: str = ""
    target: str = ""
    continuous: bool = False
    message: str = ""
    error_codes: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def processed(self) -> int:
        """Items that are done, well or badly."""
        return self.succeeded + self.failed
