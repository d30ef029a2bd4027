"""AWS's lists of one cell: which lists are due, what they contain, and which operations are missing from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from exporter.collector.inventory import TrackedOperation
from exporter.config.sections import Discover
from exporter.core.clock import NEVER, Clock
from exporter.core.errors import EndlessListError
from exporter.kinds.kind import Api, Kind, ListEntry

# The key of the list without a status filter. It is the only list of a kind whose list has no such filter. Otherwise it
# shows which operations have a status that AWS added later.
ANY_STATUS = ""
# How often lists of finished operations are read, and a list that did not end: that one cost thousands of calls. Beside
# lists by status, the list without a status is also read this often.
TERMINAL_SECONDS = 300.0
# How long the lists of active statuses replace the list without a status after that one had too many pages.
TOO_LONG_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class _List:
    """The content of a list. It was read at a monotonic time in seconds."""

    read_at: float
    entries: Mapping[str, ListEntry]


@dataclass(frozen=True, slots=True)
class ListNumbers:
    """The number of lists that each refresh reads, and of those that are read every ``TERMINAL_SECONDS``."""

    each_refresh: int
    sometimes: int

    def per_minute(self, refreshes: float) -> float:
        """Return the number of lists in a minute with so many refreshes."""
        return self.each_refresh * refreshes + self.sometimes * min(refreshes, 60.0 / TERMINAL_SECONDS)


def list_numbers(kind: Kind[Any], rules: Discover) -> ListNumbers:
    """Return the number of lists that ``Lists`` reads for these rules."""
    if not kind.discovery.status_parameter:
        return ListNumbers(1, 0)
    wanted = set(rules.statuses or kind.statuses)
    active = sum(map(kind.is_active, wanted))
    compared = set() if kind.discovery.has_statuses or not rules.finds_unknown else set(kind.statuses)
    return ListNumbers(active, len(wanted | compared) - active + rules.finds_unknown)


class Lists:
    """The lists of one cell. A list that cannot be read keeps its last good content.

    Beside lists by status, only operations that may have an unknown status are kept of the list without a status.
    """

    def __init__(self, kind: Kind[Any], rules: Discover, clock: Clock) -> None:
        self._kind = kind
        self._rules = rules
        self._clock = clock
        self._lists: dict[str, _List] = {}
        self._endless: dict[str, float] = {}
        self._too_long: set[str] = set()
        self._described: set[str] = set()
        self._was_read = False
        self._too_long_at = NEVER

    @property
    def can_read_at_once(self) -> bool:
        """Whether the list without a status can replace the lists of active statuses while no operation is active.

        A list without the statuses then shows which ids are new. The ids that it had before must be known.
        """
        is_short = self._clock.monotonic() - self._too_long_at >= TOO_LONG_SECONDS
        return self._has_unfiltered and is_short and self._active_lists > 1

    @property
    def knows_all_ids(self) -> bool:
        """Whether new ids can be told from known ones, because the entries have a status or both lists were read."""
        return self._kind.discovery.has_statuses or ANY_STATUS in self._lists

    @property
    def has_statuses(self) -> bool:
        """Whether this refresh can expect statuses from a list: its kind has them, and the last list was read."""
        discovery = self._kind.discovery
        return discovery.has_statuses and not discovery.status_parameter and self._was_read

    @property
    def has_endless_list(self) -> bool:
        """Whether a list is suspended because it did not end."""
        return bool(self._endless)

    def status_since(self, since: float, id: str) -> str:
        """Return an operation's status in the newest list that was read at or after a time, empty if there is none."""
        having = (content for content in self._lists.values() if content.read_at >= since and id in content.entries)
        newest = max(having, key=lambda content: content.read_at, default=None)
        return newest.entries[id].status if newest else ""

    def due_statuses(self, final_statuses: Iterable[str]) -> tuple[str, ...]:
        """Return the statuses whose lists are due. ``final_statuses`` are those of discovered final operations."""
        if not self._kind.discovery.status_parameter:
            return (ANY_STATUS,) if self._is_due(ANY_STATUS) else ()
        # The list without a status is read after all others: an operation that changes its status in between is then in
        # one of them. The first refresh, which reads every other list, leaves it to the next one.
        reads_unfiltered = self._has_unfiltered and bool(self._lists) and self._is_due(ANY_STATUS)
        # A list that does not contain the statuses shows only beside all others which ids have an unknown status.
        compared = () if self._kind.discovery.has_statuses or not reads_unfiltered else self._kind.statuses
        wanted = dict.fromkeys((*self._wanted_statuses, *final_statuses, *compared))
        due = [status for status in wanted if status in self._kind.statuses and self._is_due(status)]
        return (*due, ANY_STATUS) if reads_unfiltered else tuple(due)

    def due_beside_all(self, final_statuses: Iterable[str]) -> tuple[str, ...]:
        """Return the statuses whose lists are due beside the list of all operations: terminal ones without statuses."""
        due = self.due_statuses(final_statuses)
        return tuple(status for status in due if status != ANY_STATUS and not self._kind.is_active(status))

    async def read_at_once(self, api: Api) -> bool:
        """Read all operations with one list, or return false if it has more pages than there are other lists.

        Raises ApiError.
        """
        started, entries, number = self._clock.monotonic(), dict[str, ListEntry](), 0
        discovery = self._kind.discovery
        async for page in api.pages(discovery.call, **discovery.parameters):
            number += 1
            if number > self._active_lists:
                self._too_long_at = started
                return False
            entries.update((entry.id, entry) for entry in discovery.entries(page))
        if discovery.has_statuses:
            for status in self._kind.active:
                listed = {id: entry for id, entry in entries.items() if entry.status == status}
                self._lists[status] = _List(started, listed)
        self._keep_unfiltered(started, entries)
        self._was_read = True
        return True

    @property
    def _has_unfiltered(self) -> bool:
        """Whether the list without a status is read beside the lists by status. It is compared with complete ones."""
        return bool(self._kind.discovery.status_parameter) and self._rules.finds_unknown and not self._too_long

    def _is_superfluous(self, status: str) -> bool:
        """Return whether a list that was due can show nothing, because another one was too long in the same refresh."""
        return status == ANY_STATUS and bool(self._too_long)

    @property
    def _active_lists(self) -> int:
        return sum(map(self._kind.is_active, self._wanted_statuses)) if self._kind.discovery.status_parameter else 1

    def _keep_unfiltered(self, started: float, entries: Mapping[str, ListEntry]) -> None:
        self._described &= entries.keys()
        unknown = {id: entry for id, entry in entries.items() if self._may_have_unknown_status(entry)}
        self._lists[ANY_STATUS] = _List(started, unknown)

    async def read(self, api: Api, status: str) -> None:
        """Read all pages of one list. Raises ApiError.

        All operations together, or the finished ones, can be too many for a list, although no wanted list is too long.
        A list that is too long and whose status is not wanted is therefore no failure, and is not read again.
        """
        if self._is_superfluous(status):
            return
        started = self._clock.monotonic()
        self._endless.pop(status, None)
        self._was_read = False
        entries: dict[str, ListEntry] = {}
        try:
            await self._read_entries(api, status, entries)
        except EndlessListError:
            if status in self._wanted_statuses or not self._kind.discovery.status_parameter:
                self._endless[status] = self._clock.monotonic()
                raise
            self._too_long.add(status)
            # An operation that is missing from the pages that were read can be on a later one.
            if status != ANY_STATUS:
                return
        if status == ANY_STATUS and self._kind.discovery.status_parameter:
            self._keep_unfiltered(started, entries)
        else:
            self._lists[status] = _List(started, entries)
        self._was_read = True

    async def _read_entries(self, api: Api, status: str, entries: dict[str, ListEntry]) -> None:
        discovery = self._kind.discovery
        status_filter = {discovery.status_parameter: status} if status else {}
        async for page in api.pages(discovery.call, **discovery.parameters, **status_filter):
            for entry in discovery.entries(page):
                entries[entry.id] = entry if entry.status else replace(entry, status=status)

    def _may_have_unknown_status(self, entry: ListEntry) -> bool:
        if entry.status:
            return entry.status not in self._kind.statuses
        return not any(status and entry.id in content.entries for status, content in self._lists.items())

    def note_described(self, id: str) -> None:
        """Note that an operation was described. If only the list without a status has it, once is enough."""
        unfiltered = self._lists.get(ANY_STATUS)
        if self._kind.discovery.status_parameter and unfiltered and id in unfiltered.entries:
            self._described.add(id)

    def entries(self) -> dict[str, ListEntry]:
        """Return the entries by id that have a wanted status and fit the id pattern."""
        # An entry of a list by status replaces that of the list without a status.
        statuses = (ANY_STATUS, *(self._wanted_statuses if self._kind.discovery.status_parameter else ()))
        pattern = self._rules.id_pattern
        return {
            id: entry
            for status in statuses
            if status in self._lists
            for id, entry in self._lists[status].entries.items()
            if self._kind.is_id(id) and self._is_wanted(entry) and (pattern is None or pattern.search(id))
            if status or id not in self._described
        }

    def check_presence(self, operation: TrackedOperation) -> None:
        """Note whether the newest list for its status contains an operation. Each list counts once."""
        newest = self._lists.get(operation.status if self._kind.discovery.status_parameter else ANY_STATUS)
        if newest is None or newest.read_at <= operation.list_checked_at:
            return
        if operation.final and newest.read_at <= operation.read_at:
            return
        operation.list_checked_at = newest.read_at
        operation.missed_lists = 0 if operation.entry.id in newest.entries else operation.missed_lists + 1

    @property
    def _wanted_statuses(self) -> tuple[str, ...]:
        return self._rules.statuses or self._kind.statuses

    def _is_wanted(self, entry: ListEntry) -> bool:
        return entry.status not in self._kind.statuses or entry.status in self._wanted_statuses

    def _is_due(self, status: str) -> bool:
        now = self._clock.monotonic()
        if status in self._too_long or now - self._endless.get(status, NEVER) < TERMINAL_SECONDS:
            return False
        newest = self._lists.get(status)
        is_active = self._kind.is_active(status) if status else not self._kind.discovery.status_parameter
        if newest is None or is_active:
            return True
        return now - newest.read_at >= TERMINAL_SECONDS
