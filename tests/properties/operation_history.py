"""Whether what a scrape tells is true: each operation as it was at one moment, neither mixed nor made up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from typing import Any

from exporter.config.sections import Discover, Watch
from exporter.core.model import Operation, Reading
from exporter.kinds.kind import FetchRequest, Kind
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.metrics.families import table
from tests.properties.aws_model import BY_NAME, Cloud, TwoMoments, Version
from tests.properties.configuration_strategies import NUMBERS, Wish
from tests.properties.scrape_invariants import READ, Identity, Judged
from tests.support.virtual_loop import INSTANT, TODAY

# What GetDeployment says of it is read again only when its status changes.
DEPLOYMENT = "greengrass_deployment"
# Seconds for which an answer may be on its way: shared with another kind, or waiting for the rest of its reading.
SLACK = 45.0

SeriesSelector = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class Truth:
    """What may be told of a cloud; readings that were asked for once are kept."""

    cloud: Cloud
    told: dict[tuple[Any, ...], SeriesSelector] = field(default_factory=dict)
    read: dict[Identity, tuple[float, float, float]] = field(default_factory=dict)

    def check(self, found: Judged, wish: Wish, now: float) -> None:
        """Fail where an answer under a configuration says what never was, is no more, or is older than allowed."""
        assert set(found.cells("up")) == wish.cells
        for identity, rows in found.operations.items():
            read = rows[READ, ()] - TODAY
            self._is_watched(identity, wish)
            pair = self.moment_of(identity, rows, wish)
            assert pair is not None, f"{identity} never was what is told of it: {rows}"
            self._is_recent(identity, pair, read, wish, now)
            if not _has_twin(wish):
                self._is_no_older_than_before(identity, read, now)

    def check_whole(self, found: Judged, wish: Wish) -> None:
        """Fail unless exactly what is watched is told, as it is now; an answer of every cell must be there."""
        assert set(found.cells("up").values()) <= {0.0, 1.0}
        wanted, allowed = self._wanted(wish)
        assert wanted <= set(found.operations) <= allowed
        for identity, rows in found.operations.items():
            newest = [one for one in self.cloud.history[identity] if one.state][-1]
            is_over = newest.state and not BY_NAME[identity[2]].is_active(newest.state.status)
            assert self.cloud.state(identity) or is_over
            pair = self.moment_of(identity, rows, wish)
            assert pair is not None
            assert pair[1] is newest
            assert pair[0] is newest or (identity[2] == DEPLOYMENT and _status(pair[0]) == _status(newest))

    def _wanted(self, wish: Wish) -> tuple[set[Identity], set[Identity]]:
        """Return what must be told, and what may be.

        What was found while it had another status stays, and so does a configured operation that ended before AWS
        forgot it.
        """
        must, may = set[Identity](), set[Identity]()
        for account, region, watch in wish.watches():
            for key in self.cloud.history:
                if key[:3] == (NUMBERS[account.name], region, watch.kind):
                    state, is_named, rules = self.cloud.state(key), key[3] in watch.ids, watch.discover
                    if state and (is_named or (rules and _must(rules, state))):
                        must.add(key)
                    if is_named or (state and rules and not rules.max_age):
                        may.add(key)
        return must, may

    def moment_of(self, identity: Identity, rows: SeriesSelector, wish: Wish) -> tuple[Version, Version] | None:
        """Return the versions, the second no older than the first, that a reading may have been made of."""
        told = {key: value for key, value in rows.items() if key[0] != READ}
        options = {watch.options for watch in _watches(identity, wish)}
        for first, second in _pairs(self.cloud.history.get(identity, ())):
            for these, tagged in product(options, (True, False)):
                if told == self._rows(identity, first, second, these, wish.tags, tagged):
                    return first, second
        return None

    def _rows(
        self,
        identity: Identity,
        first: Version,
        second: Version,
        options: frozenset[str],
        tags: tuple[str, ...],
        tagged: bool,
    ) -> SeriesSelector:
        key = (identity, first.since, second.since, options, tags, tagged)
        if key not in self.told:
            assert first.state
            assert second.state
            self.told[key] = expected(identity, first.state, second.state, options, tags, tagged)
        return self.told[key]

    def _is_no_older_than_before(self, identity: Identity, read: float, now: float) -> None:
        """Of answers that come in one moment nobody can tell which is the later one."""
        at, newest, before = self.read.get(identity, (now, 0.0, 0.0))
        if now > at + INSTANT:
            before = newest
        assert read >= before - INSTANT
        self.read[identity] = (now, max(read, newest), before)

    def _is_watched(self, identity: Identity, wish: Wish) -> None:
        assert any(identity[3] in watch.ids or watch.discover for watch in _watches(identity, wish))

    def _is_recent(
        self, identity: Identity, pair: tuple[Version, Version], read: float, wish: Wish, now: float
    ) -> None:
        versions = self.cloud.history[identity]
        later = versions[versions.index(pair[1]) + 1 :]
        assert pair[1].since - INSTANT <= read <= now + INSTANT
        assert not later or later[0].since >= read - SLACK
        state = pair[1].state
        if state and BY_NAME[identity[2]].is_active(state.status):
            assert now - read <= wish.config.refresh.stale_after + wish.config.refresh.min_age


def expected(
    identity: Identity,
    first: SimulatedOperation,
    second: SimulatedOperation,
    options: frozenset[str],
    tags: tuple[str, ...],
    tagged: bool,
) -> SeriesSelector:
    """Return the rows of an operation whose first description is older than the rest, without when it was read."""
    kind = BY_NAME[identity[2]]
    operation = asyncio.run(_fetched(kind, TwoMoments(kind, first, second), identity[3], options))
    if kind.tag_source and tags and tagged:
        operation = replace(operation, tags=second.tags)
    rows = {}
    for metric in table(kind, tags):
        for extra, value in metric.read(Reading(operation, 0.0)):
            if metric.name != READ:
                rows[metric.name, tuple(sorted(zip(metric.labels, extra, strict=True)))] = float(value)
    return rows


async def _fetched(kind: Kind[Any], api: TwoMoments, id: str, options: frozenset[str]) -> Operation:
    found: Operation = await kind.fetch(api, FetchRequest(id, options))
    return found


def _watches(identity: Identity, wish: Wish) -> list[Watch]:
    """Return what a configuration says of an operation's kind in its scope; accounts may turn out to be one."""
    return [
        watch
        for account, region, watch in wish.watches()
        if (NUMBERS[account.name], region, watch.kind) == identity[:3]
    ]


def _must(rules: Discover, state: SimulatedOperation) -> bool:
    """Tell whether an operation must be found; of one kind in one scope only so many may be kept."""
    wanted = not rules.statuses or state.status in rules.statuses
    fits = rules.id_pattern is None or bool(rules.id_pattern.search(state.id))
    return wanted and fits and rules.max_age is None and rules.max_operations > 1


def _status(version: Version) -> str:
    return version.state.status if version.state else ""


def _has_twin(wish: Wish) -> bool:
    return {"own", "twin"} <= {account.name for account in wish.config.accounts}


def _pairs(versions: Sequence[Version]) -> Iterator[tuple[Version, Version]]:
    """Give every version with itself, the newest first, and then every older one with each newer one."""
    alive = [one for one in versions if one.state]
    yield from ((one, one) for one in reversed(alive))
    yield from combinations(alive, 2)
