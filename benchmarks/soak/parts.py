"""The parts of the load test. Each part starts its own processes, so that it does not depend on the others."""

from collections.abc import Callable, Mapping

from benchmarks.soak import account_changes, invalid_request_load, load, slow_clients
from benchmarks.soak.part_result import PartResult
from benchmarks.soak.programs import ExporterUnderLoad, exporter
from benchmarks.soak.sizes import Sizes


def _with_exporter(
    run: Callable[[ExporterUnderLoad, Sizes], PartResult], tls: bool = False
) -> Callable[[Sizes], PartResult]:
    def run_part(sizes: Sizes) -> PartResult:
        with exporter(sizes.fleet, tls) as tested:
            result = run(tested, sizes)
            lines = tuple(tested.error_lines())
        return PartResult(result.report, (*result.failures, *lines[:5]))

    return run_part


PARTS: Mapping[str, tuple[str, Callable[[Sizes], PartResult]]] = {
    "load": ("Many scrapers and a reload every second", _with_exporter(load.run)),
    "slow": ("Slow clients", _with_exporter(slow_clients.run)),
    "slow-tls": ("Slow clients over TLS", _with_exporter(slow_clients.run, tls=True)),
    "garbage": ("Invalid requests for every route", _with_exporter(invalid_request_load.run)),
    "renaming": ("Accounts that are added and removed", account_changes.run),
}
