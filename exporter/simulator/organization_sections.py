"""The sections of a scenario about organizations: their units and accounts, and when an account is a member."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from exporter.config.duration import Duration
from exporter.config.fields import AccountId
from exporter.simulator.scenario_fields import Email, Entry, Name, OrganizationId, RootId, Text, UnitId, Whole, checked

# AWS: a unit is at most five levels below the root.
MAX_DEPTH = 5
MAX_ID = 10**12 - 1
# An account is a member long before the simulator starts.
LONG_BEFORE = -365 * 86_400.0

State = Literal["PENDING_ACTIVATION", "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"]
Tags = dict[Annotated[str, Field(min_length=1, max_length=128)], Annotated[Text, Field(max_length=256)]]


@dataclass(frozen=True, slots=True)
class Member:
    """An account of an organization. ``parents`` are the ids of the root and the units down to its own unit.

    ``joined`` and ``left`` are in seconds since the simulator started. ``left`` is None if it never leaves.
    """

    id: str
    name: str
    email: str
    state: str
    tags: tuple[tuple[str, str], ...]
    joined: float
    left: float | None
    parents: tuple[str, ...]

    def is_member(self, elapsed: float) -> bool:
        """Return whether the account belongs to the organization at a time after the start."""
        return self.joined <= elapsed and (self.left is None or elapsed < self.left)


class MemberAccount(Entry):
    """An account, or several equal accounts with consecutive ids."""

    id: AccountId = Field(description="The account id.")
    count: Annotated[Whole, Field(ge=1, le=10_000)] = Field(
        default=1,
        description="The number of equal accounts. Their ids follow `id`, and their names end in -0001 and so on.",
    )
    name: Annotated[Name, Field(max_length=123)] = Field(default="account", description="The name.")
    email: Email | None = Field(default=None, description="The e-mail address. Default: `ID@example.com`.")
    status: State = Field(default="ACTIVE", description="The state. Only the roles of active accounts can be assumed.")
    tags: Tags = Field(default={}, description="The tags.")
    joined: Duration = Field(
        default=LONG_BEFORE,
        description="The time after the start of the simulator at which the account joins; negative means before it.",
    )
    left: Duration | None = Field(default=None, description="The time at which the account leaves. Default: never.")

    @property
    def ids(self) -> tuple[str, ...]:
        """The id of each of the accounts."""
        return tuple(f"{int(self.id) + number:012}" for number in range(self.count))

    def members(self, parents: tuple[str, ...]) -> Iterator[Member]:
        """Yield each of the accounts."""
        for number, id in enumerate(self.ids, start=1):
            name = self.name if self.count == 1 else f"{self.name}-{number:04}"
            email = self.email or f"{id}@example.com"
            tags = tuple(sorted(self.tags.items()))
            yield Member(id, name, email, self.status, tags, self.joined, self.left, parents)

    @model_validator(mode="after")
    def _is_consistent(self) -> MemberAccount:
        ends_early = self.left is not None and self.left <= self.joined
        last = int(self.id) + self.count - 1
        return checked(
            self,
            ".count: the ids must have 12 digits" if last > MAX_ID else "",
            ".email: several accounts cannot have the same address" if self.count > 1 and self.email else "",
            ".left: must be later than joined" if ends_early else "",
        )


class Unit(Entry):
    """An organizational unit with its accounts, and the units below it."""

    id: UnitId = Field(description="The id. It contains the id of the root: `ou-ab12-...` for the root `r-ab12`.")
    name: Annotated[Name, Field(max_length=128)] = Field(default="unit", description="The name.")
    tags: Tags = Field(default={}, description="The tags.")
    accounts: tuple[MemberAccount, ...] = Field(default=(), description="The accounts directly in the unit.")
    units: tuple[Unit, ...] = Field(default=(), description="The units directly below the unit.")


class SimulatedOrganization(Entry):
    """An organization. Its management account and its delegated administrators can read it."""

    # The order matters: the validators of the last fields use those above.
    id: OrganizationId = Field(default="o-simulated01", description="The id.")
    root: RootId = Field(default="r-ab12", description="The id of the root.")
    accounts: tuple[MemberAccount, ...] = Field(default=(), description="The accounts directly in the root.")
    units: tuple[Unit, ...] = Field(default=(), description="The units directly below the root.")
    management_account: AccountId = Field(
        description="The id of the management account, which must be an account of the organization."
    )
    delegated_administrators: tuple[AccountId, ...] = Field(
        default=(), description="The ids of other accounts of the organization that can read it."
    )

    @property
    def members(self) -> tuple[Member, ...]:
        """Every account, including those that join later or have left."""
        parents = (self.root,)
        own = (member for entry in self.accounts for member in entry.members(parents))
        return (*own, *_members_in(self.units, parents))

    def all_units(self) -> Iterator[tuple[tuple[str, ...], Unit]]:
        """Yield every unit, after the ids of the root and the units above it."""
        return _nested(self.units, (self.root,))

    @field_validator("units")
    @classmethod
    def _units_fit_the_root(cls, units: tuple[Unit, ...], info: ValidationInfo) -> tuple[Unit, ...]:
        root = info.data.get("root", "")
        nested = tuple(_nested(units, (root,)))
        prefix = f"ou-{root.removeprefix('r-')}-"
        ids = Counter(unit.id for _, unit in nested)
        problems = [
            *(
                f"{id} does not begin with {prefix}, as the root requires"
                for id in ids
                if root and not id.startswith(prefix)
            ),
            *(f"duplicate unit {id}" for id, count in ids.items() if count > 1),
            *(
                f"{unit.id} is more than {MAX_DEPTH} levels below the root"
                for above, unit in nested
                if len(above) > MAX_DEPTH
            ),
        ]
        return checked(units, *problems)

    @model_validator(mode="after")
    def _administrators_are_members(self) -> SimulatedOrganization:
        ids = {member.id for member in self.members}
        fault = "is not an account of the organization"
        return checked(
            self,
            "" if self.management_account in ids else f".management_account: {fault}",
            *(
                f".delegated_administrators[{number}]: {fault}"
                for number, id in enumerate(self.delegated_administrators)
                if id not in ids
            ),
        )


def duplicate_members(organizations: Sequence[SimulatedOrganization]) -> Iterator[str]:
    """Yield a problem for each account and for each organization that is defined twice."""
    ids = Counter(member.id for organization in organizations for member in organization.members)
    yield from (f"duplicate account {id}" for id, count in ids.items() if count > 1)
    ids = Counter(organization.id for organization in organizations)
    yield from (f"duplicate organization {id}" for id, count in ids.items() if count > 1)


def member_ids(section: Any) -> Iterator[str]:
    """Yield the account ids in a section that is not validated yet."""
    if isinstance(section, list):
        for entry in section:
            yield from member_ids(entry)
    elif isinstance(section, dict):
        yield from _raw_ids(section.get("id"), section.get("count", 1))
        for key in ("accounts", "units"):
            yield from member_ids(section.get(key))


def _raw_ids(id: Any, count: Any) -> Iterator[str]:
    if isinstance(id, str) and id.isdecimal() and isinstance(count, int):
        yield from (f"{int(id) + number:012}" for number in range(min(count, 10_000)))


def _nested(units: Sequence[Unit], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Unit]]:
    for unit in units:
        yield above, unit
        yield from _nested(unit.units, (*above, unit.id))


def _members_in(units: Sequence[Unit], root: tuple[str, ...]) -> Iterator[Member]:
    for above, unit in _nested(units, root):
        for entry in unit.accounts:
            yield from entry.members((*above, unit.id))
