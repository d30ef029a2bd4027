"""One thread for all access to the disk, and the changes that wait for it. No caller waits long for a hanging disk."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from exporter.core.clock import NEVER
from exporter.core.model import Operation
from exporter.state.codec import Record
from exporter.state.database import CellId
from exporter.state.file_check import StateError

T = TypeVar("T")

# A caller behind other callers waits for this many time-outs, as long as the thread makes progress.
MAX_TIMEOUTS = 6


@dataclass(frozen=True, slots=True)
class WriteTiming:
    """Seconds between two writes, until a retry, until a job counts as hanging, and for the write at shutdown."""

    pause: float = 1.0
    retry: float = 10.0
    timeout: float = 20.0
    shutdown_timeout: float = 5.0
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """Records by cell and operation id, None for a record to remove, and the cells whose records are in use."""

    records: dict[tuple[CellId, bytes], Record[Operation] | None] = field(default_factory=dict)
    used: dict[CellId, None] = field(default_factory=dict)


class WriteQueue:
    """Passes changes from one thread to another. It keeps only the newest value for each record."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batch = WriteBatch()

    def put(self, cell: CellId, id: bytes, record: Record[Operation] | None) -> None:
        """Add a record, or None to remove it."""
        with self._lock:
            self._batch.records[cell, id] = record

    def mark_used(self, cell: CellId, damaged: Iterable[bytes] = ()) -> None:
        """Note that a cell's records are in use, and remove the damaged ones unless they have a new value."""
        with self._lock:
            self._batch.used[cell] = None
            for id in damaged:
                self._batch.records.setdefault((cell, id), None)

    def take(self) -> WriteBatch:
        """Return all changes and remove them from the queue."""
        with self._lock:
            taken, self._batch = self._batch, WriteBatch()
        return taken

    def put_back(self, batch: WriteBatch) -> None:
        """Add changes that could not be written, unless there is a newer value."""
        with self._lock:
            newer = self._batch
            self._batch = WriteBatch({**batch.records, **newer.records}, {**batch.used, **newer.used})


class Writer:
    """Runs jobs in its thread. After a job it calls ``write``, which writes what is queued and returns its success.

    Neither a job nor ``write`` raises anything.
    """

    def __init__(self, write: Callable[[], bool], timing: WriteTiming) -> None:
        self._write = write
        self._timing = timing
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._busy_since: float | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, name="state-file", daemon=True)

    @property
    def is_hanging(self) -> bool:
        """Whether the thread can run no job now."""
        since = self._busy_since
        is_late = since is not None and self._timing.monotonic() - since > self._timing.timeout
        return is_late or not self._thread.is_alive()

    def start(self) -> None:
        """Start the thread with a first write. Raises StateError."""
        try:
            self._thread.start()
        except RuntimeError:
            raise StateError("cannot start a thread") from None

    def wake(self) -> None:
        """Have the queued changes written soon."""
        # A write follows each job, so one job is enough. A hanging disk would otherwise collect jobs without limit.
        if self._jobs.empty():
            self._jobs.put(_no_job)

    async def run(self, function: Callable[[], T]) -> T:
        """Run a function in the thread and return its result. Raises StateError if the disk hangs."""
        future: Future[T] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(function())

        self._jobs.put(job)
        result = asyncio.wrap_future(future)
        try:
            for _ in range(MAX_TIMEOUTS):
                if self.is_hanging:
                    break
                done, _ = await asyncio.wait([result], timeout=self._timing.timeout)
                if done:
                    return result.result()
        finally:
            result.cancel()
        raise StateError("the disk does not respond")

    def close(self) -> None:
        """Write the queued changes, and return when that is done or takes too long."""
        self._closed.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(self._timing.shutdown_timeout)

    def _work(self) -> None:
        due, has_changes, closed = NEVER, True, False
        while not closed:
            job = self._next_job(max(0.0, due - self._timing.monotonic()) if has_changes else None)
            self._busy_since = self._timing.monotonic()
            job()
            has_changes, closed = True, self._closed.is_set()
            if closed or self._timing.monotonic() >= due:
                has_changes = not self._write()
                due = self._timing.monotonic() + (self._timing.retry if has_changes else self._timing.pause)
            self._busy_since = None

    def _next_job(self, max_wait: float | None) -> Callable[[], None]:
        try:
            return self._jobs.get(timeout=max_wait)
        except queue.Empty:
            return _no_job


def _no_job() -> None:
    """Do nothing: the write that follows is the purpose."""
