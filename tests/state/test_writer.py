"""A disk that is full, read-only, gone or hanging costs the exporter nothing but its memory of a restart."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from exporter.state.database import CellId, Changes, Database
from exporter.state.file_check import StateError
from exporter.state.state_file import StateFile
from exporter.state.writer import Writer, WriteTiming
from tests.state.test_restarts import config, described, ids, operation, scenario
from tests.support.exporter_server import ServedExporter, restartable_exporter
from tests.support.required_programs import program
from tests.support.state_files import open_state_file, records
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

USABLE = "aws_iot_bulk_exporter_state_file_usable"
RECORDS = records(200)


def is_usable(exporter: ServedExporter, expected: bool) -> None:
    """Wait until the gauge says so."""
    wait_until(lambda: f"{USABLE} {float(expected)}" in exporter.scrape(after=0.0) or None, "the gauge")


def mount(folder: Path, options: str) -> bool:
    """Mount a small file system in memory, or change it; tell whether this process may."""
    command = [program("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """Have a small file system in a folder."""
    if not mount(folder, "size=64k"):
        pytest.skip("mounting needs more rights")
    try:
        yield
    finally:
        subprocess.run([program("umount"), "--lazy", str(folder)], check=True)


def nowhere(folder: Path) -> Path:
    """A path in a folder that is not there."""
    return folder / "missing" / "state.db"


def directory(folder: Path) -> Path:
    """The path of a directory."""
    return folder


def pipe(folder: Path) -> Path:
    """The path of a pipe that nobody writes to."""
    os.mkfifo(folder / "state.db")
    return folder / "state.db"


@pytest.mark.parametrize(
    ("place", "why"),
    [(nowhere, "No such file or directory"), (directory, "is no regular file"), (pipe, "is no regular file")],
)
def test_where_no_file_can_be_the_exporter_serves_without(
    place: Callable[[Path], Path], why: str, tmp_path: Path
) -> None:
    with restartable_exporter(scenario(operation("over")), place(tmp_path)) as aws, aws.exporter(config()) as exporter:
        for _ in range(3):
            assert ids(exporter) == {"over"}
        is_usable(exporter, False)
        assert exporter.log.getvalue().count("state file not usable") == 1
        assert f'why="{why}"' in exporter.log.getvalue()


def test_on_a_read_only_disk_what_is_there_is_served(tmp_path: Path) -> None:
    with mounted(tmp_path), restartable_exporter(scenario(operation("over")), tmp_path / "state.db") as aws:
        with aws.exporter(config()) as exporter:
            assert ids(exporter) == {"over"}
        assert mount(tmp_path, "remount,ro")
        with aws.exporter(config()) as exporter:
            assert (described(aws.requests_of(exporter.scrape)), ids(exporter)) == ([], {"over"})
            is_usable(exporter, False)
            assert mount(tmp_path, "remount,rw")
            exporter.scrape()
            is_usable(exporter, True)


@contextmanager
def full_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A file system on which a few pages have room; give what makes more."""
    with mounted(folder):
        (folder / "ballast").write_bytes(bytes(16 * 1024))

        def make_room() -> None:
            assert mount(folder, "remount,size=1m")

        yield make_room


