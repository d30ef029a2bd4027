"""The sections of the configuration, with defaults; ``narrow`` fits them to the kinds."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, Any

from pydantic import Field, Strict, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from exporter.config.duration import POSITIVE, Duration
from exporter.config.fields import (
    DISTINCT,
    AccountId,
    ExternalId,
    Frozen,
    Name,
    Regex,
    Region,
    RoleArn,
    SessionName,
)
from exporter.kinds.kind import Options

Positive = Annotated[Duration, Field(gt=0), WithJsonSchema({"type": "string", "pattern": POSITIVE})]
Number = Annotated[float, Strict()]
Whole = Annotated[int, Strict()]


def _duration(default: str, description: str) -> Any:
    return Field(default=default, description=description)


class Discover(Frozen):
    """Which operations are found without naming them."""

    statuses: tuple[str, ...] = Field(
        default=(), description="Find operations of these statuses; none named: of every status."
    )
    max_age: Positive | None = Field(default=None, description="Leave out operations created longer ago than this.")
    max_operations: Annotated[Whole, Field(ge=1)] = Field(
        default=1000, description="Keep this many, active and then newest first; the rest is counted as omitted."
    )
    id_pattern: Regex | None = Field(
        default=None, description="A regular expression that the id must contain a match of."
    )


class Watch(Frozen):
    """What is watched of one kind: operations by id, and operations that are found."""

    kind: str = Field(description="The kind of operation.")
    ids: tuple[str, ...] = Field(default=(), description="Ids that are always watched.")
    discover: Discover | None = Field(default=None, description="true, or rules: find operations by AWS's lists.")

    @property
    def options(self) -> Options:
        """The switches of the kind that are on."""
        own = type(self).model_fields.keys() - Watch.model_fields.keys()
        return frozenset(name for name in own if getattr(self, name))


class Account(Frozen):
    """One AWS account: where, with which credentials, and what is watched there."""

    name: Name = Field(default="default", description="The account's name in the exporter's own metrics and logs.")
    regions: Annotated[tuple[Region, ...], *DISTINCT] = Field(
        default=(), description="Regions; none named: the Region of the AWS configuration."
    )
    role_arn: RoleArn | None = Field(
        default=None, description="A role to assume; without one the default credential chain.", repr=False
    )
    external_id: ExternalId | None = Field(
        default=None, description="The external id of the role's trust policy; never shown."
    )
    session_name: SessionName = Field(default="aws-iot-bulk-exporter", description="The name of the role's session.")
    account_id: AccountId | None = Field(
        default=None, description="The account's number; without one it is taken from the role, or asked of STS once."
    )
    watch: tuple[Watch, ...] = Field(default=(), description="What is watched; without it every active operation.")

    @property
    def known_id(self) -> str:
        """The account's number where the configuration tells it, else empty."""
        return self.account_id or (self.role_arn.split(":")[4] if self.role_arn else "")

    @property
    def access(self) -> Hashable:
        """What the account's credentials follow from; a role is assumed in the first Region."""
        role = (self.role_arn, self.external_id, self.session_name, self.regions[:1])
        return (self.name, self.known_id, role if self.role_arn else None)


class Refresh(Frozen):
    """When data is read again and how long it is shown."""

    min_age: Positive = _duration("10s", "Data younger than this is not read again.")
    deadline: Positive = _duration("9s", "How long a scrape that names no timeout waits for fresh data.")
    stale_after: Positive = _duration("10m", "Rows that could not be read again vanish after this.")

    @model_validator(mode="after")
    def _stays_until_it_is_read_again(self) -> Refresh:
        if self.stale_after < self.min_age:
            raise PydanticCustomError("stale", "stale_after is shorter than min_age: rows would vanish between reads")
        return self


class Aws(Frozen):
    """How AWS's APIs are called."""

    api_budget: Annotated[Number, Field(gt=0, le=1)] = Field(
        default=0.5, description="The share of each AWS quota that the exporter allows itself."
    )
    connect_timeout: Positive = _duration("4s", "How long to wait for a connection.")
    read_timeout: Positive = _duration("8s", "How long to wait for each part of an answer.")
    max_attempts: Annotated[Whole, Field(ge=1, le=10)] = Field(
        default=2, description="HTTP attempts for each call, the first one included."
    )


class Labels(Frozen):
    """Labels beyond the fixed ones."""

    tags: Annotated[tuple[Name, ...], *DISTINCT] = Field(
        default=(), description="AWS tags that become labels of aws_iot_bulk_operation_info."
    )


class Config(Frozen):
    """The whole configuration."""

    accounts: tuple[Account, ...] = Field(
        default=(), description="Accounts; without any that of the default credentials."
    )
    refresh: Refresh = Field(default_factory=Refresh, description=Refresh.__doc__)
    aws: Aws = Field(default_factory=Aws, description=Aws.__doc__)
    labels: Labels = Field(default_factory=Labels, description=Labels.__doc__)
