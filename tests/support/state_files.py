"""State files with known content."""

import asyncio
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from exporter.collector.cells import Cell, configured_cells
from exporter.collector.inventory import TrackedOperation
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.log import new_log
from exporter.core.model import CellKey, Reading, Scope
from exporter.kinds.kind import FetchRequest, ListEntry
from exporter.kinds.registry import KINDS
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.kinds.thing_registration_task import KIND, ThingRegistrationTask
from exporter.simulator.fleet import Fleet
from exporter.simulator.scenario import Scenario
from exporter.state.cell_cache import FileCellCache
from exporter.state.codec import Record
from exporter.state.database import CellId
from exporter.state.state_file import Row, StateFile
from tests.support.clocks import ManualClock
from tests.support.exporter_server import WRITE_AT_ONCE
from tests.support.simulated_responses import SimulatedApi

CELL = CellKey("factory", "eu-west-1", KIND.name)


@dataclass(frozen=True, slots=True)
class OpenStateFile:
    """A running state file and its log."""

    state_file: StateFile
    log: io.StringIO

    def load(self, account: str = "111122223333") -> dict[str, Row]:
        """Return the records of an account by id."""
        rows = asyncio.run(self.state_file.load(self.cell_id(account)))
        return {row.operation.id: row for row in rows}

    def put(self, records: Mapping[str, Row | None], account: str = "111122223333") -> None:
        """Write records."""
        for id, record in records.items():
            self.state_file.put(self.cell_id(account), id, record)

    def cell_id(self, account: str) -> CellId:
        """Return the cell id under which an account's records are stored."""
        return CellId(CELL, account, frozenset(), self.state_file.form(KIND.name))


@contextmanager
def open_state_file(file: Path, clock: ManualClock | None = None, start: bool = True) -> Iterator[OpenStateFile]:
    """Open a state file, and start it unless ``start`` is false. Close it at the end of the block."""
    log = io.StringIO()
    state_file = StateFile(file, KINDS, (clock or ManualClock()).clock(), new_log(stream=log), WRITE_AT_ONCE)
    if start:
        state_file.start()
    try:
        yield OpenStateFile(state_file, log)
    finally:
        state_file.close()


def records(number: int) -> dict[str, Row]:
    """Return finished tasks by id, all of them different."""
    return {record.operation.id: record for record in map(_record, range(number))}


def _record(place: int) -> Row:
    when = datetime(2026, 11, 1, place % 24, place % 60, place % 7, place, tzinfo=UTC)
    task = ThingRegistrationTask(
        id=f"task-{place:05}",
        status=("Completed", "Failed", "Cancelled")[place % 3],
        progress=place % 101 / 100,
        created=when,
        updated=when,
        input=f"s3://factory/2026/input-{place:05}.jsonl",
        succeeded=place * 17,
        failed=place % 7,
    )
    return Record(task, 1.8e9 + place / 8, when, explicit=place % 2 == 0, matched=True, rules="", tags=None)


ACCOUNT, REGION = "111122223333", "eu-west-1"
# A final status of each kind. A failed deployment has no job, which keeps the numbers even.
LAST = {
    "thing_registration_task": "Completed",
    "iot_job": "COMPLETED",
    "greengrass_deployment": "FAILED",
    "greengrass_bulk_deployment": "Completed",
}
OPERATION = """
  - {{kind: {kind}, id: {kind}, count: {count}, region: eu-west-1, items: 100, created: -1h,
     timeline: [{{at: 0s, status: {status}, done: 0.9, failed: 0.1}}]}}"""


def finished_scenario(each: int) -> str:
    """Return a scenario with ``each`` finished operations of each kind."""
    every = (OPERATION.format(kind=kind, status=status, count=each) for kind, status in LAST.items())
    return f'accounts: ["{ACCOUNT}"]\nquotas: false\noperations:' + "".join(every)


def finished_config(each: int) -> str:
    """Return a configuration that watches all of them."""
    watch = "".join(f"\n      - {{kind: {kind}, discover: {{max_operations: {each}}}}}" for kind in LAST)
    return f'accounts:\n  - account_id: "{ACCOUNT}"\n    regions: [{REGION}]\n    watch:{watch}\n'


def write_finished(file: Path, config: Config, scenario: Scenario, now: float) -> None:
    """Write every operation of a scenario into a state file, as the exporter does after it has read them.

    ``now`` is the start of the scenario in Unix seconds.
    """
    state_file = StateFile(file, KINDS, Clock(), new_log("error"), WRITE_AT_ONCE)
    state_file.start()
    fleet = Fleet(scenario.operations, KINDS, now)
    for cell in configured_cells(config, KINDS, lambda: REGION):
        found = (operation for _, operation in fleet.existing((cell.kind.name, ACCOUNT, cell.key.region), now))
        asyncio.run(_write(state_file, cell, found, now))
    state_file.close()


async def _write(state_file: StateFile, cell: Cell, found: Iterable[SimulatedOperation], now: float) -> None:
    saved = FileCellCache(state_file)
    await saved.recall(cell, Scope(cell.account.name, ACCOUNT, cell.key.region), now)
    for simulated in found:
        operation = await cell.kind.fetch(SimulatedApi(cell.kind, simulated), FetchRequest(simulated.id))
        tracked = TrackedOperation(ListEntry(simulated.id, simulated.created), explicit=False, matched=True)
        tracked.update(Reading(operation, now), cell.kind, cell.watch, now)
        saved.note(tracked)
