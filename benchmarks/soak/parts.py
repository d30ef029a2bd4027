"""The parts of a run, each on programs of its own, so that one can be run alone and none inherits another's memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.soak import account_changes, invalid_request_load, load, slow_clients
from benchmarks.soak.part_result import Outcome
from benchmarks.soak.programs import Stage, stage
from benchmarks.soak.sizes import Sizes


def _on_a_stage(run: Callable[[Stage, Sizes], Outcome], tls: bool = False) -> Callable[[Sizes], Outcome]:
    def staged(sizes: Sizes) -> Outcome:
        with stage(sizes.fleet, tls) as found:
            outcome = run(found, sizes)
            alarming = tuple(found.alarming())
        return Outcome(outcome.report, (*outcome.broken, *alarming[:5]))

    return staged


PARTS: Mapping[str, tuple[str, Callable[[Sizes], Outcome]]] = {
    "load": ("Many scrapers and a reload every second", _on_a_stage(load.run)),
    "slow": ("Slow clients", _on_a_stage(slow_clients.run)),
    "slow-tls": ("Slow clients over TLS", _on_a_stage(slow_clients.run, tls=True)),
    "garbage": ("Garbage for every route", _on_a_stage(invalid_request_load.run)),
    "renaming": ("Accounts that come and go", account_changes.run),
}
