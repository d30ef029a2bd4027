"""The state file: SQLite, a checksum for each row, opened for each use, so that whatever becomes of it is noticed."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from exporter.core.model import CellKey
from exporter.state.file_check import APPLICATION, DamagedError, StateError, has_content, make, remove

FORMAT = 1
"""Raised when tables change, or when what a kind reads comes to mean something else."""
BUSY_SECONDS = 2.0
KEPT_SECONDS = 30 * 86400.0
"""Rows of a cell that no process has had for so long are removed."""

SETTINGS = ("trusted_schema=OFF", "cell_size_check=ON", "temp_store=MEMORY", "synchronous=FULL")
TABLES = (
    f"PRAGMA application_id={APPLICATION}",
    f"PRAGMA user_version={FORMAT}",
    "CREATE TABLE file (instance BLOB NOT NULL)",
    "CREATE TABLE cell (number INTEGER PRIMARY KEY, name TEXT, form TEXT, used_at REAL, UNIQUE (name, form))",
    "CREATE TABLE operation (cell INTEGER, id BLOB, body BLOB, digest BLOB, PRIMARY KEY (cell, id)) WITHOUT ROWID",
)
USE = (
    "INSERT INTO cell (name, form, used_at) VALUES (?, ?, ?)"
    " ON CONFLICT DO UPDATE SET used_at = excluded.used_at WHERE abs(used_at - excluded.used_at) > 86400"
)
"""Once a day is enough: most of the time nothing is written."""
NUMBER = "SELECT number FROM cell WHERE name = ? AND form = ?"
OTHER_FORMS = "SELECT count(*) FROM cell WHERE name = ? AND form <> ?"
ROWS = "SELECT id, body, digest FROM operation WHERE cell = (SELECT number FROM cell WHERE name = ? AND form = ?)"
PUT = (
    "INSERT INTO operation VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, digest = excluded.digest"
)
DROP = "DELETE FROM operation WHERE cell = ? AND id = ?"
PURGE = (
    "DELETE FROM operation WHERE cell IN (SELECT number FROM cell WHERE used_at < ?)",
    "DELETE FROM cell WHERE used_at < ?",
)
DAMAGES = frozenset(
    {
        sqlite3.SQLITE_ERROR,  # a table or a column is missing
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_CONSTRAINT,
        sqlite3.SQLITE_MISMATCH,
    }
)


@dataclass(frozen=True, slots=True)
class CellId:
    """Whose rows they are: a cell in the account of this number, read with the same options, written in one form."""

    key: CellKey
    account_id: str
    options: frozenset[str]
    form: str

    @property
    def name(self) -> str:
        """The cell's name in the file, whatever the form."""
        key = self.key
        return json.dumps([key.account, self.account_id, key.region, key.kind, sorted(self.options)])

    def digest(self, id: bytes, body: bytes) -> bytes:
        """Return the checksum of a row: a bit that turns in the row, or puts it elsewhere, shows."""
        return blake2b(body, digest_size=16, key=blake2b(f"{self.name}{self.form}".encode() + id).digest()).digest()


@dataclass(slots=True)
class Found:
    """Bodies of an owner's rows by id, ids of those that are damaged, and how many other forms of it there are."""

    bodies: dict[bytes, bytes] = field(default_factory=dict)
    damaged: list[bytes] = field(default_factory=list)
    others: int = 0


Change = tuple[tuple[CellId, bytes], bytes | None]
"""The new body of an owner's row of this id, None where there is none any more."""
Changes = Mapping[tuple[CellId, bytes], bytes | None]


class Database:
    """The rows of all cells. ``tell`` gets the reason each time the file is begun anew."""

    def __init__(self, path: Path, tell: Callable[[str], None]) -> None:
        self.path = path
        self._tell = tell
        self._damage = ""

    def read(self, owner: CellId) -> Found:
        """Return what is there of an owner, as far as the file can be read. Raises StateError."""
        found = Found()
        try:
            if has_content(self.path):
                with self._connected() as connection:
                    _read(connection, owner, found)
        except DamagedError as error:
            self._damage = str(error)
        return found

    def write(self, owners: Iterable[CellId], changes: Changes, now: float) -> bytes:
        """Write everything or nothing, at a time in Unix seconds; ``owners`` are those that are in use.

        Return the name of the file's content, another one each time it was begun anew. Raises StateError.
        """
        everyone = {**dict.fromkeys(owners), **{owner: None for owner, _ in changes}}
        try:
            return self._write(everyone, changes, now)
        except DamagedError as error:
            remove(self.path)
            self._damage = ""
            self._tell(str(error))
            return self._write(everyone, changes, now)

    def _write(self, owners: Iterable[CellId], changes: Changes, now: float) -> bytes:
        if self._damage:
            raise DamagedError(self._damage)
        if not has_content(self.path):
            make(self.path)
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            instance = _begun(connection)
            numbers = {owner: _used(connection, owner, now) for owner in owners}
            for statement in PURGE:
                connection.execute(statement, (now - KEPT_SECONDS,))
            connection.executemany(PUT, _rows(changes, numbers))
            gone = ((numbers[owner], id) for (owner, id), body in changes.items() if body is None)
            connection.executemany(DROP, gone)
            connection.execute("COMMIT")
        return instance

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to the file that is there; what is not committed when it is closed has not been."""
        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                connection.text_factory = bytes
                for setting in SETTINGS:
                    connection.execute(f"PRAGMA {setting}")
                yield connection
        except sqlite3.Error as error:
            raise _translated(error) from None
        except UnicodeDecodeError:
            raise DamagedError("its schema is damaged") from None  # SQLite quotes it in an error


def _read(connection: sqlite3.Connection, owner: CellId, found: Found) -> None:
    """Add what is there row by row, so that what comes before a damage is kept."""
    if _number(connection, "PRAGMA user_version") != FORMAT:
        return
    for id, body, digest in connection.execute(ROWS, (owner.name, owner.form)):
        if isinstance(id, bytes) and isinstance(body, bytes) and owner.digest(id, body) == digest:
            found.bodies[id] = body
        elif isinstance(id, bytes):
            found.damaged.append(id)
    found.others = _number(connection, OTHER_FORMS, owner.name, owner.form)


def _begun(connection: sqlite3.Connection) -> bytes:
    """Return the name of the content, which begins here if there is none. Raises DamagedError."""
    version = _number(connection, "PRAGMA user_version")
    if version == 0 and not _number(connection, "SELECT count(*) FROM sqlite_schema"):
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO file VALUES (?)", (secrets.token_bytes(16),))
    elif version != FORMAT:
        raise DamagedError("another version of the exporter wrote it")
    row = connection.execute("SELECT instance FROM file").fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise DamagedError("its beginning is damaged")
    return row[0]


def _used(connection: sqlite3.Connection, owner: CellId, now: float) -> int:
    """Note that an owner's rows are in use; return its number in the file."""
    connection.execute(USE, (owner.name, owner.form, now))
    return _number(connection, NUMBER, owner.name, owner.form)


def _number(connection: sqlite3.Connection, query: str, *values: str) -> int:
    row = connection.execute(query, values).fetchone()
    if row is None or not isinstance(row[0], int):
        raise DamagedError("a number in it is damaged")
    return row[0]


def _rows(changes: Changes, numbers: Mapping[CellId, int]) -> Iterator[tuple[int, bytes, bytes, bytes]]:
    for (owner, id), body in changes.items():
        if body is not None:
            yield numbers[owner], id, body, owner.digest(id, body)


def _translated(error: sqlite3.Error) -> StateError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return DamagedError(str(error)) if code in DAMAGES else StateError(str(error))