@contextmanager
def small_files(folder: Path) -> Iterator[Callable[[], None]]:
    """No file may become longer than a few pages; give what lifts that."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 * 1024, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("disk", [full_disk, small_files])
def test_when_the_disk_has_room_again_everything_is_written(disk: Callable[[Path], Any], tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk(folder) as make_room:
        with open_state_file(folder / "state.db") as state:
            state.put(records(1))
            wait_until(lambda: state.state_file.is_usable or None, "the first write")
            state.put(RECORDS)
            wait_until(lambda: not state.state_file.is_usable or None, "the failure")
            state.put({"task-00000": None})
            assert state.load().items() <= RECORDS.items()
            assert state.log.getvalue().count("state file not usable") == 1
            make_room()
            wait_until(lambda: state.state_file.is_usable or None, "the recovery")
        with open_state_file(folder / "state.db") as state:
            assert state.load().keys() == RECORDS.keys() - {"task-00000"}


def test_a_file_that_is_removed_meanwhile_is_begun_and_filled_again(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with restartable_exporter(scenario(operation("over"), operation("more")), file) as aws:
        with aws.exporter(config()) as exporter:
            exporter.scrape()
            wait_until(lambda: file.exists() or None, "the file")
            file.unlink()
            exporter.scrape()
            wait_until(lambda: file.exists() or None, "the file again")
            exporter.scrape()
            is_usable(exporter, True)
        with aws.exporter(config()) as exporter:
            assert (described(aws.requests_of(exporter.scrape)), ids(exporter)) == ([], {"over", "more"})


class HangingDatabase(Database):
    """A state file on a disk that hangs until it is released."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lambda why: None)
        self.is_hanging, self.is_released = threading.Event(), threading.Event()

    def write(self, owners: Iterable[CellId], changes: Changes, now: float) -> bytes:
        """Hang, and then write."""
        self.is_hanging.set()
        self.is_released.wait(TIMEOUT_SECONDS)
        return super().write(owners, changes, now)


def test_nobody_waits_long_for_a_disk_that_hangs(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    database, pace = (
        HangingDatabase(file),
        WriteTiming(pause=0.0, retry=0.0, timeout=0.05, shutdown_timeout=TIMEOUT_SECONDS),
    )

    def hang(state_file: StateFile) -> None:
        state_file._database = database

    with (
        restartable_exporter(scenario(operation("over")), file) as aws,
        aws.exporter(config(), "", pace, hang) as exporter,
    ):
        assert database.is_hanging.wait(TIMEOUT_SECONDS)
        for _ in range(2):
            assert ids(exporter) == {"over"}
        is_usable(exporter, False)
        assert exporter.log.getvalue().count("it does not answer") == 1
        database.is_released.set()
        is_usable(exporter, True)


def test_the_file_is_for_its_owner_alone_and_holds_no_secret(tmp_path: Path) -> None:
    role = "role_arn: arn:aws:iam::111122223333:role/SECRET-ROLE, external_id: SECRET-ID, session_name: SECRET-NAME"
    roles = 'roles: [{arn: "arn:aws:iam::111122223333:role/SECRET-ROLE", external_id: SECRET-ID}]\n'
    watch = config().replace('account_id: "111122223333"', role)
    message = operation("over").replace("items: 40", "items: 40, message: SECRET-MESSAGE")
    file, mask = tmp_path / "state.db", os.umask(0)
    try:
        with restartable_exporter(scenario(message, more=roles), file) as aws, aws.exporter(watch) as exporter:
            assert ids(exporter) == {"over"}
    finally:
        os.umask(mask)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    assert b'"id":"over"' in content
    assert b"SECRET" not in content
    assert b"testing" not in content
    assert [one.name for one in tmp_path.iterdir()] == ["state.db"]


def test_a_disk_that_hangs_answers_again_when_it_does(tmp_path: Path) -> None:
    released = threading.Event()
    disk = Writer(lambda: True, WriteTiming(timeout=0.05, shutdown_timeout=TIMEOUT_SECONDS))
    disk.start()
    with pytest.raises(StateError):
        asyncio.run(disk.run(lambda: released.wait(TIMEOUT_SECONDS)))
    assert disk.is_hanging
    released.set()
    wait_until(lambda: not disk.is_hanging or None, "the disk")
    assert asyncio.run(disk.run(lambda: 7)) == 7
    disk.close()
    assert disk.is_hanging


def test_a_disk_that_hangs_remembers_no_more_than_that_there_is_something_to_write() -> None:
    hangs, released, written = threading.Event(), threading.Event(), list[bool]()

    def write() -> bool:
        hangs.set()
        written.append(released.wait(TIMEOUT_SECONDS))
        return True

    disk = Writer(write, WriteTiming(pause=0.0, shutdown_timeout=TIMEOUT_SECONDS))
    disk.start()
    assert hangs.wait(TIMEOUT_SECONDS)
    for _ in range(1000):
        disk.wake()
    released.set()
    asyncio.run(disk.run(lambda: None))  # comes after everything that it was woken for
    assert len(written) <= 3
    disk.close()
