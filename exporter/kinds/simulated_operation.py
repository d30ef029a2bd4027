"""A simulated operation, from which a kind derives the responses of AWS."""

import re
from dataclasses import dataclass
from datetime import datetime

# Between the id of an operation and the number of an item, in the name of the item.
NAME_SEPARATOR = "-"
DIGITS = re.compile("[0-9]{1,12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedOperation:
    """One operation of a scenario at one moment. The counts are of its items: things, records or groups.

    ``abort_percentage`` is the share of failures at which the operation aborts itself, None if it never does.
    ``reasons`` are those of failed items, each with its number of items in a row. They repeat.
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
    reasons: tuple[tuple[str, int], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def processed(self) -> int:
        """The number of finished items: the succeeded and the failed ones."""
        return self.succeeded + self.failed

    def item_name(self, number: int) -> str:
        """Return the name of a failed item, which contains the id of the operation. Numbers begin at 0."""
        return f"{self.id}{NAME_SEPARATOR}{number + 1:05}"

    def number_of_item(self, name: str) -> int | None:
        """Return the number of a failed item, None if no item with this name has failed."""
        digits = name.rpartition(NAME_SEPARATOR)[2]
        number = int(digits) - 1 if DIGITS.fullmatch(digits) else -1
        return number if 0 <= number < self.failed and self.item_name(number) == name else None

    def failure_reason(self, number: int) -> str:
        """Return the reason of a failed item, empty if the scenario has none. It can contain the item's name."""
        rest = number % sum(count for _, count in self.reasons) if self.reasons else 0
        for reason, count in self.reasons:
            if rest < count:
                return reason.replace("{item}", self.item_name(number)).replace("{number}", str(number + 1))
            rest -= count
        return ""


def operation_id_in(item_name: str) -> str:
    """Return the id of the operation in the name of one of its failed items."""
    return item_name.rpartition(NAME_SEPARATOR)[0]
