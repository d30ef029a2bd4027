"""A finished operation as it is written down: JSON, read again only where every type fits to the letter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter

from exporter.core.model import Operation
from exporter.kinds.kind import Kind
from exporter.kinds.response import Tags

T_co = TypeVar("T_co", bound=Operation, covariant=True)


@dataclass(frozen=True, slots=True)
class Record(Generic[T_co]):
    """An operation of which nothing can change any more, read ``at`` Unix seconds, and how it came to be watched.

    ``created`` is what a list told, ``tags`` what was read apart, ``rules`` names those by which it was ``matched``.
    """

    operation: T_co
    at: float
    created: datetime | None
    explicit: bool
    matched: bool
    rules: str
    tags: Tags | None


class Codec:
    """Writes and reads the records of one kind. ``form`` names what they are made of: another one is not read."""

    def __init__(self, kind: Kind[Any]) -> None:
        self.form = named(f"{get_type_hints(Record)} {get_type_hints(kind.operation)}")
        self._adapter: TypeAdapter[Record[Operation]] = TypeAdapter(cast(Any, Record)[kind.operation])

    def encode(self, record: Record[Operation]) -> bytes:
        """Return a record as JSON. Raises ValueError where it could not be read again: text that is no Unicode, say."""
        return self._adapter.dump_json(record, warnings="error")

    def decode(self, body: bytes) -> Record[Operation]:
        """Return the record that was encoded. Raises ValueError."""
        return self._adapter.validate_json(body, strict=True)


def named(text: str) -> str:
    """Return a short name of a long text."""
    return blake2b(text.encode(), digest_size=8).hexdigest()
