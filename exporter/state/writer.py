"""One thread for a disk: it may hang, and nobody waits for it much longer than a disk should take."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from exporter.collector.result import NEVER
from exporter.state.file_check import StateError

T = TypeVar("T")

TURNS = 6
"""Who waits behind others does so for this many times the patience, as long as the thread gets on."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two writes, after one that failed, until a disk counts as hanging, and for the last write."""

    pause: float = 1.0
    retry: float = 10.0
    patience: float = 20.0
    shutdown_timeout: float = 5.0
    monotonic: Callable[[], float] = time.monotonic


class Disk:
    """Runs what touches the disk. ``write`` writes what is waiting, and tells whether it could; it raises nothing."""

    def __init__(self, write: Callable[[], bool], pace: Pace) -> None:
        self._write = write
        self._pace = pace
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._busy_since: float | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="state-file", daemon=True)

    @property
    def hangs(self) -> bool:
        """Whether nothing can be asked of it now."""
        since = self._busy_since
        is_late = since is not None and self._pace.monotonic() - since > self._pace.patience
        return is_late or not self._thread.is_alive()

    def start(self) -> None:
        """Begin with a write. Raises StateError."""
        try:
            self._thread.start()
        except RuntimeError:
            raise StateError("no thread is left") from None

    def wake(self) -> None:
        """Have what is waiting written soon."""
        if self._jobs.empty():  # each job is followed by a write, and who hangs must not collect reminders
            self._jobs.put(_nothing)

    async def run(self, function: Callable[[], T]) -> T:
        """Return what a function gives, which raises nothing, from the thread. Raises StateError where it hangs."""
        answer: Future[T] = Future()

        def job() -> None:
            if answer.set_running_or_notify_cancel():
                answer.set_result(function())

        self._jobs.put(job)
        waiting = asyncio.wrap_future(answer)
        try:
            for _ in range(TURNS):
                if self.hangs:
                    break
                done, _ = await asyncio.wait([waiting], timeout=self._pace.patience)
                if done:
                    return waiting.result()
        finally:
            waiting.cancel()
        raise StateError("it does not answer")

    def close(self) -> None:
        """Write what is waiting once more, and return when that is done or takes too long."""
        self._ended.set()
        self.wake()
        if self._thread.is_alive():
            self._thread.join(self._pace.shutdown_timeout)

    def _work(self) -> None:
        due, unwritten, ended = NEVER, True, False
        while not ended:
            job = self._next(max(0.0, due - self._pace.monotonic()) if unwritten else None)
            self._busy_since = self._pace.monotonic()
            job()
            unwritten, ended = True, self._ended.is_set()
            if ended or self._pace.monotonic() >= due:
                unwritten = not self._write()
                due = self._pace.monotonic() + (self._pace.retry if unwritten else self._pace.pause)
            self._busy_since = None

    def _next(self, wait: float | None) -> Callable[[], None]:
        try:
            return self._jobs.get(timeout=wait)
        except queue.Empty:
            return _nothing


def _nothing() -> None:
    """Wake the thread for what is waiting."""
