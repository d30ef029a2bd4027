"""The operations of the load test: all kinds in many scopes, with known ids."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from exporter.kinds.greengrass_deployment import KIND as DEPLOYMENT
from exporter.kinds.iot_job import KIND as JOB

REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "us-west-2", "ap-southeast-1")
# Two configurations differ in the name of one account, and watch the same operations.
MARKERS = ("dawn", "dusk")
MARKER_REGIONS = REGIONS[:2]
MARKER_NUMBER = "999999999999"
# One list call, which finds no operation.
MARKER_WATCH = "{kind: greengrass_bulk_deployment, discover: true}"
ACTIVE = "{{at: 0s, status: {}}}, {{at: 2d, done: 0.9, failed: 0.01}}"
ENDED = "{{at: 0s, status: {}}}, {{at: 30m, status: {}, done: 1.0, failed: 0.02}}"
# Every operation was created one hour before the start of the simulator, so this one ends after three minutes.
ENDING = "{{at: 0s, status: {}}}, {{at: 63m, status: {}, done: 1.0}}"


@dataclass(frozen=True, slots=True)
class Group:
    """Operations of a kind with the same timeline."""

    kind: str
    name: str
    count: int
    timeline: str


# Fifty operations, because AWS also returns each deployment as a job.
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
KINDS = tuple(dict.fromkeys(group.kind for group in UNIT))
WATCH = ", ".join(f"{{kind: {kind}, discover: true}}" for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Fleet:
    """``accounts`` in five Regions each, with ``units`` times fifty operations in every scope."""

    accounts: int
    units: int

    @property
    def numbers(self) -> tuple[str, ...]:
        """The account ids."""
        return tuple(f"{index + 1:012d}" for index in range(self.accounts))

    @property
    def operations(self) -> Mapping[str, int]:
        """The number of exported operations of each kind."""
        counts = Counter[str]()
        for group in UNIT:
            counts[group.kind] += group.count
        counts[JOB.name] += counts[DEPLOYMENT.name]
        return {kind: count * self.units * self.accounts * len(REGIONS) for kind, count in counts.items()}

    @property
    def cells(self) -> int:
        """The number of cells of a configuration, including those of the marker."""
        return self.accounts * len(REGIONS) * len(KINDS) + len(MARKER_REGIONS)

    def ids(self, group: Group) -> Iterator[str]:
        """Give the ids of a group in all scopes, as the simulator derives them from names."""
        count = group.count * self.units
        for number, region in product(self.numbers, REGIONS):
            name = _name(group, number, region)
            yield from (name,) if count == 1 else (f"{name}-{number:04}" for number in range(1, count + 1))

    def scenario(self, empty_accounts: int = 0) -> str:
        """Return the scenario of the simulator, with additional accounts without operations."""
        numbers = [*self.numbers, MARKER_NUMBER, *(temporary_account(index)[1] for index in range(empty_accounts))]
        groups = product(self.numbers, REGIONS, UNIT)
        lines = [self._entry(number, region, group) for number, region, group in groups]
        return "\n".join((f"accounts: {numbers}", "latency: 20ms", "operations:", *lines, ""))

    def config(self, marker: str = MARKERS[0], temporary: tuple[str, str] | None = None) -> str:
        """Return a configuration with a marker. ``temporary`` is the name and id of an additional account."""
        lines = [_account(number, number, REGIONS, WATCH) for number in self.numbers]
        lines.append(_account(marker, MARKER_NUMBER, MARKER_REGIONS, MARKER_WATCH))
        if temporary:
            lines.append(_account(*temporary, MARKER_REGIONS[:1], MARKER_WATCH))
        return "\n".join(("accounts:", *lines, ""))

    def _entry(self, number: str, region: str, group: Group) -> str:
        return (
            f'  - {{kind: {group.kind}, account: "{number}", region: {region}, count: {group.count * self.units}, '
            f"id: {_name(group, number, region)}, items: 100000, created: -1h, timeline: [{group.timeline}]}}"
        )


def _name(group: Group, number: str, region: str) -> str:
    return f"{group.name}-{number[-2:]}-{region}"


def temporary_account(index: int) -> tuple[str, str]:
    """Return the name and the id of an account that is only watched for some time."""
    return f"tenant-{index}", f"8{index:011d}"


def _account(name: str, number: str, regions: tuple[str, ...], watch: str) -> str:
    role = f"arn:aws:iam::{number}:role/reader"
    return f'  - {{name: "{name}", role_arn: "{role}", regions: [{", ".join(regions)}], watch: [{watch}]}}'
