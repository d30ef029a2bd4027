"""The sections of the configuration file, with their defaults. ``kind_models`` completes them for the kinds."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from pathlib import Path
from typing import Annotated, Any, Self, cast

from pydantic import Field, PrivateAttr, Strict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from exporter.config.duration import POSITIVE, Duration, at_most
from exporter.config.fields import (
    ALL_REGIONS,
    DISTINCT,
    DISTINCT_OR_ALL,
    EVERY_REGION,
    AccountId,
    AccountTag,
    ExternalId,
    Name,
    PageUrl,
    Regex,
    Region,
    RoleArn,
    RoleName,
    SessionName,
    StrictModel,
    UnitId,
)
from exporter.kinds.kind import Options

Positive = Annotated[Duration, Field(gt=0), WithJsonSchema({"type": "string", "pattern": POSITIVE})]
Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]
# The alert on stale data fires after half an hour.
MAX_IDLE = "15m"


def _duration(default: str, description: str) -> Any:
    return Field(default=default, description=description)


class Discover(StrictModel):
    """Rules that select operations without their ids."""

    statuses: tuple[str, ...] = Field(default=(), description="Find operations with these statuses. Default: all.")
    unknown_statuses: Annotated[bool, Strict()] = Field(
        default=False,
        description="Also find operations whose status AWS added after this release. Without statuses, and without a "
        "watch section, the exporter always finds them.",
    )
    max_age: Positive | None = Field(
        default=None, description="Ignore operations that were created longer ago than this. Default: no limit."
    )
    max_operations: Annotated[Whole, Field(ge=1)] = Field(
        default=1000,
        description="Keep at most this many, active ones first, then the newest. The others are counted as omitted. "
        "An alert fires if active ones are omitted.",
    )
    id_pattern: Regex | None = Field(
        default=None, description="Find only operations whose id contains a match of this regular expression."
    )

    @property
    def finds_unknown(self) -> bool:
        """Whether the rules find operations whose status AWS added after this release."""
        return self.unknown_statuses or not self.statuses

    def finds(self, status: str, known: Collection[str]) -> bool:
        """Return whether the rules find operations of a status. ``known`` are the statuses of their kind."""
        return not self.statuses or status in self.statuses or (self.unknown_statuses and status not in known)


class Watch(StrictModel):
    """The operations of one kind that the exporter watches."""

    kind: str = Field(description="The kind of operation.")
    ids: tuple[str, ...] = Field(default=(), description="The ids of operations that are always watched.")
    discover: Discover | None = Field(
        default=None, description="true or rules: find operations with the list APIs of AWS."
    )

    @property
    def options(self) -> Options:
        """The options of the kind that are on."""
        own = type(self).model_fields.keys() - Watch.model_fields.keys()
        return frozenset(name for name in own if getattr(self, name))


class Account(StrictModel):
    """One AWS account: its Regions, its credentials and the operations to watch."""

    name: Name = Field(default="default", description="The name of the account in the exporter's metrics and logs.")
    regions: Annotated[tuple[Region, ...], *DISTINCT_OR_ALL] = Field(
        default=(),
        description="The Regions to watch, all of one partition, or all: the Regions that the account has enabled and "
        "where AWS offers the service of a kind. Default: the Region of the AWS configuration.",
    )
    exclude_regions: Annotated[tuple[Region, ...], *DISTINCT] = Field(
        default=(), description="Regions that regions: all does not include."
    )
    role_arn: RoleArn | None = Field(
        default=None, description="The role to assume. Default: use the default credentials.", repr=False
    )
    external_id: ExternalId | None = Field(
        default=None, description="The external id that the role's trust policy requires. It is a secret."
    )
    session_name: SessionName = Field(
        default="aws-iot-bulk-exporter", description="The session name for the assumed role."
    )
    account_id: AccountId | None = Field(
        default=None,
        description="The account id. Default: the account of role_arn, or that STS reports for the credentials.",
    )
    watch: tuple[Watch, ...] = Field(
        default=(),
        description="The operations to watch. Default: active operations of supported kinds that the Region offers.",
    )

    @property
    def known_id(self) -> str:
        """The account id if the configuration contains it, else empty."""
        return self.account_id or (self.role_arn.split(":")[4] if self.role_arn else "")

    @property
    def has_all_regions(self) -> bool:
        """Whether the exporter finds the Regions."""
        return self.regions == ALL_REGIONS

    @property
    def credentials_key(self) -> Hashable:
        """The settings that determine the credentials. The role is assumed in the first Region."""
        role = (self.role_arn, self.external_id, self.session_name, self.regions[:1])
        return (self.name, self.known_id, role if self.role_arn else None)


class AccountSelection(StrictModel):
    """Accounts of an organization: those that match any of the entries."""

    units: Annotated[tuple[UnitId, ...], *DISTINCT] = Field(
        default=(), description="Ids of organizational units or of the root, each with all units below."
    )
    accounts: Annotated[tuple[AccountId, ...], *DISTINCT] = Field(default=(), description="Account ids.")
    tags: Annotated[tuple[AccountTag, ...], *DISTINCT] = Field(
        default=(), description="Tags of accounts, each as KEY=VALUE. This needs one call for each account."
    )

    @property
    def is_empty(self) -> bool:
        """Whether there is no entry."""
        return not (self.units or self.accounts or self.tags)


class Organization(StrictModel):
    """An AWS organization, whose active accounts the exporter finds and watches."""

    role_name: RoleName = Field(description="The name of the role to assume in each account.")
    external_id: ExternalId | None = Field(
        default=None, description="The external id that the roles' trust policies require. It is a secret."
    )
    session_name: SessionName = Field(
        default="aws-iot-bulk-exporter", description="The session name for the assumed roles."
    )
    role_arn: RoleArn | None = Field(
        default=None,
        description="The role that reads the organization, in the management account or a delegated administrator "
        "account. Default: use the default credentials.",
        repr=False,
    )
    include: AccountSelection = Field(
        default_factory=AccountSelection, description="The accounts to watch. Default: all."
    )
    exclude: AccountSelection = Field(
        default_factory=AccountSelection, description="The accounts that are not watched. Default: none."
    )
    regions: Annotated[tuple[Region, ...], *DISTINCT_OR_ALL] = Field(
        # The validator makes it the same value as in a file.
        default=cast(Any, EVERY_REGION),
        description="The Regions to watch in each account, or all: the Regions that the account has enabled and where "
        "AWS offers the service of a kind.",
    )
    exclude_regions: Annotated[tuple[Region, ...], *DISTINCT] = Field(
        default=(), description="Regions that regions: all does not include."
    )
    watch: tuple[Watch, ...] = Field(
        default=(),
        description="The operations to watch. Default: active operations of supported kinds that the Region offers.",
    )

    @property
    def has_all_regions(self) -> bool:
        """Whether the exporter finds the Regions."""
        return self.regions == ALL_REGIONS

    @property
    def named_regions(self) -> tuple[str, ...]:
        """The Regions that the configuration names."""
        return () if self.has_all_regions else self.regions


class Refresh(StrictModel):
    """When the exporter reads data again, and how long it exposes old data."""

    min_age: Positive = _duration("10s", "Data younger than this is not read again.")
    deadline: Positive = _duration("9s", "How long a scrape without a time-out header waits for fresh data.")
    stale_after: Positive = _duration("10m", "Series disappear when their data cannot be refreshed for this long.")
    idle_max_age: Annotated[Positive, at_most(MAX_IDLE)] = _duration(
        "1m",
        "While a kind has no active operation in a Region, its lists are read ever more rarely, up to this time. "
        "At most 15m and half of stale_after.",
    )
    refused_max_age: Positive = _duration(
        "15m", "While AWS denies access to a cell, it is tried ever more rarely, up to this time, and after a reload."
    )

    accounts_every: Positive = _duration(
        "1h",
        "How often the accounts of organizations, and the Regions that accounts have enabled, are read again.",
    )

    @property
    def idle_seconds(self) -> float:
        """The longest time between two refreshes of an idle cell. The default is shortened if data expires early."""
        return max(self.min_age, min(self.idle_max_age, self.stale_after / 2))

    @model_validator(mode="after")
    def _data_does_not_expire_between_refreshes(self) -> Refresh:
        if self.stale_after < self.min_age:
            raise PydanticCustomError(
                "stale", "stale_after must be at least min_age, or series disappear between two refreshes"
            )
        if "idle_max_age" in self.model_fields_set and self.stale_after < 2 * self.idle_max_age:
            raise PydanticCustomError(
                "idle", "stale_after must be at least twice idle_max_age, or idle cells expire between two refreshes"
            )
        return self


class Aws(StrictModel):
    """How the exporter calls the AWS APIs."""

    api_budget: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.5, description="The share of each AWS quota that the exporter may use."
    )
    connect_timeout: Positive = _duration("4s", "The time-out for opening a connection.")
    read_timeout: Positive = _duration("8s", "The time-out for each part of a response.")
    max_attempts: Annotated[Whole, Field(ge=1, le=10)] = Field(
        default=2, description="The number of HTTP attempts for each call, the first one included."
    )


class Labels(StrictModel):
    """Additional labels."""

    tags: Annotated[tuple[Name, ...], *DISTINCT] = Field(
        default=(), description="AWS tags that become labels of aws_iot_bulk_operation_info."
    )


class Links(StrictModel):
    """Pages that the status page links."""

    documentation: PageUrl | None = Field(
        default=None, description="The address of the documentation. Default: no link."
    )
    runbooks: PageUrl | None = Field(
        default=None,
        description="The address of your runbooks, for the link at the top of each page. Default: the exporter's own"
        " runbooks. The page of an operation links the exporter's own runbooks in any case.",
    )


class Config(StrictModel):
    """The whole configuration."""

    accounts: tuple[Account, ...] = Field(
        default=(),
        description="The accounts to watch. Default: the account of the default credentials, or none if there are "
        "organizations.",
    )
    organizations: tuple[Organization, ...] = Field(
        default=(), description="The AWS organizations whose accounts are watched. Default: none."
    )
    refresh: Refresh = Field(default_factory=Refresh, description=Refresh.__doc__)
    aws: Aws = Field(default_factory=Aws, description=Aws.__doc__)
    labels: Labels = Field(default_factory=Labels, description=Labels.__doc__)
    links: Links = Field(default_factory=Links, description=Links.__doc__)
    failures: Annotated[bool, Strict()] = Field(
        default=False,
        description="Show on request which items of an operation failed, and why: on the page of the operation and in "
        "the JSON API. Names of devices can be personal data. This needs more permissions.",
    )
    _file: Path | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _organizations_replace_the_default_account(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and raw.get("organizations") and "accounts" not in raw:
            return {**raw, "accounts": ()}
        return raw

    @property
    def file(self) -> Path | None:
        """The path of the configuration file, None without a file."""
        return self._file

    def read_from(self, file: Path | None) -> Self:
        """Return this configuration with the path of its file."""
        self._file = file
        return self
