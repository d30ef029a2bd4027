"""What is watched under load: operations of all kinds in many scopes, known in advance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from exporter.kinds.greengrass_deployment import KIND as DEPLOYMENT
from exporter.kinds.iot_job import KIND as JOB

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-southeast-1")
MARKERS = ("dawn", "dusk")
"""Names of the one account that tells two configurations apart; both watch the same operations."""
MARKER_REGIONS = REGIONS[:2]
MARKER_NUMBER = "999999999999"
MARKER_WATCH = "{kind: greengrass_bulk_deployment, discover: true}"
"""Nothing is there to be found, by one call."""
ACTIVE = "{{at: 0s, status: {}}}, {{at: 2d, done: 0.9, failed: 0.01}}"
ENDED = "{{at: 0s, status: {}}}, {{at: 30m, status: {}, done: 1.0, failed: 0.02}}"
ENDING = "{{at: 0s, status: {}}}, {{at: 63m, status: {}, done: 1.0}}"
"""Every operation is an hour old when the simulator starts: this one ends three minutes later."""


@dataclass(frozen=True, slots=True)
class Group:
    """Operations that are alike."""

    kind: str
    name: str
    count: int
    timeline: str


UNIT = (
    Group("thing_registration_task", "task-active", 1, ACTIVE.format("InProgress")),
    Group("thing_registration_task", "task-ending", 1, ENDING.format("InProgress", "Completed")),
    Group("thing_registration_task", "task-ended", 16, ENDED.format("InProgress", "Completed")),
    Group("greengrass_bulk_deployment", "bulk-active", 1, ACTIVE.format("Running")),
    Group("greengrass_bulk_deployment", "bulk-ended", 11, ENDED.format("Running", "Completed")),
    Group("iot_job", "job-active", 1, ACTIVE.format("IN_PROGRESS")),
    Group("iot_job", "job-ended", 11, ENDED.format("IN_PROGRESS", "COMPLETED")),
    Group("greengrass_deployment", "deployment-active", 1, ACTIVE.format("ACTIVE")),
    Group("greengrass_deployment", "deployment-ended", 3, ENDED.format("ACTIVE", "COMPLETED")),
)
"""Fifty operations, since AWS shows each deployment as a job too."""
KINDS = tuple(dict.fromkeys(group.kind for group in UNIT))
WATCH = ", ".join(f"{{kind: {kind}, discover: true}}" for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Fleet:
    """``accounts`` in five Regions each, with fifty operations ``units`` times in every scope."""

    accounts: int
    units: int

    @property
    def numbers(self) -> tuple[str, ...]:
        """The accounts."""
        return tuple(f"{place + 1:012d}" for place in range(self.accounts))

    @property
    def operations(self) -> Mapping[str, int]:
        """How many operations of each kind have rows."""
        counts = Counter[str]()
        for group in UNIT:
            counts[group.kind] += group.count
        counts[JOB.name] += counts[DEPLOYMENT.name]
        return {kind: count * self.units * self.accounts * len(REGIONS) for kind, count in counts.items()}

    @property
    def cells(self) -> int:
        """How many cells a configuration has, the marker's among them."""
        return self.accounts * len(REGIONS) * len(KINDS) + len(MARKER_REGIONS)

    def ids(self, group: Group) -> Iterator[str]:
        """Give the ids of a group's operations in all scopes, as the simulator derives them from names."""
        count = group.count * self.units
        for number, region in product(self.numbers, REGIONS):
            name = _name(group, number, region)
            yield from (name,) if count == 1 else (f"{name}-{place:04}" for place in range(1, count + 1))

    def scenario(self, more: int = 0) -> str:
        """Return what the simulator plays; ``more`` accounts have nothing."""
        numbers = [*self.numbers, MARKER_NUMBER, *(tenant(place)[1] for place in range(more))]
        places = product(self.numbers, REGIONS, UNIT)
        lines = [self._entry(number, region, group) for number, region, group in places]
        return "\n".join((f"accounts: {numbers}", "latency: 20ms", "operations:", *lines, ""))

    def config(self, marker: str = MARKERS[0], guest: tuple[str, str] | None = None) -> str:
        """Return a configuration with a marker, and with the name and number of one more account if it is given."""
        lines = [_account(number, number, REGIONS, WATCH) for number in self.numbers]
        lines.append(_account(marker, MARKER_NUMBER, MARKER_REGIONS, MARKER_WATCH))
        if guest:
            lines.append(_account(*guest, MARKER_REGIONS[:1], MARKER_WATCH))
        return "\n".join(("accounts:", *lines, ""))

    def _entry(self, number: str, region: str, group: Group) -> str:
        return (
            f'  - {{kind: {group.kind}, account: "{number}", region: {region}, count: {group.count * self.units}, '
            f"id: {_name(group, number, region)}, items: 100000, created: -1h, timeline: [{group.timeline}]}}"
        )


def _name(group: Group, number: str, region: str) -> str:
    return f"{group.name}-{number[-2:]}-{region}"


def tenant(place: int) -> tuple[str, str]:
    """Return the name and the number of an account that comes and goes."""
    return f"tenant-{place}", f"8{place:011d}"


def _account(name: str, number: str, regions: tuple[str, ...], watch: str) -> str:
    role = f"arn:aws:iam::{number}:role/reader"
    return f'  - {{name: "{name}", role_arn: "{role}", regions: [{", ".join(regions)}], watch: [{watch}]}}'
