"""The exporter works without its state file if the disk is full, read-only, missing or hanging."""

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
from tests.support.repository import program
from tests.support.state_files import open_state_file, records
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

USABLE = "aws_iot_bulk_exporter_state_file_usable"
RECORDS = records(200)


def wait_for_usable(exporter: ServedExporter, expected: bool) -> None:
    """Wait until the gauge has this value."""
    wait_until(lambda: f"{USABLE} {float(expected)}" in exporter.scrape(after=0.0) or None, "the gauge")


def mount(folder: Path, options: str) -> bool:
    """Mount a small file system in memory, or change it. Return whether this process is permitted to."""
    command = [program("mount"), "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def mounted_folder(folder: Path) -> Iterator[None]:
    """Mount a small file system on a folder."""
    if not mount(folder, "size=64k"):
        pytest.skip("mounting needs more privileges")
    try:
        yield
    finally:
        subprocess.run([program("umount"), "--lazy", str(folder)], check=True)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/state.db", "No such file or directory; create the folder, or use another path"),
        (".", "not a regular file; use another path"),
        ("pipe", "not a regular file; use another path"),
    ],
)
def test_the_exporter_works_without_a_file_if_none_can_be_created(path: str, reason: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with restartable_exporter(scenario(operation("over")), tmp_path / path) as aws, aws.exporter(config()) as exporter:
        for _ in range(3):
            assert ids(exporter) == {"over"}
        wait_for_usable(exporter, False)
        assert exporter.log.getvalue().count("state file not usable") == 1
        assert f'reason="{reason}"' in exporter.log.getvalue()


def test_records_on_a_read_only_disk_are_served(tmp_path: Path) -> None:
    with mounted_folder(tmp_path), restartable_exporter(scenario(operation("over")), tmp_path / "state.db") as aws:
        with aws.exporter(config()) as exporter:
            assert ids(exporter) == {"over"}
        assert mount(tmp_path, "remount,ro")
        with aws.exporter(config()) as exporter:
            assert (described(aws.requests_of(exporter.scrape)), ids(exporter)) == ([], {"over"})
            wait_for_usable(exporter, False)
            assert mount(tmp_path, "remount,rw")
            exporter.scrape()
            wait_for_usable(exporter, True)


@contextmanager
def full_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """Mount a file system for a few pages, and yield a function that enlarges it."""
    with mounted_folder(folder):
        (folder / "ballast").write_bytes(bytes(16 * 1024))

        def enlarge() -> None:
            assert mount(folder, "remount,size=1m")

        yield enlarge


@contextmanager
def small_files(folder: Path) -> Iterator[Callable[[], None]]:
    """Limit the size of files to a few pages, and yield a function that removes the limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 * 1024, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("disk", [full_disk, small_files])
def test_everything_is_written_when_the_disk_has_space_again(disk: Callable[[Path], Any], tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    with disk(folder) as enlarge:
        with open_state_file(folder / "state.db") as state:
            state.put(records(1))
            wait_until(lambda: state.state_file.is_usable or None, "the first write")
            state.put(RECORDS)
            wait_until(lambda: not state.state_file.is_usable or None, "the failure")
            state.put({"task-00000": None})
            assert state.load().items() <= RECORDS.items()
            assert state.log.getvalue().count("state file not usable") == 1
            enlarge()
            wait_until(lambda: state.state_file.is_usable or None, "the recovery")
        with open_state_file(folder / "state.db") as state:
            assert state.load().keys() == RECORDS.keys() - {"task-00000"}


def test_a_removed_file_is_created_and_filled_again(tmp_path: Path) -> None:
    file = tmp_path / "state.db"

    def has_both_records() -> bool:
        return file.exists() and all(id in file.read_bytes() for id in (b'"id":"over"', b'"id":"more"'))

    with restartable_exporter(scenario(operation("over"), operation("more")), file) as aws:
        with aws.exporter(config()) as exporter:
            exporter.scrape()
            wait_until(lambda: file.exists() or None, "the file")
            file.unlink()
            wait_until(lambda: (exporter.scrape() and has_both_records()) or None, "both records")
            wait_for_usable(exporter, True)
        with aws.exporter(config()) as exporter:
            assert (described(aws.requests_of(exporter.scrape)), ids(exporter)) == ([], {"over", "more"})


class HangingDatabase(Database):
    """A database on a disk that hangs until it is released."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, lambda reason: None)
        self.is_hanging, self.is_released = threading.Event(), threading.Event()

    def write(self, used: Iterable[CellId], changes: Changes, now: float) -> bytes:
        """Hang, and then write."""
        self.is_hanging.set()
        self.is_released.wait(TIMEOUT_SECONDS)
        return super().write(used, changes, now)


def test_scrapes_do_not_wait_long_for_a_disk_that_hangs(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    database = HangingDatabase(file)
    pace = WriteTiming(pause=0.0, retry=0.0, timeout=0.05, shutdown_timeout=TIMEOUT_SECONDS)

    def hang(state_file: StateFile) -> None:
        state_file._database = database

    with (
        restartable_exporter(scenario(operation("over")), file) as aws,
        aws.exporter(config(), "", pace, hang) as exporter,
    ):
        assert database.is_hanging.wait(TIMEOUT_SECONDS)
        for _ in range(2):
            assert ids(exporter) == {"over"}
        wait_for_usable(exporter, False)
        assert exporter.log.getvalue().count("the disk does not respond") == 1
        database.is_released.set()
        wait_for_usable(exporter, True)


def test_the_file_is_readable_only_by_its_owner_and_contains_no_secret(tmp_path: Path) -> None:
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
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"]


def test_a_writer_is_usable_again_when_the_disk_responds(tmp_path: Path) -> None:
    released = threading.Event()
    writer = Writer(lambda: True, WriteTiming(timeout=1.0, shutdown_timeout=TIMEOUT_SECONDS))
    writer.start()
    with pytest.raises(StateError):
        asyncio.run(writer.run(lambda: released.wait(TIMEOUT_SECONDS)))
    assert writer.is_hanging
    released.set()
    wait_until(lambda: not writer.is_hanging or None, "the disk")
    assert asyncio.run(writer.run(lambda: 7)) == 7
    writer.close()
    assert writer.is_hanging


def test_a_hanging_writer_collects_no_jobs() -> None:
    hangs, released, written = threading.Event(), threading.Event(), list[bool]()

    def write() -> bool:
        hangs.set()
        written.append(released.wait(TIMEOUT_SECONDS))
        return True

    writer = Writer(write, WriteTiming(pause=0.0, shutdown_timeout=TIMEOUT_SECONDS))
    writer.start()
    assert hangs.wait(TIMEOUT_SECONDS)
    for _ in range(1000):
        writer.wake()
    released.set()
    # This job runs after every wake-up.
    asyncio.run(writer.run(lambda: None))
    assert len(written) <= 3
    writer.close()
