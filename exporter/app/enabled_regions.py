"""The Regions that the accounts with ``regions: all`` have enabled, and when they are read again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.aws.gateway import Gateway
from exporter.aws.regions import read_enabled_regions
from exporter.collector.pace import doubled
from exporter.collector.watched_accounts import account_key
from exporter.config.partitions import ENABLED_BY_DEFAULT, HOME_REGIONS, OPT_IN_PARTITION
from exporter.config.sections import Account
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, Reason, defects_as_api_errors
from exporter.core.log import Log

# Accounts that are read at the same time. Refreshes need the threads.
READS_AT_ONCE = 8
# Accounts that do not respond delay new Regions of the others by this time at most.
PERIOD_SECONDS = 10.0
# After a failure an account is read again so soon, and after each further failure twice as late.
RETRY_SECONDS = 60.0


@dataclass(slots=True)
class _AccountReading:
    """The last list of an account, and its failures since then. Without a list, the Regions that need not be enabled.

    ``reason`` is that of the last failure.
    """

    enabled: frozenset[str] = frozenset(ENABLED_BY_DEFAULT)
    failures: int = 0
    reason: Reason | None = None
    next_read: float = 0.0


@dataclass(frozen=True, slots=True)
class _NewFailure:
    """The error of an account whose reading before did not fail, or failed for another reason."""

    account: str
    error: ApiError


class EnabledRegions:
    """The enabled Regions of the accounts of a process. AWS is called only by ``read``."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._readings: dict[str, _AccountReading] = {}

    def found(self) -> Mapping[str, frozenset[str]]:
        """Return the enabled Regions of each account that was read, successfully or not."""
        return {key: reading.enabled for key, reading in self._readings.items()}

    def is_due(self, accounts: Iterable[Account]) -> bool:
        """Return whether any of the accounts is due to be read."""
        return any(True for _ in self._due(accounts))

    def expire(self) -> None:
        """Make every account due, after a reload."""
        for reading in self._readings.values():
            reading.next_read = 0.0

    async def read(self, accounts: Sequence[Account], every: float, gateway: Gateway) -> AsyncIterator[None]:
        """Read the accounts that are due, and yield when enabled Regions have changed. A failure keeps the last list.

        The other accounts are forgotten.
        """
        kept = {account_key(account) for account in accounts}
        self._readings = {key: reading for key, reading in self._readings.items() if key in kept}
        due, failed = self._due(accounts), list[_NewFailure]()
        tasks = {asyncio.create_task(self._read_each(due, every, gateway, failed)) for _ in range(READS_AT_ONCE)}
        before, running = self.found(), tasks
        try:
            while running:
                _, running = await asyncio.wait(running, timeout=PERIOD_SECONDS)
                if _has_changed(before, after := self.found()):
                    before = after
                    yield
        finally:
            for task in tasks:
                task.cancel()
        self._log_failures(failed)

    def _due(self, accounts: Iterable[Account]) -> Iterator[Account]:
        now = self._clock.monotonic()
        for account in accounts:
            reading = self._readings.get(account_key(account))
            if reading is None or reading.next_read <= now:
                yield account

    async def _read_each(
        self, accounts: Iterator[Account], every: float, gateway: Gateway, failed: list[_NewFailure]
    ) -> None:
        for account in accounts:
            reading = self._readings.setdefault(account_key(account), _AccountReading())
            try:
                with defects_as_api_errors():
                    reading.enabled = await account_regions(account, gateway)
            except ApiError as error:
                seconds = doubled(RETRY_SECONDS, reading.failures, longest=every)
                if reading.reason is not error.reason:
                    failed.append(_NewFailure(account.name, error))
                reading.failures, reading.reason = reading.failures + 1, error.reason
            else:
                seconds, reading.failures, reading.reason = every, 0, None
            reading.next_read = self._clock.monotonic() + seconds

    def _log_failures(self, failed: Iterable[_NewFailure]) -> None:
        """Log a line for each reason, with its first account."""
        by_reason: dict[Reason, list[_NewFailure]] = {}
        for failure in failed:
            by_reason.setdefault(failure.error.reason, []).append(failure)
        message = "enabled Regions cannot be read; the last list stays in use, or else the Regions enabled by default"
        for reason, failures in by_reason.items():
            first, *_ = failures
            counts = {"account": first.account, "accounts": len(failures)}
            self._log.info(message, **counts, reason=reason.value, detail=first.error.detail)


async def account_regions(account: Account, gateway: Gateway) -> frozenset[str]:
    """Return the Regions that an account has enabled. Raises ApiError."""
    api = await gateway.connect(account, HOME_REGIONS[OPT_IN_PARTITION])
    return await read_enabled_regions(api)


def _has_changed(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> bool:
    default = _AccountReading().enabled
    return any(regions != before.get(key, default) for key, regions in after.items())
