"""Many scrapers at once, and another configuration every second, for minutes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import harness
from benchmarks.soak.clients import Tally, asking
from benchmarks.soak.part_result import TIMES, Outcome, percentiles
from benchmarks.soak.process_usage import Vitals, minutes, slope, watching
from benchmarks.soak.programs import Stage
from benchmarks.soak.raw_http import Answer
from benchmarks.soak.scrape_checks import judge, parsed_faults
from benchmarks.soak.sizes import Sizes

GROWTH = 1.05
"""How much more memory the last minute may hold than the second one; in the first one all buffers are made."""
REQUESTS = "aws_iot_bulk_exporter_api_requests_total{"
ERRORS = "aws_iot_bulk_exporter_api_request_errors_total{"


@dataclass(frozen=True, slots=True)
class Calls:
    """HTTP requests to AWS, those that were refused because there were too many, and all that failed."""

    made: int
    throttled: int
    failed: int

    @classmethod
    def of(cls, answer: Answer) -> Calls:
        """Return what /metrics counts since the start."""
        text = answer.body.decode()
        failed = "\n".join(line for line in text.splitlines() if line.startswith(ERRORS))
        throttled = "\n".join(line for line in failed.splitlines() if "hrottl" in line)
        return cls(*(int(harness.total(*one)) for one in ((text, REQUESTS), (throttled, ERRORS), (failed, ERRORS))))

    def __sub__(self, before: Calls) -> Calls:
        """Return what was counted since then."""
        return Calls(self.made - before.made, self.throttled - before.throttled, self.failed - before.failed)

    def faults(self) -> Iterator[str]:
        """Tell whether AWS's quotas were exceeded."""
        if self.throttled:
            yield f"{self.throttled} of {self.made} calls were throttled"


def run(stage: Stage, sizes: Sizes) -> Outcome:
    """Return what happened to scrapes, series, memory, files and threads."""
    first = stage.get()
    referee, before = judge(stage.fleet, first), stage.vitals()
    with watching(stage.process.pid) as seen, asking(stage, referee, sizes.scrapers, sizes.parsed) as tally:
        time.sleep(sizes.seconds)
    stage.configure(stage.fleet.config())
    tally.loaded += 1
    tally.faults.update([] if stage.reload() == 200 else ["the last reload was refused"])
    last = stage.get()
    tally.faults.update(referee.faults(last))
    for answer in (one for kept in tally.samples.values() for one in kept):
        tally.faults.update(parsed_faults(stage.fleet, answer))
    after = stage.settled(before)
    calls = Calls.of(last) - Calls.of(first)
    broken = (*_told(tally), *_reloads(stage, tally), *calls.faults(), *_growth(seen), *stage.leaks(before, after))
    report = "\n\n".join((_requests(sizes, tally), _counts(tally, calls), _memory(before, seen, after)))
    return Outcome(report, broken)


def _told(tally: Tally) -> Iterator[str]:
    for fault, number in tally.faults.items():
        yield f"{fault} ({number} times)"


def _reloads(stage: Stage, tally: Tally) -> Iterator[str]:
    """Every configuration must have been read, whichever of two that came at once was the newer."""
    told = [line for line in stage.logged() if "reloaded" in line]
    if len(told) != tally.loaded + tally.refused:
        yield f"{tally.loaded + tally.refused} configurations were sent, and {len(told)} read"


def _growth(seen: Sequence[Vitals]) -> Iterator[str]:
    means = [_mean(minute) for minute in minutes(seen)]
    if len(means) > 2 and means[-1] > GROWTH * means[1]:
        yield f"resident memory grew from {means[1]:.0f} MiB to {means[-1]:.0f} MiB"


def _requests(sizes: Sizes, tally: Tally) -> str:
    title = f"{sizes.scrapers} scrapers at once, {sizes.seconds} s, {sum(sizes.fleet.operations.values()):,} operations"
    return harness.rows(
        (title, *TIMES),
        [
            ("scrapes", *percentiles(tally.scrapes)),
            ("`/-/healthy` meanwhile", *percentiles(tally.health)),
            ("reloads by request meanwhile", *percentiles(tally.reloads)),
        ],
    )


def _counts(tally: Tally, calls: Calls) -> str:
    return harness.rows(
        ("what else", "figure"),
        [
            ("answers with a series lost, added, doubled or of another configuration", f"{tally.faults.total()}"),
            ("configurations sent, by request or SIGHUP", f"{tally.loaded + tally.refused}"),
            ("of these broken ones, and refused", f"{tally.refused}"),
            ("requests to AWS", f"{calls.made:,}"),
            ("of these throttled", f"{calls.throttled}"),
            ("of these sent again, since a connection was lost", f"{calls.failed - calls.throttled}"),
        ],
    )


def _memory(before: Vitals, seen: Sequence[Vitals], after: Vitals) -> str:
    by_minute = minutes(seen)
    lines = [(f"minute {place}", minute) for place, minute in enumerate(by_minute, 1)]
    table = harness.rows(
        ("memory, files and threads", "resident", "proportional (PSS)", "file descriptors", "threads"),
        [line(*one) for one in (("before", [before]), *lines, ("after, no client left", [after]))],
    )
    grown = [look for minute in by_minute[1:] for look in minute]
    if len(by_minute) < 3:
        return table
    return f"{table}\n\nFrom the second minute on resident memory grew by {slope(grown):+.0f} KiB a minute."


def line(title: str, looks: Sequence[Vitals]) -> tuple[str, ...]:
    """Return a row: the mean of memory, the range of all else."""
    return (
        title,
        f"{_mean(looks):.0f} MiB",
        f"{statistics.fmean(one.proportional for one in looks):.0f} MiB",
        _range([one.files for one in looks]),
        _range([one.threads for one in looks]),
    )


def _mean(looks: Sequence[Vitals]) -> float:
    return statistics.fmean(one.resident for one in looks)


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
