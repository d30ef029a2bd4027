"""Repeated reloads that replace an account: the memory that removed accounts leave behind."""

from collections import Counter

from benchmarks.soak.fleet import MARKERS, Fleet, temporary_account
from benchmarks.soak.part_result import PartResult
from benchmarks.soak.process_usage import usage_table
from benchmarks.soak.programs import ExporterUnderLoad, exporter
from benchmarks.soak.scrape_checks import new_checker
from benchmarks.soak.sizes import Sizes

FLEET = Fleet(accounts=1, units=1)
# The exporter allocates its buffers in the first part. Only the other parts are compared.
PARTS = 5
# The maximum for each removed account: its counters stay, because they must continue if the account returns.
MAX_KIB = 16.0


def run(sizes: Sizes) -> PartResult:
    """Return the process usage after each fifth of the reloads."""
    with exporter(FLEET, temporary_accounts=sizes.reloads) as tested:
        return _run(tested, sizes)


def _run(tested: ExporterUnderLoad, sizes: Sizes) -> PartResult:
    checker, usages, faults = new_checker(FLEET, tested.get()), [tested.usage()], Counter[str]()
    for number in range(sizes.reloads):
        tested.configure(FLEET.config(MARKERS[number % 2], temporary_account(number)))
        faults.update([] if tested.reload() == 200 else ["a reload was refused"])
        faults.update(checker.faults(tested.get(), more_cells=1))
        if (number + 1) % (sizes.reloads // PARTS) == 0:
            usages.append(tested.usage())
    steps = [f"after {part * sizes.reloads // PARTS:,} reloads" for part in range(PARTS + 1)]
    rows = [(step, [usage]) for step, usage in zip(steps, usages, strict=True)]
    table = usage_table("one account replaced in each reload", rows)
    growth = (usages[-1].resident - usages[1].resident) * 1024 / (sizes.reloads * (PARTS - 1) / PARTS)
    failures = [f"{fault} ({number} times)" for fault, number in faults.items()]
    if sizes.reloads >= 1000 and growth > MAX_KIB:
        failures.append(f"each removed account leaves {growth:.1f} KiB behind")
    report = f"{table}\n\nFrom the first fifth on, each removed account left {growth:.1f} KiB behind."
    return PartResult(
        report, (*failures, *tested.leaks(usages[0], tested.usage_after_load(usages[0])), *tested.error_lines()[:5])
    )
