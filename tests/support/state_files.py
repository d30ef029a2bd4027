"""State files of known records, and what comes back of them."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from exporter.core.log import new_log
from exporter.core.model import CellKey
from exporter.kinds.registry import KINDS
from exporter.kinds.thing_registration_task import KIND, ThingRegistrationTask
from exporter.state.codec import Record
from exporter.state.database import CellId
from exporter.state.state_file import Archive, Row
from tests.support.clocks import ManualClock
from tests.support.restarted_exporter import WRITE_AT_ONCE

CELL = CellKey("factory", "eu-west-1", KIND.name)


@dataclass(frozen=True, slots=True)
class OpenStateFile:
    """An archive at work, and what it logs."""

    archive: Archive
    log: io.StringIO

    def load(self, account: str = "111122223333") -> dict[str, Row]:
        """Return the records of an account by id."""
        rows = asyncio.run(self.archive.load(self.owner(account)))
        return {row.operation.id: row for row in rows}

    def put(self, records: Mapping[str, Row | None], account: str = "111122223333") -> None:
        """Have records written."""
        for id, record in records.items():
            self.archive.put(self.owner(account), id, record)

    def owner(self, account: str) -> CellId:
        """Return who has the records of an account."""
        return CellId(CELL, account, frozenset(), self.archive.form(KIND.name))


@contextmanager
def open_state_file(file: Path, clock: ManualClock | None = None, start: bool = True) -> Iterator[OpenStateFile]:
    """Open a state file, by default at once; at the end everything is written that can be."""
    log = io.StringIO()
    archive = Archive(file, KINDS, (clock or ManualClock()).clock(), new_log(stream=log), WRITE_AT_ONCE)
    if start:
        archive.start()
    try:
        yield OpenStateFile(archive, log)
    finally:
        archive.close()


def records(number: int) -> dict[str, Row]:
    """Return finished tasks by id, no two of them alike."""
    return {one.operation.id: one for one in map(_record, range(number))}


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
