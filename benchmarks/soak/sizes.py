"""The sizes of the load test: more than five minutes, or seconds for the tests."""

from dataclasses import dataclass

from benchmarks.soak.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The size of a run; times are in seconds. ``parsed`` responses of each format are parsed completely."""

    fleet: Fleet
    seconds: int
    scrapers: int
    parsed: int
    slow: int
    unread: int
    slow_seconds: int
    garbage: int
    reloads: int


FULL = Sizes(
    fleet=Fleet(accounts=5, units=4),
    seconds=300,
    scrapers=64,
    parsed=4,
    slow=500,
    unread=32,
    slow_seconds=60,
    garbage=100_000,
    reloads=1000,
)
SHORT = Sizes(
    fleet=Fleet(accounts=2, units=1),
    seconds=5,
    scrapers=8,
    parsed=1,
    slow=50,
    unread=8,
    slow_seconds=2,
    garbage=2_000,
    reloads=10,
)
