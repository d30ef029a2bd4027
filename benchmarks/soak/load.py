"""Many concurrent scrapers and a reload every second, for several minutes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks import harness
from benchmarks.soak.clients import ClientStats, running_clients
from benchmarks.soak.part_result import TIMES, PartResult, percentiles
from benchmarks.soak.process_usage import ProcessUsage, minutes, sampled_usage, slope
from benchmarks.soak.programs import ExporterUnderLoad
from benchmarks.soak.raw_http import Response
from benchmarks.soak.scrape_checks import new_checker, parsed_faults
from benchmarks.soak.sizes import Sizes

# The maximum ratio of memory in the last minute to the second minute. In the first minute buffers are allocated.
GROWTH = 1.05
REQUESTS = "aws_iot_bulk_exporter_api_requests_total{"
ERRORS = "aws_iot_bulk_exporter_api_request_errors_total{"


@dataclass(frozen=True, slots=True)
class Calls:
    """The numbers of HTTP requests to AWS, of throttled ones, and of all that failed."""

    sent: int
    throttled: int
    failed: int

    @classmethod
    def of(cls, response: Response) -> Calls:
        """Return the counters of a scrape."""
        text = response.body.decode()
        failed = "\n".join(line for line in text.splitlines() if line.startswith(ERRORS))
        throttled = "\n".join(line for line in failed.splitlines() if "hrottl" in line)
        return cls(
            *(int(harness.total(*series)) for series in ((text, REQUESTS), (throttled, ERRORS), (failed, ERRORS)))
        )

    def __sub__(self, before: Calls) -> Calls:
        """Return the increase since ``before``."""
        return Calls(self.sent - before.sent, self.throttled - before.throttled, self.failed - before.failed)

    def faults(self) -> Iterator[str]:
        """Give a fault if AWS throttled calls."""
        if self.throttled:
            yield f"{self.throttled} of {self.sent} calls were throttled"


def run(exporter: ExporterUnderLoad, sizes: Sizes) -> PartResult:
    """Return the results for scrapes, series, memory, files and threads."""
    first = exporter.get()
    checker, before = new_checker(exporter.fleet, first), exporter.usage()
    with (
        sampled_usage(exporter.process.pid) as samples,
        running_clients(exporter, checker, sizes.scrapers, sizes.parsed) as stats,
    ):
        time.sleep(sizes.seconds)
    exporter.configure(exporter.fleet.config())
    stats.loaded += 1
    stats.faults.update([] if exporter.reload() == 200 else ["the last reload was refused"])
    last = exporter.get()
    stats.faults.update(checker.faults(last))
    for response in (response for kept in stats.samples.values() for response in kept):
        stats.faults.update(parsed_faults(exporter.fleet, response))
    after = exporter.usage_after_load(before)
    calls = Calls.of(last) - Calls.of(first)
    failures = (
        *_fault_lines(stats),
        *_reloads(exporter, stats),
        *calls.faults(),
        *_growth(samples),
        *exporter.leaks(before, after),
    )
    report = "\n\n".join((_requests(sizes, stats), _counts(stats, calls), _memory(before, samples, after)))
    return PartResult(report, failures)


def _fault_lines(stats: ClientStats) -> Iterator[str]:
    for fault, number in stats.faults.items():
        yield f"{fault} ({number} times)"


def _reloads(exporter: ExporterUnderLoad, stats: ClientStats) -> Iterator[str]:
    """Give a fault unless the exporter has read every configuration."""
    reloads = [line for line in exporter.log_lines() if "reloaded" in line]
    if len(reloads) != stats.loaded + stats.refused:
        yield f"{stats.loaded + stats.refused} configurations were sent, but {len(reloads)} were read"


def _growth(samples: Sequence[ProcessUsage]) -> Iterator[str]:
    means = [_mean(minute) for minute in minutes(samples)]
    if len(means) > 2 and means[-1] > GROWTH * means[1]:
        yield f"resident memory grew from {means[1]:.0f} MiB to {means[-1]:.0f} MiB"


def _requests(sizes: Sizes, stats: ClientStats) -> str:
    title = (
        f"{sizes.scrapers} concurrent scrapers, {sizes.seconds} s, {sum(sizes.fleet.operations.values()):,} operations"
    )
    return harness.table(
        (title, *TIMES),
        [
            ("scrapes", *percentiles(stats.scrapes)),
            ("`/-/healthy` during the load", *percentiles(stats.health)),
            ("reloads by request during the load", *percentiles(stats.reloads)),
        ],
    )


def _counts(stats: ClientStats, calls: Calls) -> str:
    return harness.table(
        ("counters", "figure"),
        [
            ("responses with lost, new, duplicate or mixed series", f"{stats.faults.total()}"),
            ("configurations, reloaded by request or SIGHUP", f"{stats.loaded + stats.refused}"),
            ("of these invalid and refused", f"{stats.refused}"),
            ("requests to AWS", f"{calls.sent:,}"),
            ("of these throttled", f"{calls.throttled}"),
            ("of these retried after a lost connection", f"{calls.failed - calls.throttled}"),
        ],
    )


def _memory(before: ProcessUsage, samples: Sequence[ProcessUsage], after: ProcessUsage) -> str:
    by_minute = minutes(samples)
    lines = [(f"minute {number}", minute) for number, minute in enumerate(by_minute, 1)]
    table = harness.table(
        ("memory, files and threads", "resident", "proportional (PSS)", "file descriptors", "threads"),
        [line(*entry) for entry in (("before", [before]), *lines, ("after, without clients", [after]))],
    )
    later = [usage for minute in by_minute[1:] for usage in minute]
    if len(by_minute) < 3:
        return table
    return f"{table}\n\nFrom the second minute on, resident memory grew by {slope(later):+.0f} KiB a minute."


def line(title: str, usages: Sequence[ProcessUsage]) -> tuple[str, ...]:
    """Return a row with the means of memory and the ranges of files and threads."""
    return (
        title,
        f"{_mean(usages):.0f} MiB",
        f"{statistics.fmean(usage.proportional for usage in usages):.0f} MiB",
        _range([usage.files for usage in usages]),
        _range([usage.threads for usage in usages]),
    )


def _mean(usages: Sequence[ProcessUsage]) -> float:
    return statistics.fmean(usage.resident for usage in usages)


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
