"""Many concurrent scrapers and a reload every second, for several minutes."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks import harness
from benchmarks.soak.clients import ClientStats, running_clients
from benchmarks.soak.part_result import TIMES, PartResult, percentiles
from benchmarks.soak.process_usage import ProcessUsage, mean_resident, minutes, sampled_usage, slope, usage_table
from benchmarks.soak.programs import ExporterUnderLoad
from benchmarks.soak.raw_http import Response
from benchmarks.soak.scrape_checks import new_checker, parsed_faults
from benchmarks.soak.sizes import Sizes

# The maximum ratio of memory in the last minute to the second minute. In the first minute buffers are allocated.
GROWTH = 1.05
REQUESTS = "aws_iot_bulk_exporter_api_requests_total{"
ERRORS = "aws_iot_bulk_exporter_api_request_errors_total{"


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
    calls = _calls(last) - _calls(first)
    failures = (
        *_fault_lines(stats),
        *_reloads(exporter, stats),
        *_throttled(calls),
        *_growth(samples),
        *exporter.leaks(before, after),
    )
    report = "\n\n".join((_requests(sizes, stats), _counts(stats, calls), _memory(before, samples, after)))
    return PartResult(report, failures)


def _calls(response: Response) -> Counter[str]:
    """Return the numbers of HTTP requests to AWS, of throttled ones, and of all that failed."""
    text = response.body.decode()
    throttled = "\n".join(line for line in text.splitlines() if "hrottl" in line)
    series = {"sent": (text, REQUESTS), "throttled": (throttled, ERRORS), "failed": (text, ERRORS)}
    return Counter({name: int(harness.total(*samples)) for name, samples in series.items()})


def _throttled(calls: Counter[str]) -> Iterator[str]:
    if calls["throttled"]:
        yield f"{calls['throttled']} of {calls['sent']} calls were throttled"


def _fault_lines(stats: ClientStats) -> Iterator[str]:
    for fault, number in stats.faults.items():
        yield f"{fault} ({number} times)"


def _reloads(exporter: ExporterUnderLoad, stats: ClientStats) -> Iterator[str]:
    """Give a fault unless the exporter has read every configuration."""
    reloads = [line for line in exporter.log_lines() if "reloaded" in line]
    if len(reloads) != stats.loaded + stats.refused:
        yield f"{stats.loaded + stats.refused} configurations were sent, but {len(reloads)} were read"


def _growth(samples: Sequence[ProcessUsage]) -> Iterator[str]:
    means = [mean_resident(minute) for minute in minutes(samples)]
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


def _counts(stats: ClientStats, calls: Counter[str]) -> str:
    return harness.table(
        ("counters", "figure"),
        [
            ("responses with lost, new, duplicate or mixed series", f"{stats.faults.total()}"),
            ("configurations, reloaded by request or SIGHUP", f"{stats.loaded + stats.refused}"),
            ("of these invalid and refused", f"{stats.refused}"),
            ("requests to AWS", f"{calls['sent']:,}"),
            ("of these throttled", f"{calls['throttled']}"),
            ("of these retried after a lost connection", f"{calls['failed'] - calls['throttled']}"),
        ],
    )


def _memory(before: ProcessUsage, samples: Sequence[ProcessUsage], after: ProcessUsage) -> str:
    by_minute = minutes(samples)
    lines = [(f"minute {number}", minute) for number, minute in enumerate(by_minute, 1)]
    rows = [("before", [before]), *lines, ("after, without clients", [after])]
    table = usage_table("memory, files and threads", rows)
    later = [usage for minute in by_minute[1:] for usage in minute]
    if len(by_minute) < 3:
        return table
    return f"{table}\n\nFrom the second minute on, resident memory grew by {slope(later):+.0f} KiB a minute."
