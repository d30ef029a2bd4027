"""Checks scrapes against the history of operations: no mixed, invented or outdated values."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import combinations, product
from typing import Any

from exporter.config.sections import Discover, Watch
from exporter.core.model import Operation, Reading
from exporter.kinds.kind import FetchRequest
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.metrics.families import table
from tests.properties.aws_model import AwsModel, TwoMoments, Version
from tests.properties.configuration_strategies import NUMBERS, ConfigCase
from tests.properties.scrape_invariants import KINDS_BY_NAME, READ, CheckedScrape, Identity
from tests.support.virtual_loop import INSTANT, TODAY

# The exporter calls GetDeployment again only when the status changes.
DEPLOYMENT = "greengrass_deployment"
# The longest age of a response in seconds, when kinds share it or a reading needs further calls.
SLACK = 45.0

SeriesValues = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass
class HistoryCheck:
    """Checks scrapes against a model of AWS."""

    aws: AwsModel
    read: dict[Identity, tuple[float, float, float]] = field(default_factory=dict)

    def check(self, scrape: CheckedScrape, case: ConfigCase, now: float) -> None:
        """Fail if a scrape contains a state that never existed, is too old, or is not watched."""
        assert set(scrape.cells("up")) == case.cells
        for identity, rows in scrape.operations.items():
            assert any(identity[3] in watch.ids or watch.discover for watch in _watches(identity, case))
            pair = self.versions_of(identity, rows, case)
            assert pair is not None, f"{identity} never had these values: {rows}"
            assert pair[1].state
            if (READ, ()) not in rows:
                # A final operation is not read again, and cannot change.
                assert not KINDS_BY_NAME[identity[2]].is_active(pair[1].state.status)
                continue
            read = rows[READ, ()] - TODAY
            self._check_recent(identity, pair, read, case, now)
            if not {"own", "twin"} <= {account.name for account in case.config.accounts}:
                self._check_order(identity, read, now)

    def check_whole(self, scrape: CheckedScrape, case: ConfigCase) -> None:
        """Fail unless a scrape shows exactly the watched operations in their newest state."""
        assert set(scrape.cells("up").values()) <= {0.0, 1.0}
        wanted, allowed = self._wanted(case)
        assert wanted <= set(scrape.operations) <= allowed
        for identity, rows in scrape.operations.items():
            newest = [version for version in self.aws.history[identity] if version.state][-1]
            is_over = newest.state and not KINDS_BY_NAME[identity[2]].is_active(newest.state.status)
            assert self.aws.state(identity) or is_over
            pair = self.versions_of(identity, rows, case)
            assert pair is not None
            assert pair[1] is newest
            assert pair[0] is newest or (identity[2] == DEPLOYMENT and _status(pair[0]) == _status(newest))

    def _wanted(self, case: ConfigCase) -> tuple[set[Identity], set[Identity]]:
        """Return the operations that a scrape must contain, and those that it may contain.

        The exporter may keep an operation that it found under another status, or a configured one that ended before its
        deletion.
        """
        must, may = set[Identity](), set[Identity]()
        for account, region, watch in case.watches():
            for key in self.aws.history:
                if key[:3] == (NUMBERS[account.name], region, watch.kind):
                    state, is_named, rules = self.aws.state(key), key[3] in watch.ids, watch.discover
                    if state and (is_named or (rules and _must_be_found(rules, state))):
                        must.add(key)
                    if is_named or (state and rules and not rules.max_age):
                        may.add(key)
        return must, may

    def versions_of(self, identity: Identity, rows: SeriesValues, case: ConfigCase) -> tuple[Version, Version] | None:
        """Return the two versions of which a reading can consist, the older version first."""
        shown = {key: value for key, value in rows.items() if key[0] != READ}
        options = {watch.options for watch in _watches(identity, case)}
        alive = [version for version in self.aws.history.get(identity, ()) if version.state]
        unmixed = ((version, version) for version in reversed(alive))
        for first, second in (*unmixed, *combinations(alive, 2)):
            for these, tagged in product(options, (True, False)):
                assert first.state
                assert second.state
                if shown == expected_rows(identity, first.state, second.state, these, case.config.labels.tags, tagged):
                    return first, second
        return None

    def _check_order(self, identity: Identity, read: float, now: float) -> None:
        """Check that readings do not become older. Responses of the same moment have no order."""
        at, newest, before = self.read.get(identity, (now, 0.0, 0.0))
        if now > at + INSTANT:
            before = newest
        assert read >= before - INSTANT
        self.read[identity] = (now, max(read, newest), before)

    def _check_recent(
        self, identity: Identity, pair: tuple[Version, Version], read: float, case: ConfigCase, now: float
    ) -> None:
        versions = self.aws.history[identity]
        later = versions[versions.index(pair[1]) + 1 :]
        assert pair[1].since - INSTANT <= read <= now + INSTANT
        assert not later or later[0].since >= read - SLACK
        state = pair[1].state
        if state and KINDS_BY_NAME[identity[2]].is_active(state.status):
            assert now - read <= case.config.refresh.stale_after + case.config.refresh.min_age


@lru_cache(10_000)
def expected_rows(
    identity: Identity,
    first: SimulatedOperation,
    second: SimulatedOperation,
    options: frozenset[str],
    tags: tuple[str, ...],
    tagged: bool,
) -> SeriesValues:
    """Return the rows of an operation whose first call returns an older version, without the time of the read."""
    kind = KINDS_BY_NAME[identity[2]]
    operation = asyncio.run(_fetch(TwoMoments(kind, first, second), FetchRequest(identity[3], options)))
    if kind.tag_source and tags and tagged:
        operation = replace(operation, tags=second.tags)
    rows = {}
    for metric in table(kind, tags):
        for extra, value in metric.read(Reading(operation, 0.0, kind.is_final(operation, options))):
            if metric.name != READ:
                rows[metric.name, tuple(sorted(zip(metric.labels, extra, strict=True)))] = float(value)
    return rows


async def _fetch(api: TwoMoments, request: FetchRequest[Any]) -> Operation:
    operation: Operation = await api.kind.fetch(api, request)
    return operation


def _watches(identity: Identity, case: ConfigCase) -> list[Watch]:
    """Return the watches of an operation's kind in its scope. Two accounts can have the same id."""
    return [
        watch
        for account, region, watch in case.watches()
        if (NUMBERS[account.name], region, watch.kind) == identity[:3]
    ]


def _must_be_found(rules: Discover, state: SimulatedOperation) -> bool:
    """Return whether the exporter must find an operation. Limits by age or number make it optional."""
    has_status = not rules.statuses or state.status in rules.statuses
    fits = rules.id_pattern is None or bool(rules.id_pattern.search(state.id))
    return has_status and fits and rules.max_age is None and rules.max_operations > 1


def _status(version: Version) -> str:
    return version.state.status if version.state else ""
