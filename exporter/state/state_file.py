"""The state file. Its failures are logged when they begin, and do not reach the caller. Writes are retried."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from exporter.core.clock import Clock
from exporter.core.log import Log
from exporter.core.model import Operation
from exporter.kinds.kind import Kind
from exporter.state.codec import Codec, Record
from exporter.state.database import CellId, CellRows, Change, Database
from exporter.state.file_check import StateError
from exporter.state.writer import WriteBatch, WriteQueue, Writer, WriteTiming

Row = Record[Operation]


class StateFile:
    """The records of all cells in a file. Nothing is read or written before ``start``.

    ``restored`` counts the records that were read. ``epoch`` changes when this process or another one has created a new
    file: the cell caches then put their records again.
    """

    def __init__(
        self, path: Path, kinds: Iterable[Kind[Any]], clock: Clock, log: Log, timing: WriteTiming = WriteTiming()
    ) -> None:
        self.epoch = 0
        self.restored = 0
        self._codecs = {kind.name: Codec(kind) for kind in kinds}
        self._clock = clock
        self._log = log
        self._path = str(path)
        self._database = Database(path, self._note_replaced)
        self._queue = WriteQueue()
        self._writer = Writer(self._write, timing)
        self._instance = b""
        self._failure: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the last access to the file succeeded and the disk does not hang now."""
        return bool(self._instance) and self._failure is None and not self._writer.is_hanging

    def form(self, kind: str) -> str:
        """Return the hash of the fields and types of a kind's records."""
        return self._codecs[kind].form

    def start(self) -> None:
        """Open the file, in a thread."""
        try:
            self._writer.start()
        except StateError as error:
            self._note_failure(error)

    def close(self) -> None:
        """Write the queued changes, unless the disk takes too long."""
        self._writer.close()

    def put(self, cell: CellId, id: str, record: Row | None) -> None:
        """Write a record soon, or remove it if it is None."""
        # AWS may send an id that is not valid Unicode.
        self._queue.put(cell, id.encode(errors="surrogatepass"), record)
        self._writer.wake()

    def check(self, cell: CellId) -> None:
        """Check the file soon, and note in it that the records of a cell are in use."""
        self._queue.mark_used(cell)
        self._writer.wake()

    async def load(self, cell: CellId) -> Sequence[Row]:
        """Return the records of a cell, none if the file cannot be read in time."""
        try:
            return await self._writer.run(lambda: self._read(cell))
        except StateError as error:
            self._note_failure(error)
            return ()

    def _read(self, cell: CellId) -> Sequence[Row]:
        try:
            rows = self._database.read(cell)
            records = list(self._decoded_records(cell, rows))
        except Exception as error:
            self._note_failure(error)
            return ()
        self._report_ignored(cell, rows)
        self._queue.mark_used(cell, rows.damaged)
        self.restored += len(records)
        return records

    def _decoded_records(self, cell: CellId, rows: CellRows) -> Iterator[Row]:
        for id, body in rows.bodies.items():
            try:
                yield self._codecs[cell.key.kind].decode(body)
            except ValueError:
                rows.damaged.append(id)

    def _write(self) -> bool:
        batch = self._queue.take()
        try:
            instance = self._database.write(batch.used, dict(self._changes(batch)), self._clock.now())
        except Exception as error:
            self._queue.put_back(batch)
            self._note_failure(error)
            return False
        if self._instance and instance != self._instance:
            self.epoch += 1
        self._instance = instance
        if self._failure is not None:
            self._log.info("state file usable again", file=self._path)
        self._failure = None
        return True

    def _changes(self, batch: WriteBatch) -> Iterator[Change]:
        for (cell, id), record in batch.records.items():
            try:
                yield (cell, id), self._codecs[cell.key.kind].encode(record) if record else None
            except ValueError:
                # Without a record, the next start reads the operation from AWS.
                yield (cell, id), None

    def _note_failure(self, error: Exception) -> None:
        reason = str(error) if isinstance(error, StateError) else f"unexpected {type(error).__name__}"
        if self._failure is None:
            self._log.warning("state file not usable", file=self._path, reason=reason)
        self._failure = reason

    def _note_replaced(self, reason: str) -> None:
        self.epoch += 1
        self._log.warning("state file replaced by a new one", file=self._path, reason=reason)

    def _report_ignored(self, cell: CellId, rows: CellRows) -> None:
        if rows.damaged:
            reason = f"damaged records: {len(rows.damaged)}"
        elif rows.other_forms and not rows.bodies:
            reason = "records written by another version of the exporter"
        else:
            return
        message = "state file has unusable records: the exporter reads these operations from AWS"
        self._log.warning(message, file=self._path, **asdict(cell.key), reason=reason)
