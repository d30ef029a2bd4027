"""The accounts that a configuration means, each with its Regions: ``regions: all`` is replaced by what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from exporter.config.partitions import has_other_partition, is_enabled_by_default, partition_of, partition_of_arn
from exporter.config.sections import Account, Config, Organization
from exporter.config.strict_yaml import problems_in
from exporter.core.errors import ConfigError
from exporter.core.model import FoundAccount

# Returns the Regions of a partition.
RegionsOf = Callable[[str], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in AWS.

    ``members`` are the accounts of each organization, in the order of the configuration. ``enabled`` are the Regions
    that accounts have enabled, as far as they are known.
    """

    members: Sequence[tuple[FoundAccount, ...]] = ()
    enabled: Mapping[str, frozenset[str]] = field(default_factory=dict)


NOTHING_FOUND = Found()


@dataclass(frozen=True, slots=True)
class WatchedAccount:
    """An account with all of its Regions. ``path`` is its place in the configuration.

    ``is_found`` is true if the account was found in an organization.
    ``has_found_regions`` is true if the exporter found the Regions: a kind is then watched only where it is offered.
    """

    account: Account
    path: str
    has_found_regions: bool = False
    is_found: bool = False

    @property
    def is_cell_found(self) -> bool:
        """Whether the configuration does not name the cells of the account."""
        return self.is_found or self.has_found_regions

    def region_path(self, region: str) -> str:
        """Return the place of a Region in the configuration, or that of the account if it does not name the Region."""
        is_named = self.account.regions and not self.has_found_regions
        return f"{self.path}.regions[{self.account.regions.index(region)}]" if is_named else self.path


def account_key(account: Account) -> str:
    """Return the id of an account, or its name if the configuration does not contain the id."""
    return account.known_id or account.name


def no_regions(partition: str) -> tuple[str, ...]:
    """Return no Region, for a configuration that names all of its Regions."""
    return ()


def watched_accounts(
    config: Config, default_region: Callable[[], str], regions_of: RegionsOf, found: Found = NOTHING_FOUND
) -> tuple[WatchedAccount, ...]:
    """Return the accounts in the order of the configuration. Raises ConfigError.

    An account without Regions keeps none: its cells are in the default Region. ``default_region`` is only called where
    it is needed.
    """
    named = (WatchedAccount(account, f"accounts[{number}]") for number, account in enumerate(config.accounts))
    members = _members(config, default_region, found.members)
    return tuple(
        _with_regions(watched, config, default_region, regions_of, found.enabled) for watched in (*named, *members)
    )


def partition_of_organization(organization: Organization, default_region: Callable[[], str]) -> str:
    """Return the partition of the role that reads the organization, else that of its Regions or the default Region."""
    if organization.role_arn:
        return str(organization.role_arn.split(":")[1])
    return partition_of(next(iter(organization.named_regions), "") or default_region())


def _members(
    config: Config, default_region: Callable[[], str], found: Sequence[tuple[FoundAccount, ...]]
) -> Iterator[WatchedAccount]:
    """Yield the found accounts, each once. An account that the configuration names is not repeated."""
    known = {account.known_id for account in config.accounts}
    names = Counter(account.name for account in config.accounts)
    names.update(member.name for members in found for member in {member.id: member for member in members}.values())
    # Before the first reading, no organization has accounts.
    in_each = (*found, *(() for _ in config.organizations[len(found) :]))
    for number, (organization, members) in enumerate(zip(config.organizations, in_each, strict=True)):
        # A default Region that is missing is an error of the start, when no account is found yet.
        partition = partition_of_organization(organization, default_region)
        for member in members:
            if member.id not in known:
                known.add(member.id)
                # Names in AWS are not unique. The name must not depend on the order of the accounts.
                name = member.name if names[member.name] == 1 else f"{member.name}-{member.id}"
                account = _member_account(organization, member, name, partition)
                yield WatchedAccount(account, f"organizations[{number}]", is_found=True)


def _member_account(organization: Organization, member: FoundAccount, name: str, partition: str) -> Account:
    # The values are valid: validating a thousand accounts would delay scrapes. A default watch must stay a default.
    return Account.model_construct(
        _fields_set={"name"} | (organization.model_fields_set & {"watch"}),
        name=name,
        regions=organization.regions,
        exclude_regions=organization.exclude_regions,
        role_arn=f"arn:{partition or 'aws'}:iam::{member.id}:role/{organization.role_name}",
        external_id=organization.external_id,
        session_name=organization.session_name,
        account_id=member.id,
        watch=organization.watch,
    )


def possible_regions(account: Account, regions: Iterable[str]) -> tuple[str, ...]:
    """Return the Regions of its partition that an account with all Regions watches if it has enabled them."""
    return tuple(region for region in regions if region not in account.exclude_regions)


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
    watched: WatchedAccount,
    config: Config,
    default_region: Callable[[], str],
    regions_of: RegionsOf,
    enabled: Mapping[str, frozenset[str]],
) -> WatchedAccount:
    account = watched.account
    if not account.has_all_regions:
        return watched
    partition = partition_of_arn(account.role_arn) if account.role_arn else partition_of(default_region())
    usable = enabled.get(account_key(account)) or frozenset(filter(is_enabled_by_default, regions_of(partition)))
    regions = tuple(region for region in possible_regions(account, regions_of(partition)) if region in usable)
    if not regions:
        fault = f"no Region of the partition {partition or 'of the default Region'} is left; name the Regions"
        with problems_in(config.file):
            raise ConfigError([f"{watched.path}.regions: {fault}"])
    return replace(watched, account=account.model_copy(update={"regions": regions}), has_found_regions=True)
