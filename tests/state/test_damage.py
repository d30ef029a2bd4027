"""Whatever is in the file: what is wrong is left out, what is right is kept, and what is not ours stays untouched."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.state.database import FORMAT, KEPT_SECONDS
from tests.support.clocks import ManualClock
from tests.support.state_files import open_state_file, records

RECORDS = records(120)


def changed(file: Path, *statements: str, **values: str | bytes) -> None:
    """Change a state file behind the exporter's back."""
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement, values)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound state file."""
    file = tmp_path_factory.mktemp("sound") / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
    return file


def test_every_record_comes_back_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
    with open_state_file(file) as state:
        assert state.load() == RECORDS
        assert state.load("444455556666") == {}
        state.put({"task-00000": None})
    with open_state_file(file) as state:
        assert state.load().keys() == RECORDS.keys() - {"task-00000"}
        assert state.state_file.is_usable
    assert state.log.getvalue() == ""


def damaged(content: bytes, random: Random) -> bytes:
    """Return a content with bits turned anywhere, and now and then a hole in it, or its end cut off."""
    found = bytearray(content)
    for _ in range(random.choice((1, 3, 30))):
        found[random.randrange(len(found))] ^= random.randrange(1, 256)
    if random.random() < 0.3:
        start = random.randrange(len(found))
        found[start : start + 3000] = bytes(len(found[start : start + 3000]))
    if random.random() < 0.3:
        del found[random.randrange(len(found)) :]
    return bytes(found)


@settings(max_examples=100, deadline=None)
@given(random=st.randoms(use_true_random=True))
def test_no_damage_is_fatal_or_makes_a_wrong_row(
    sound: Path, tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    file = tmp_path_factory.mktemp("damaged") / "state.db"
    file.write_bytes(damaged(sound.read_bytes(), random))
    with open_state_file(file) as state:
        assert state.load().items() <= RECORDS.items()
        state.put(RECORDS)
    assert "unexpected" not in state.log.getvalue()
    with open_state_file(file) as state:
        assert state.load().items() <= RECORDS.items()
    assert "unexpected" not in state.log.getvalue()


def test_a_damaged_row_costs_that_row_alone_and_is_told(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
    changed(
        file,
        "UPDATE operation SET body = replace(body, '\"failed\":5', '\"failed\":0') WHERE id = X'7461736b2d3030303035'",
    )
    with open_state_file(file) as state:
        assert state.load().items() == RECORDS.items() - {("task-00005", RECORDS["task-00005"])}
        assert state.state_file.is_usable
    assert state.log.getvalue().count("are damaged") == 1
    with open_state_file(file) as state:
        assert len(state.load()) == len(RECORDS) - 1
    assert state.log.getvalue() == ""


def test_a_row_of_one_cell_is_none_of_another(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
        state.put({"other": next(iter(RECORDS.values()))}, "444455556666")
    changed(file, "UPDATE cell SET number = number + 10", "UPDATE operation SET cell = 12 WHERE cell = 1")
    with open_state_file(file) as state:
        assert state.load("444455556666") == {}


@pytest.mark.parametrize("version", [0, FORMAT + 1, FORMAT + 1000])
def test_the_file_of_another_version_is_told_and_begun_anew(version: int, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
    changed(file, f"PRAGMA user_version={version}", "CREATE TABLE tomorrow (a)")
    with open_state_file(file) as state:
        assert state.load() == {}
        state.put(RECORDS)
    assert state.log.getvalue().count("\n") == 1
    assert 'msg="state file begun anew"' in state.log.getvalue()
    assert f"file={file} " in state.log.getvalue()
    with open_state_file(file) as state:
        assert state.load() == RECORDS


def test_what_was_read_of_a_file_that_is_then_begun_anew_is_put_again(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
    changed(file, "DROP TABLE file")
    with open_state_file(file, start=False) as state:
        before = state.state_file.epoch
        assert state.state_file._read(state.cell_id("111122223333"))
        assert state.state_file._write()
        assert state.state_file.epoch > before


def test_records_that_another_version_wrote_in_its_form_are_told_left_out_and_kept_for_it(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with open_state_file(file) as state:
        state.put(RECORDS)
        form = state.state_file.form("thing_registration_task")
    changed(file, "UPDATE cell SET form = 'another'")
    with open_state_file(file) as state:
        assert state.load() == {}
        state.put(records(1))
    assert state.log.getvalue().count("another version of the exporter wrote them") == 1
    with open_state_file(file) as state:
        assert state.load() == records(1)
    assert state.log.getvalue() == ""
    changed(file, "DELETE FROM cell WHERE form <> 'another'", "UPDATE cell SET form = :form", form=form)
    with open_state_file(file) as state:
        assert state.load() == RECORDS


def test_a_row_that_no_record_can_be_made_of_is_left_out(tmp_path: Path) -> None:
    file, id, body = tmp_path / "state.db", b"task-00001", b'{"operation": {}}'
    with open_state_file(file) as state:
        state.put(RECORDS)
        digest = state.cell_id("111122223333").digest(id, body)
    update = "UPDATE operation SET body = :body, digest = :digest WHERE id = :id"
    changed(file, update, id=id, body=body, digest=digest)
    with open_state_file(file) as state:
        assert state.load().keys() == RECORDS.keys() - {"task-00001"}
    assert state.log.getvalue().count("are damaged") == 1


@pytest.mark.parametrize("fields", [{"id": "\ud800"}, {"name": "\ud800"}, {"name": 7}, {"succeeded": "7"}])
def test_what_could_not_be_read_again_is_not_written_and_troubles_nobody(
    fields: dict[str, Any], tmp_path: Path
) -> None:
    odd = replace(RECORDS["task-00001"], operation=replace(RECORDS["task-00001"].operation, **fields))
    with open_state_file(tmp_path / "state.db") as state:
        state.put({odd.operation.id: odd, **records(1)})
    with open_state_file(tmp_path / "state.db") as state:
        assert state.load() == records(1)
        state.put({odd.operation.id: None})
    assert state.log.getvalue() == ""


def test_what_nobody_used_for_a_month_is_removed(tmp_path: Path) -> None:
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


def another_database(file: Path) -> bytes:
    """Return the content of somebody else's SQLite database."""
    changed(file, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES ('precious')")
    return file.read_bytes()


@pytest.mark.parametrize(
    "content",
    [b"x", b"accounts: []\n", b"{" * 50, b"SQLite format 3\0", bytes(4096), b"a: 1\n" * 5000, None],
    ids=["a letter", "a configuration", "short", "a beginning", "zeros", "long", "another database"],
)
def test_a_file_that_is_not_ours_is_told_and_never_touched(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    content = another_database(file) if content is None else content
    file.write_bytes(content)
    with open_state_file(file) as state:
        assert state.load() == {}
        state.put(RECORDS)
        state.state_file.close()
        assert not state.state_file.is_usable
    assert file.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["state.db"]
    assert state.log.getvalue().count("\n") == 1
    assert "is no state file: name another path, or remove it" in state.log.getvalue()
