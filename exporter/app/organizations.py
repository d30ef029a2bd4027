"""The accounts that were found in the organizations of the configuration, and when they are read again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.aws.gateway import Gateway
from exporter.aws.organizations import read_accounts, reading_account
from exporter.collector.watched_accounts import partition_of_organization
from exporter.config.partitions import HOME_REGIONS
from exporter.config.sections import Config, Organization
from exporter.core.clock import Clock
from exporter.core.errors import ApiError, UnreachableError, defects_as_api_errors
from exporter.core.log import Log
from exporter.core.model import FoundAccount
from exporter.metrics.self_metrics import OrganizationState

# After a failure, or a list that is not believed, the organization is read again so soon.
RETRY_SECONDS = 60.0


@dataclass(slots=True)
class _OrganizationReading:
    """The last good list of an organization. ``doubted`` are the ids of a later list that is not believed yet.

    ``was_read`` is true after the first reading, ``is_successful`` after a successful one.
    ``succeeded_at`` is the time of the last successful reading in Unix seconds.
    """

    accounts: tuple[FoundAccount, ...] = ()
    doubted: frozenset[str] | None = None
    was_read: bool = False
    is_successful: bool = False
    succeeded_at: float = 0.0
    failure: str = ""
    next_read: float = 0.0


class Organizations:
    """The organizations of a process. AWS is called only by ``read``. Each of the ``shards`` reads them."""

    def __init__(self, clock: Clock, log: Log, shards: int) -> None:
        self._clock = clock
        self._log = log
        self._shards = shards
        self._readings: dict[str, _OrganizationReading] = {}

    def found(self, config: Config) -> Sequence[tuple[FoundAccount, ...]]:
        """Return the accounts of each organization, in the order of the configuration."""
        return tuple(reading.accounts for reading in self._known(config))

    def states(self, config: Config) -> Mapping[str, OrganizationState]:
        """Return the state of each organization that was read, by its place in the configuration."""
        return {
            f"organizations[{number}]": OrganizationState(
                reading.is_successful, len(reading.accounts), reading.succeeded_at
            )
            for number, reading in enumerate(self._known(config))
            if reading.was_read
        }

    def was_read(self, config: Config) -> bool:
        """Return whether each organization was read at least once, successfully or not."""
        return all(reading.was_read for reading in self._known(config))

    def is_due(self, config: Config) -> bool:
        """Return whether an organization is due to be read."""
        now = self._clock.monotonic()
        return any(reading.next_read <= now for reading in self._known(config))

    def keep(self, config: Config) -> None:
        """Forget the organizations that are not in the configuration."""
        keys = {_key(organization) for organization in config.organizations}
        self._readings = {key: reading for key, reading in self._readings.items() if key in keys}

    def expire(self) -> None:
        """Make every organization due, after a reload."""
        for reading in self._readings.values():
            reading.next_read = 0.0

    async def read(self, config: Config, gateway: Gateway) -> bool:
        """Read the organizations that are due. Return whether the accounts changed. A failure keeps the last list."""
        readings = [self._reading(organization) for organization in config.organizations]
        before = [reading.accounts for reading in readings]
        for number, (organization, reading) in enumerate(zip(config.organizations, readings, strict=True)):
            if reading.next_read <= self._clock.monotonic():
                await self._read_one(f"organizations[{number}]", organization, reading, config, gateway)
        return [reading.accounts for reading in readings] != before

    async def read_once(self, config: Config, gateway: Gateway) -> None:
        """Read every organization, for a command that makes no later reading. Raises UnreachableError."""
        for number, organization in enumerate(config.organizations):
            path = f"organizations[{number}]"
            try:
                accounts = await organization_accounts(path, organization, gateway, self._shards)
            except ApiError as error:
                raise UnreachableError(f"{path}: cannot read the organization: {error}") from None
            self._reading(organization).accounts = accounts

    async def _read_one(
        self, path: str, organization: Organization, reading: _OrganizationReading, config: Config, gateway: Gateway
    ) -> None:
        every, soon = config.refresh.accounts_every, min(RETRY_SECONDS, config.refresh.accounts_every)
        try:
            with defects_as_api_errors():
                accounts = await organization_accounts(path, organization, gateway, self._shards)
        except ApiError as error:
            reading.is_successful = False
            if reading.failure != str(error):
                self._log.error(
                    "organization cannot be read; the last list stays in use",
                    organization=path,
                    reason=error.reason.value,
                    detail=str(error),
                )
            reading.failure = str(error)
            is_good = False
        else:
            reading.is_successful, reading.failure = True, ""
            reading.succeeded_at = self._clock.now()
            is_good = self._accept(path, reading, accounts)
        reading.was_read = True
        reading.next_read = self._clock.monotonic() + (every if is_good else soon)

    def _accept(self, path: str, reading: _OrganizationReading, accounts: tuple[FoundAccount, ...]) -> bool:
        """Use a list, unless most accounts are missing for the first time. Return whether it is used."""
        ids, before = _ids(accounts), _ids(reading.accounts)
        if 2 * len(ids & before) < len(before) and ids != reading.doubted:
            reading.doubted = ids
            message = "most accounts of the organization are missing; the last list stays in use until the next reading"
            self._log.warning(message, organization=path, accounts=len(ids), accounts_before=len(before))
            return False
        if ids != before:
            self._log.info(
                "accounts of the organization changed",
                organization=path,
                accounts=len(ids),
                accounts_before=len(before),
            )
        reading.accounts, reading.doubted = accounts, None
        return True

    def _known(self, config: Config) -> Sequence[_OrganizationReading]:
        """Return the reading of each organization. That of a new organization is due."""
        return [self._readings.get(_key(organization), _OrganizationReading()) for organization in config.organizations]

    def _reading(self, organization: Organization) -> _OrganizationReading:
        return self._readings.setdefault(_key(organization), _OrganizationReading())


async def organization_accounts(
    path: str, organization: Organization, gateway: Gateway, processes: int = 1
) -> tuple[FoundAccount, ...]:
    """Return the selected active accounts of an organization. ``path`` names its reader. Raises ApiError.

    ``processes`` read it at the same time, so each of them uses only its part of the quotas.
    """
    partition = partition_of_organization(organization, lambda: gateway.default_region().name)
    region = HOME_REGIONS.get(partition) or next(iter(organization.named_regions or gateway.models.regions(partition)))
    account = reading_account(organization, path, region)
    api = await gateway.connect(account, account.regions[0])
    return await read_accounts(api, organization, processes)


def _ids(accounts: Iterable[FoundAccount]) -> frozenset[str]:
    return frozenset(account.id for account in accounts)


def _key(organization: Organization) -> str:
    # The settings that select accounts. A change of the others needs no new list.
    return organization.model_dump_json(include={"role_arn", "include", "exclude"})
