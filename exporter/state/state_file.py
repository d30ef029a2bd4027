"""The state file at work. No failure of it is anybody else's: it is logged when it begins, and tried again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from exporter.core.clock import Clock
from exporter.core.log import Log
from exporter.core.model import Operation
from exporter.kinds.kind import Kind
from exporter.state.codec import Codec, Record
from exporter.state.database import CellId, Change, Database, Found
from exporter.state.file_check import StateError
from exporter.state.write_queue import Batch, Pending
from exporter.state.writer import Disk, Pace

Row = Record[Operation]


class Archive:
    """The records of all cells in a file. Nothing is read or written before ``start``.

    ``restored`` counts the records that were read. ``epoch`` changes when the file was begun anew, by whomever: who has
    records in it puts them again.
    """

    def __init__(self, path: Path, kinds: Iterable[Kind[Any]], clock: Clock, log: Log, pace: Pace = Pace()) -> None:
        self.epoch = 0
        self.restored = 0
        self._codecs = {kind.name: Codec(kind) for kind in kinds}
        self._clock = clock
        self._log = log
        self._path = str(path)
        self._database = Database(path, self._begun_anew)
        self._pending = Pending()
        self._disk = Disk(self._write, pace)
        self._instance = b""
        self._failure: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the file could be read and written the last time, and does not hang now."""
        return bool(self._instance) and self._failure is None and not self._disk.hangs

    def form(self, kind: str) -> str:
        """Return the form in which records of a kind are written now."""
        return self._codecs[kind].form

    def start(self) -> None:
        """Open the file, in a thread."""
        try:
            self._disk.start()
        except StateError as error:
            self._failed(error)

    def close(self) -> None:
        """Write what is left, as far as the disk takes it soon enough."""
        self._disk.close()

    def put(self, owner: CellId, id: str, record: Row | None) -> None:
        """Write a record soon, or remove it where there is none."""
        self._pending.put(owner, _key(id), record)
        self._disk.wake()

    def check(self, owner: CellId) -> None:
        """See soon whether the file is what it was, and note there now and then that an owner's records are in use."""
        self._pending.use(owner)
        self._disk.wake()

    async def load(self, owner: CellId) -> Sequence[Row]:
        """Return the records of an owner, none where the file cannot be read, or not soon enough."""
        try:
            return await self._disk.run(lambda: self._read(owner))
        except StateError as error:
            self._failed(error)
            return ()

    def _read(self, owner: CellId) -> Sequence[Row]:
        try:
            found = self._database.read(owner)
            records = list(self._decoded(owner, found))
        except Exception as error:
            self._failed(error)
            return ()
        self._tell_ignored(owner, found)
        self._pending.use(owner, found.damaged)
        self.restored += len(records)
        return records

    def _decoded(self, owner: CellId, found: Found) -> Iterator[Row]:
        for id, body in found.bodies.items():
            try:
                yield self._codecs[owner.key.kind].decode(body)
            except ValueError:
                found.damaged.append(id)

    def _write(self) -> bool:
        batch = self._pending.take()
        try:
            instance = self._database.write(batch.used, dict(self._encoded(batch)), self._clock.now())
        except Exception as error:
            self._pending.put_back(batch)
            self._failed(error)
            return False
        if self._instance and instance != self._instance:
            self.epoch += 1
        self._instance = instance
        self._succeeded()
        return True

    def _encoded(self, batch: Batch) -> Iterator[Change]:
        for (owner, id), record in batch.records.items():
            try:
                yield (owner, id), self._codecs[owner.key.kind].encode(record) if record else None
            except ValueError:
                yield (owner, id), None  # AWS is asked again

    def _failed(self, error: Exception) -> None:
        why = str(error) if isinstance(error, StateError) else f"unexpected {type(error).__name__}"
        if self._failure is None:
            self._log.warning("state file not usable", file=self._path, why=why)
        self._failure = why

    def _succeeded(self) -> None:
        if self._failure is not None:
            self._log.info("state file usable again", file=self._path)
        self._failure = None

    def _begun_anew(self, why: str) -> None:
        self.epoch += 1
        self._log.warning("state file begun anew", file=self._path, why=why)

    def _tell_ignored(self, owner: CellId, found: Found) -> None:
        if found.damaged:
            why = f"{len(found.damaged)} of them are damaged"
        elif found.others and not found.bodies:
            why = "another version of the exporter wrote them"
        else:
            return
        facts = {"account": owner.key.account, "region": owner.key.region, "kind": owner.key.kind}
        self._log.warning("operations in the state file are read from AWS again", file=self._path, **facts, why=why)


def _key(id: str) -> bytes:
    """Return an id as the file has it; AWS may send text that is no Unicode."""
    return id.encode(errors="surrogatepass")
