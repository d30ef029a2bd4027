"""A state file of as many finished operations as a scenario has, as an exporter writes it that has read all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

from exporter.collector.cells import Cell, cells_of
from exporter.collector.inventory import TrackedOperation
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.log import new_log
from exporter.core.model import Reading, Scope
from exporter.kinds.kind import FetchRequest, ListEntry
from exporter.kinds.registry import KINDS
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.simulator.fleet import Fleet
from exporter.simulator.scenario import Scenario
from exporter.state.cell_cache import FileCellCache
from exporter.state.state_file import Archive
from tests.support.restarted_exporter import WRITE_AT_ONCE
from tests.support.simulated_responses import SimulatedApi

ACCOUNT, REGION = "111122223333", "eu-west-1"
LAST = {
    "thing_registration_task": "Completed",
    "iot_job": "COMPLETED",
    "greengrass_deployment": "FAILED",
    "greengrass_bulk_deployment": "Completed",
}
"""A status in which an operation has ended. A deployment that failed is no job besides, so that numbers stay even."""
OPERATION = """
  - {{kind: {kind}, id: {kind}, count: {count}, region: eu-west-1, items: 100, created: -1h,
     timeline: [{{at: 0s, status: {status}, done: 0.9, failed: 0.1}}]}}"""


def finished_scenario(each: int) -> str:
    """Return a scenario of so many finished operations of each kind."""
    every = (OPERATION.format(kind=kind, status=status, count=each) for kind, status in LAST.items())
    return f'accounts: ["{ACCOUNT}"]\nquotas: false\noperations:' + "".join(every)


def finished_config(each: int) -> str:
    """Return a configuration that watches all of them."""
    watch = "".join(f"\n      - {{kind: {kind}, discover: {{max_operations: {each}}}}}" for kind in LAST)
    return f'accounts:\n  - account_id: "{ACCOUNT}"\n    regions: [{REGION}]\n    watch:{watch}\n'


def write_finished(file: Path, config: Config, scenario: Scenario, now: float) -> None:
    """Write down every operation of a scenario that begins at a Unix time, as each cell does with what it has read."""
    archive = Archive(file, KINDS, Clock(), new_log("error"), WRITE_AT_ONCE)
    archive.start()
    fleet = Fleet(scenario.operations, KINDS, now)
    for cell in cells_of(config, KINDS, lambda: REGION):
        found = (one for _, one in fleet.existing((cell.kind.name, ACCOUNT, REGION), now))
        asyncio.run(_write(archive, cell, found, now))
    archive.close()


async def _write(archive: Archive, cell: Cell, found: Iterable[SimulatedOperation], now: float) -> None:
    saved = FileCellCache(archive)
    await saved.recall(cell, Scope(cell.account.name, ACCOUNT, REGION), now)
    for one in found:
        operation = await cell.kind.fetch(SimulatedApi(cell.kind, one), FetchRequest(one.id))
        tracked = TrackedOperation(ListEntry(one.id, one.created), explicit=False, matched=True)
        tracked.take(Reading(operation, now), cell.kind, cell.watch, now)
        saved.note(tracked)
