"""The parts of the matrix. A process of its own runs each part."""

import gc
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from exporter.cli.commands.serve import GARBAGE_COLLECTION
from exporter.kinds.registry import KINDS
from tests.faults.fault_accounts import setup_of
from tests.faults.fault_table import Group, expected, groups
from tests.faults.network import SERVICES, WIRE_FAULTS, expected_of_wire, run_service, uses, wire_case
from tests.faults.observation import Observation
from tests.faults.runner import run
from tests.faults.scopes import SCOPE_FAULTS, ScopeFault, expected_of_scope, scope_case, setup_of_scopes

# More than there are processors: most of them wait for time-outs.
PROCESSES = 3


@dataclass(frozen=True, slots=True)
class Part:
    """Cases that run together and the observation of each by case. A long part takes thousands of calls."""

    name: str
    expected: Mapping[str, Observation]
    run: Callable[[], Mapping[str, Observation]]
    is_long: bool = False


def parts() -> tuple[Part, ...]:
    """Return every part. Small parts come first: they wait for time-outs the longest."""
    scopes = (tuple(fault for fault in SCOPE_FAULTS if fault.waits == waits) for waits in (False, True))
    everything = (*map(_service, SERVICES), *map(_scopes, scopes), *map(_group, groups()))
    return tuple(sorted(everything, key=lambda part: len(part.expected)))


def observations_of(name: str) -> Mapping[str, Observation]:
    """Run a part and return its observations by case. A name can be sent to another process, a part cannot."""
    (part,) = [part for part in parts() if part.name == name]
    return part.run()


def pool() -> ProcessPoolExecutor:
    """Return processes that share nothing with this one, because each part changes its environment."""
    return ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"), initializer=_collect_rarely)


def _collect_rarely() -> None:
    """Collect garbage as rarely as ``serve`` does, and exclude the modules."""
    gc.freeze()
    gc.set_threshold(*GARBAGE_COLLECTION)


def _group(group: Group) -> Part:
    wanted = {case.name: expected(case) for case in group.cases}
    return Part(group.name, wanted, lambda: run(setup_of(group)), group.is_long)


def _scopes(faults: Sequence[ScopeFault]) -> Part:
    wanted = {scope_case(fault, kind): expected_of_scope(fault) for fault in faults for kind in KINDS}
    return Part("scopes waits" if faults[0].waits else "scopes", wanted, lambda: run(setup_of_scopes(faults)))


def _service(service: str) -> Part:
    kinds = [kind for kind in KINDS if uses(kind, service)]
    wanted = {wire_case(fault, service, kind): expected_of_wire(fault) for fault in WIRE_FAULTS for kind in kinds}
    return Part(f"network of {service}", wanted, partial(run_service, service))
