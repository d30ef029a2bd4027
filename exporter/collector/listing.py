"""AWS's lists of one cell: which are due, what they held, and whether they still hold an operation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from exporter.collector.inventory import TrackedOperation
from exporter.collector.result import NEVER
from exporter.config.sections import Discover
from exporter.core.clock import Clock
from exporter.core.errors import EndlessListError
from exporter.kinds.kind import Api, Kind, ListEntry

ANY_STATUS = ""
"""Stands for the one list of a kind whose list cannot be filtered by status."""
TERMINAL_SECONDS = 300.0
"""How often lists of finished operations are read, and a list that did not end: thousands of calls were in vain."""


@dataclass(frozen=True, slots=True)
class _List:
    """A list as it was read at one moment, in monotonic seconds."""

    at: float
    entries: Mapping[str, ListEntry]


class Lists:
    """The lists of one cell. A list that cannot be read leaves its last good content in place."""

    def __init__(self, kind: Kind[Any], rules: Discover, clock: Clock) -> None:
        self._kind = kind
        self._rules = rules
        self._clock = clock
        self._lists: dict[str, _List] = {}
        self._endless: dict[str, float] = {}
        self._read_well = False

    @property
    def tell_statuses(self) -> bool:
        """Whether a list can be counted on to tell statuses in this refresh: it does, and did so the last time."""
        return self._kind.discovery.tells_status and self._read_well

    def status_since(self, since: float, id: str) -> str:
        """Return what the newest list that was read at or after a time, and has an operation, says of its status."""
        having = [one for one in self._lists.values() if one.at >= since and id in one.entries]
        return max(having, key=lambda one: one.at).entries[id].status if having else ""

    def due(self, followed: Iterable[str]) -> tuple[str, ...]:
        """Return the statuses whose lists are due, those of finished operations that are ``followed`` among them."""
        if not self._kind.discovery.status_parameter:
            return (ANY_STATUS,) if self._is_due(ANY_STATUS) else ()
        wanted = dict.fromkeys((*self._wanted(), *followed))
        return tuple(status for status in wanted if status in self._kind.statuses and self._is_due(status))

    async def read(self, api: Api, status: str) -> None:
        """Read one list, all its pages. Raises ApiError."""
        discovery = self._kind.discovery
        chosen = {discovery.status_parameter: status} if status else {}
        at = self._clock.monotonic()
        self._endless.pop(status, None)
        self._read_well = False
        try:
            self._lists[status] = _List(at, await self._entries(api, status, chosen))
            self._read_well = True
        except EndlessListError:
            self._endless[status] = self._clock.monotonic()
            raise

    async def _entries(self, api: Api, status: str, chosen: Mapping[str, str]) -> Mapping[str, ListEntry]:
        discovery = self._kind.discovery
        entries: dict[str, ListEntry] = {}
        async for page in api.pages(discovery.call, **discovery.parameters, **chosen):
            for entry in discovery.entries(page):
                entries[entry.id] = entry if entry.status else replace(entry, status=status)
        return entries

    @property
    def is_endless(self) -> bool:
        """Whether a list was given up because it did not end."""
        return bool(self._endless)

    def found(self) -> dict[str, ListEntry]:
        """Return what the lists of the wanted statuses hold, by id, as far as the id's pattern allows."""
        statuses = self._wanted() if self._kind.discovery.status_parameter else (ANY_STATUS,)
        pattern = self._rules.id_pattern
        return {
            id: listed
            for status in statuses
            if status in self._lists
            for id, listed in self._lists[status].entries.items()
            if self._kind.is_id(id) and self._is_wanted(listed) and (pattern is None or pattern.search(id))
        }

    def look_for(self, one: TrackedOperation) -> None:
        """Note whether the newest list of its status holds an operation; each list counts once."""
        newest = self._lists.get(one.status if self._kind.discovery.status_parameter else ANY_STATUS)
        if newest is None or newest.at <= one.looked_at or (one.final and newest.at <= one.read_at):
            return
        one.looked_at = newest.at
        one.unlisted = 0 if one.listed.id in newest.entries else one.unlisted + 1

    def _is_wanted(self, listed: ListEntry) -> bool:
        return listed.status not in self._kind.statuses or listed.status in self._wanted()

    def _wanted(self) -> tuple[str, ...]:
        return self._rules.statuses or self._kind.statuses

    def _is_due(self, status: str) -> bool:
        if self._clock.monotonic() - self._endless.get(status, NEVER) < TERMINAL_SECONDS:
            return False
        newest = self._lists.get(status)
        if newest is None or status == ANY_STATUS or self._kind.is_active(status):
            return True
        return self._clock.monotonic() - newest.at >= TERMINAL_SECONDS
