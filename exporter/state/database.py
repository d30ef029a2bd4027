"""The SQLite database in the state file. Each row has a checksum. Each access opens the file again."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from exporter.core.model import CellKey
from exporter.state.file_check import APPLICATION_ID, DamagedError, StateError, create_file, has_content, remove_file

# Increase it when tables change, or when the meaning of a field changes.
FORMAT = 1
BUSY_SECONDS = 2.0
# The rows of a cell are removed if no process has used them for this time.
KEPT_SECONDS = 30 * 86400.0

SETTINGS = ("trusted_schema=OFF", "cell_size_check=ON", "temp_store=MEMORY", "synchronous=FULL")
TABLES = (
    f"PRAGMA application_id={APPLICATION_ID}",
    f"PRAGMA user_version={FORMAT}",
    "CREATE TABLE file (instance BLOB NOT NULL)",
    "CREATE TABLE cell (number INTEGER PRIMARY KEY, name TEXT, form TEXT, used_at REAL, UNIQUE (name, form))",
    "CREATE TABLE operation (cell INTEGER, id BLOB, body BLOB, digest BLOB, PRIMARY KEY (cell, id)) WITHOUT ROWID",
)
# Once a day is enough. Most of the time nothing is written.
USE = (
    "INSERT INTO cell (name, form, used_at) VALUES (?, ?, ?)"
    " ON CONFLICT DO UPDATE SET used_at = excluded.used_at WHERE abs(used_at - excluded.used_at) > 86400"
)
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
DAMAGE_CODES = frozenset(
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
    """Identifies the rows of a cell: its key, the AWS account id, the options, and the form of the records."""

    key: CellKey
    account_id: str
    options: frozenset[str]
    form: str

    @property
    def name(self) -> str:
        """The name of the cell in the file. It does not depend on the form."""
        key = self.key
        return json.dumps([key.account, self.account_id, key.region, key.kind, sorted(self.options)])

    def digest(self, id: bytes, body: bytes) -> bytes:
        """Return the checksum of a row. It shows a changed bit, and a row that moved to another cell or id."""
        return blake2b(body, digest_size=16, key=blake2b(f"{self.name}{self.form}".encode() + id).digest()).digest()


@dataclass(slots=True)
class CellRows:
    """The bodies of a cell's rows by id, the ids of damaged rows, and the number of other forms of the cell."""

    bodies: dict[bytes, bytes] = field(default_factory=dict)
    damaged: list[bytes] = field(default_factory=list)
    other_forms: int = 0


# The new body of the row of a cell and an id, or None to remove the row.
Change = tuple[tuple[CellId, bytes], bytes | None]
Changes = Mapping[tuple[CellId, bytes], bytes | None]


class Database:
    """The rows of all cells. ``note_replaced`` gets the reason each time a new file replaces a damaged one."""

    def __init__(self, path: Path, note_replaced: Callable[[str], None]) -> None:
        self.path = path
        self._note_replaced = note_replaced
        self._damage = ""

    def read(self, cell: CellId) -> CellRows:
        """Return the rows of a cell, as far as the file can be read. Raises StateError."""
        rows = CellRows()
        try:
            if has_content(self.path):
                with self._connection() as connection:
                    _read(connection, cell, rows)
        except DamagedError as error:
            self._damage = str(error)
        return rows

    def write(self, used: Iterable[CellId], changes: Changes, now: float) -> bytes:
        """Write all changes in one transaction. The rows of ``used`` cells are in use at ``now``, in Unix seconds.

        Return the random name of the file's content, which is different in each new file. Raises StateError.
        """
        cells = {**dict.fromkeys(used), **{cell: None for cell, _ in changes}}
        try:
            return self._write(cells, changes, now)
        except DamagedError as error:
            remove_file(self.path)
            self._damage = ""
            self._note_replaced(str(error))
            return self._write(cells, changes, now)

    def _write(self, cells: Iterable[CellId], changes: Changes, now: float) -> bytes:
        if self._damage:
            raise DamagedError(self._damage)
        if not has_content(self.path):
            create_file(self.path)
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            instance = _instance(connection)
            numbers = {cell: _used_cell_number(connection, cell, now) for cell in cells}
            for statement in PURGE:
                connection.execute(statement, (now - KEPT_SECONDS,))
            new = ((cell, id, body) for (cell, id), body in changes.items() if body is not None)
            connection.executemany(PUT, ((numbers[cell], id, body, cell.digest(id, body)) for cell, id, body in new))
            connection.executemany(DROP, ((numbers[cell], id) for (cell, id), body in changes.items() if body is None))
            connection.execute("COMMIT")
        return instance

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yield a connection to the existing file. An uncommitted transaction is rolled back at the end."""
        uri = f"{self.path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
                connection.text_factory = bytes
                for setting in SETTINGS:
                    connection.execute(f"PRAGMA {setting}")
                yield connection
        except sqlite3.Error as error:
            raise _state_error(error) from None
        except UnicodeDecodeError:
            # SQLite quotes the damaged schema in an error message.
            raise DamagedError("the schema is damaged") from None


def _read(connection: sqlite3.Connection, cell: CellId, rows: CellRows) -> None:
    # The rows are added one by one, so that those before a damaged page are kept.
    if _number(connection, "PRAGMA user_version") != FORMAT:
        return
    for id, body, digest in connection.execute(ROWS, (cell.name, cell.form)):
        if isinstance(id, bytes) and isinstance(body, bytes) and cell.digest(id, body) == digest:
            rows.bodies[id] = body
        elif isinstance(id, bytes):
            rows.damaged.append(id)
    rows.other_forms = _number(connection, OTHER_FORMS, cell.name, cell.form)


def _instance(connection: sqlite3.Connection) -> bytes:
    """Return the random name of the file's content; create the tables in a new file. Raises DamagedError."""
    version = _number(connection, "PRAGMA user_version")
    if version == 0 and not _number(connection, "SELECT count(*) FROM sqlite_schema"):
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("INSERT INTO file VALUES (?)", (secrets.token_bytes(16),))
    elif version != FORMAT:
        raise DamagedError("another version of the exporter wrote the file")
    row = connection.execute("SELECT instance FROM file").fetchone()
    if row is None or not isinstance(row[0], bytes):
        raise DamagedError("the first table is damaged")
    return row[0]


def _used_cell_number(connection: sqlite3.Connection, cell: CellId, now: float) -> int:
    """Note that a cell's rows are in use, and return the cell's number in the file."""
    connection.execute(USE, (cell.name, cell.form, now))
    return _number(connection, NUMBER, cell.name, cell.form)


def _number(connection: sqlite3.Connection, query: str, *values: str) -> int:
    row = connection.execute(query, values).fetchone()
    if row is None or not isinstance(row[0], int):
        raise DamagedError("a number is damaged")
    return row[0]


def _state_error(error: sqlite3.Error) -> StateError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return DamagedError(str(error)) if code in DAMAGE_CODES else StateError(str(error))
