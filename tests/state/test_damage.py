"""Damaged records are left out, valid records are kept, and a file of another program is never changed."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import make_dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.core.model import Operation
from exporter.kinds.thing_registration_task import KIND
from exporter.state.codec import Codec
from exporter.state.database import FORMAT, KEPT_SECONDS
from tests.support.clocks import ManualClock
from tests.support.state_files import open_state_file, records

RECORDS = records(120)


def change(file: Path, *statements: str, **values: str | bytes) -> None:
    """Change a state file with SQL while no exporter uses it."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement, values)


@pytest.fixture(scope="module")
def valid_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state file with all records, which tests must not change."""
    file = tmp_path_factory.mktemp("valid") / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
    return file


@pytest.fixture
def file(valid_file: Path, tmp_path: Path) -> Path:
    """Return a state file with all records."""
    return Path(shutil.copy(valid_file, tmp_path))


def test_every_record_is_restored_unchanged(file: Path) -> None:
    with open_state_file(file) as state:
        assert state.load() == RECORDS
        assert state.load("444455556666") == {}
        state.put({"task-00000": None})
    with open_state_file(file) as state:
        assert state.load().keys() == RECORDS.keys() - {"task-00000"}
        assert state.state_file.is_usable
    assert state.log.getvalue() == ""


def damage(content: bytes, random: Random) -> bytes:
    """Return a content with changed bits, sometimes with a hole, and sometimes truncated."""
    changed = bytearray(content)
    for _ in range(random.choice((1, 3, 30))):
        changed[random.randrange(len(changed))] ^= random.randrange(1, 256)
    if random.random() < 0.3:
        start = random.randrange(len(changed))
        changed[start : start + 3000] = bytes(len(changed[start : start + 3000]))
    if random.random() < 0.3:
        del changed[random.randrange(len(changed)) :]
    return bytes(changed)


@settings(max_examples=100, deadline=None)
@given(random=st.randoms(use_true_random=True))
def test_no_damage_is_fatal_or_changes_a_record(
    valid_file: Path, tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    file = tmp_path_factory.mktemp("damaged") / "state.db"
    file.write_bytes(damage(valid_file.read_bytes(), random))
    with open_state_file(file) as state:
        assert state.load().items() <= RECORDS.items()
        state.put(RECORDS)
    assert "unexpected" not in state.log.getvalue()
    with open_state_file(file) as state:
        assert state.load().items() <= RECORDS.items()
    assert "unexpected" not in state.log.getvalue()


def test_a_damaged_row_affects_only_that_row_and_is_reported(file: Path) -> None:
    update = "UPDATE operation SET body = replace(body, '\"failed\":5', '\"failed\":0') WHERE id = :id"
    change(file, update, id=b"task-00005")
    with open_state_file(file) as state:
        assert state.load().items() == RECORDS.items() - {("task-00005", RECORDS["task-00005"])}
        assert state.state_file.is_usable
    assert state.log.getvalue().count("damaged records: 1") == 1
    with open_state_file(file) as state:
        assert len(state.load()) == len(RECORDS) - 1
    assert state.log.getvalue() == ""


def test_a_row_that_moved_to_another_cell_is_not_read(file: Path) -> None:
    with open_state_file(file) as state:
        state.put({"other": next(iter(RECORDS.values()))}, "444455556666")
    change(file, "UPDATE cell SET number = number + 10", "UPDATE operation SET cell = 12 WHERE cell = 1")
    with open_state_file(file) as state:
        assert state.load("444455556666") == {}


@pytest.mark.parametrize("version", [0, FORMAT + 1, FORMAT + 1000])
def test_the_file_of_another_version_is_reported_and_replaced(version: int, file: Path) -> None:
    change(file, f"PRAGMA user_version={version}", "CREATE TABLE later (a)")
    with open_state_file(file) as state:
        assert state.load() == {}
        state.put(RECORDS)
    assert state.log.getvalue().count("\n") == 1
    assert 'msg="state file replaced by a new one"' in state.log.getvalue()
    assert f"file={file} " in state.log.getvalue()
    with open_state_file(file) as state:
        assert state.load() == RECORDS


def test_the_epoch_changes_when_a_damaged_file_is_replaced_after_a_read(file: Path) -> None:
    change(file, "DROP TABLE file")
    with open_state_file(file, start=False) as state:
        before = state.state_file.epoch
        assert state.state_file._read(state.cell_id("111122223333"))
        assert state.state_file._write()
        assert state.state_file.epoch > before


def test_records_in_the_form_of_another_version_are_reported_and_left_out_and_kept(file: Path) -> None:
    with open_state_file(file) as state:
        form = state.state_file.form("thing_registration_task")
    change(file, "UPDATE cell SET form = 'another'")
    with open_state_file(file) as state:
        assert state.load() == {}
        state.put(records(1))
    assert state.log.getvalue().count("records written by another version of the exporter") == 1
    with open_state_file(file) as state:
        assert state.load() == records(1)
    assert state.log.getvalue() == ""
    change(file, "DELETE FROM cell WHERE form <> 'another'", "UPDATE cell SET form = :form", form=form)
    with open_state_file(file) as state:
        assert state.load() == RECORDS


def form_of_records_in(module: str) -> str:
    """Return the form of the records of a kind whose classes are in a module."""
    inside = {"__module__": module}
    part: Any = make_dataclass("Part", [("count", int)], namespace=inside)
    fields = [("part", part | None), ("parts", tuple[part, ...])]
    operation = make_dataclass("Other", fields, bases=(Operation,), frozen=True, kw_only=True, namespace=inside)
    return Codec(replace(KIND, operation=operation)).form


def test_records_keep_their_form_when_a_module_moves() -> None:
    assert form_of_records_in("exporter.kinds.part") == form_of_records_in("elsewhere") != Codec(KIND).form


def test_a_row_that_cannot_be_decoded_is_left_out(file: Path) -> None:
    id, body = b"task-00001", b'{"operation": {}}'
    with open_state_file(file) as state:
        digest = state.cell_id("111122223333").digest(id, body)
    update = "UPDATE operation SET body = :body, digest = :digest WHERE id = :id"
    change(file, update, id=id, body=body, digest=digest)
    with open_state_file(file) as state:
        assert state.load().keys() == RECORDS.keys() - {"task-00001"}
    assert state.log.getvalue().count("damaged records: 1") == 1


@pytest.mark.parametrize("fields", [{"id": "\ud800"}, {"name": "\ud800"}, {"name": 7}, {"succeeded": "7"}])
def test_a_record_that_could_not_be_decoded_again_is_not_written(fields: dict[str, Any], tmp_path: Path) -> None:
    invalid = replace(RECORDS["task-00001"], operation=replace(RECORDS["task-00001"].operation, **fields))
    with open_state_file(tmp_path / "state.db") as state:
        state.put({invalid.operation.id: invalid, **records(1)})
    with open_state_file(tmp_path / "state.db") as state:
        assert state.load() == records(1)
        state.put({invalid.operation.id: None})
    assert state.log.getvalue() == ""


def test_records_that_were_not_used_for_a_month_are_removed(tmp_path: Path) -> None:
    file, clock = tmp_path / "state.db", ManualClock()
    with open_state_file(file, clock) as state:
        state.put(RECORDS, "444455556666")
        state.put(RECORDS)
    clock.advance(KEPT_SECONDS - 3600)
    with open_state_file(file, clock) as state:
        state.state_file.check(state.cell_id("111122223333"))
    clock.advance(7200)
    with open_state_file(file, clock) as state:
        assert state.load() == RECORDS
        assert state.load("444455556666") == {}


@pytest.mark.parametrize(
    "content",
    [b"x", b"accounts: []\n", b"{" * 50, b"SQLite format 3\0", bytes(4096), b"a: 1\n" * 5000, None],
    ids=["one letter", "a configuration", "short", "only the magic", "zeros", "long", "another database"],
)
def test_a_file_of_another_program_is_reported_and_never_changed(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    if content is None:
        change(file, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES ('precious')")
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    with open_state_file(file) as state:
        assert state.load() == {}
        state.put(RECORDS)
        state.state_file.close()
        assert not state.state_file.is_usable
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state.db"]
    assert state.log.getvalue().count("\n") == 1
    assert "not a state file of this exporter: use another path, or remove the file" in state.log.getvalue()
