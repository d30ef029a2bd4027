"""Reload after reload, each of which takes one account away and brings another: what of the old ones stays?"""

from __future__ import annotations

from collections import Counter

from benchmarks import harness
from benchmarks.soak.fleet import MARKERS, Fleet, tenant
from benchmarks.soak.load import line
from benchmarks.soak.part_result import Outcome
from benchmarks.soak.programs import Stage, stage
from benchmarks.soak.scrape_checks import judge
from benchmarks.soak.sizes import Sizes

FLEET = Fleet(accounts=1, units=1)
PARTS = 5
"""In the first part all buffers are made; of the others none may add more than this to memory."""
MOST_KIB = 16.0
"""For each account that is gone: its counters, which must not begin anew when it comes back."""


def run(sizes: Sizes) -> Outcome:
    """Return what each fifth of the reloads left behind."""
    with stage(FLEET, guests=sizes.reloads) as found:
        return _run(found, sizes)


def _run(found: Stage, sizes: Sizes) -> Outcome:
    referee, looks, faults = judge(FLEET, found.get()), [found.vitals()], Counter[str]()
    for place in range(sizes.reloads):
        found.configure(FLEET.config(MARKERS[place % 2], tenant(place)))
        faults.update([] if found.reload() == 200 else ["a reload was refused"])
        faults.update(referee.faults(found.get(), more_cells=1))
        if (place + 1) % (sizes.reloads // PARTS) == 0:
            looks.append(found.vitals())
    steps = [f"after {place * sizes.reloads // PARTS:,} reloads" for place in range(PARTS + 1)]
    table = harness.rows(
        ("an account less and another more", "resident", "proportional (PSS)", "file descriptors", "threads"),
        [line(step, [look]) for step, look in zip(steps, looks, strict=True)],
    )
    each = (looks[-1].resident - looks[1].resident) * 1024 / (sizes.reloads * (PARTS - 1) / PARTS)
    told = [f"{fault} ({number} times)" for fault, number in faults.items()]
    if sizes.reloads >= 1000 and each > MOST_KIB:
        told.append(f"each account that is gone leaves {each:.1f} KiB behind")
    report = f"{table}\n\nFrom the first fifth on each account that was gone left {each:.1f} KiB behind."
    return Outcome(report, (*told, *found.leaks(looks[0], found.settled(looks[0])), *found.alarming()[:5]))
