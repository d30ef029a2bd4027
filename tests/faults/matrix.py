"""All parts of the matrix, each run by a process of its own, with what each must come to."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

from exporter.kinds.registry import KINDS
from tests.faults.fault_accounts import world
from tests.faults.fault_table import Group, expected, groups
from tests.faults.network import SERVICES, WIRE_FAULTS, expected_of_wire, run_service, uses, wire_case
from tests.faults.observation import Seen
from tests.faults.runner import run
from tests.faults.scopes import SCOPE_FAULTS, expected_of_scope, scope_case, scopes_world

AT_ONCE = 3
"""Processes: most of them wait for time-outs."""


@dataclass(frozen=True, slots=True)
class Part:
    """Cases that are run together; a long one takes thousands of calls."""

    name: str
    expected: Mapping[str, Seen]
    run: Callable[[], Mapping[str, Seen]]
    is_long: bool = False


def parts() -> tuple[Part, ...]:
    """Return every part, those first that wait the longest."""
    everything = (*map(_service, SERVICES), _scopes(), *map(_group, groups()))
    return tuple(sorted(everything, key=lambda part: len(part.expected)))


def seen_in(name: str) -> Mapping[str, Seen]:
    """Run a part by its name, as another process can be told."""
    (part,) = [part for part in parts() if part.name == name]
    return part.run()


def pool() -> ProcessPoolExecutor:
    """Return processes that share nothing with this one: each part changes its environment."""
    return ProcessPoolExecutor(AT_ONCE, mp_context=multiprocessing.get_context("spawn"))


def _group(group: Group) -> Part:
    wanted = {case.name: expected(case) for case in group.cases}
    return Part(group.name, wanted, lambda: run(world(group)), group.is_long)


def _scopes() -> Part:
    wanted = {scope_case(fault, kind): expected_of_scope(fault) for fault in SCOPE_FAULTS for kind in KINDS}
    return Part("scopes", wanted, lambda: run(scopes_world()))


def _service(service: str) -> Part:
    return Part(f"network of {service}", dict(_wanted(service)), partial(run_service, service))


def _wanted(service: str) -> Iterator[tuple[str, Seen]]:
    for fault in WIRE_FAULTS:
        for kind in KINDS:
            if uses(kind, service):
                yield wire_case(fault, service, kind), expected_of_wire(fault)
