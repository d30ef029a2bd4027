"""The accounts that a configuration means, each with its Regions: ``regions: all`` is replaced by what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exporter.config.partitions import has_other_partition, is_enabled_by_default, partition_of
from exporter.config.sections import Account, Config
from exporter.config.strict_yaml import problems_in
from exporter.core.errors import ConfigError

# Returns the Regions of a partition.
RegionsOf = Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class WatchedAccount:
    """An account with all of its Regions. ``path`` is its place in the configuration.

    ``has_found_regions`` is true if the exporter found the Regions: a kind is then watched only where it is offered.
    """

    account: Account
    path: str
    has_found_regions: bool = False

    def region_path(self, region: str) -> str:
        """Return the place of a Region in the configuration, or that of the account if it does not name the Region."""
        is_named = self.account.regions and not self.has_found_regions
        return f"{self.path}.regions[{self.account.regions.index(region)}]" if is_named else self.path


def no_regions(partition: str) -> tuple[str, ...]:
    """Return no Region, for a configuration that names all of its Regions."""
    return ()


def watched_accounts(
    config: Config, default_region: Callable[[], str], regions_of: RegionsOf
) -> tuple[WatchedAccount, ...]:
    """Return the accounts in the order of the configuration. Raises ConfigError.

    An account without Regions keeps none: its cells are in the default Region. ``default_region`` is only called where
    it is needed.
    """
    return tuple(
        _with_regions(WatchedAccount(account, f"accounts[{number}]"), config, default_region, regions_of)
        for number, account in enumerate(config.accounts)
    )


def cell_regions(watched: WatchedAccount, config: Config, default_region: Callable[[], str]) -> tuple[str, ...]:
    """Return the Regions of the account, or else the default Region. Raises ConfigError for another partition."""
    account = watched.account
    if account.regions or watched.has_found_regions:
        return account.regions
    region = default_region()
    partition = partition_of(region)
    if account.role_arn and has_other_partition(account.role_arn, partition):
        fault = f"is not in {partition}, the partition of the default Region"
        with problems_in(config.file):
            raise ConfigError([f"{watched.path}.role_arn: {fault}; add regions, or set AWS_REGION"])
    return (region,)


def _with_regions(
    watched: WatchedAccount, config: Config, default_region: Callable[[], str], regions_of: RegionsOf
) -> WatchedAccount:
    account = watched.account
    if not account.has_all_regions:
        return watched
    partition = account.role_arn.split(":")[1] if account.role_arn else partition_of(default_region())
    regions = tuple(
        region
        for region in regions_of(partition)
        if is_enabled_by_default(region) and region not in account.exclude_regions
    )
    if not regions:
        fault = f"no Region of the partition {partition or 'of the default Region'} is left; name the Regions"
        with problems_in(config.file):
            raise ConfigError([f"{watched.path}.regions: {fault}"])
    return WatchedAccount(account.model_copy(update={"regions": regions}), watched.path, has_found_regions=True)
