"""Final operations as JSON. A record is only decoded if every type fits exactly."""

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Generic, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter

from exporter.core.model import Operation
from exporter.kinds.kind import Kind
from exporter.kinds.response import Tags

T_co = TypeVar("T_co", bound=Operation, covariant=True)


@dataclass(frozen=True, slots=True)
class Record(Generic[T_co]):
    """A final operation that was read ``at`` a time in Unix seconds, and why it is tracked.

    ``created`` comes from a list. ``tags`` were read from their own API. ``rules`` is the hash of the discovery rules.
    """

    operation: T_co
    at: float
    created: datetime | None
    explicit: bool
    matched: bool
    rules: str
    tags: Tags | None


class Codec:
    """Encodes and decodes the records of one kind. ``form`` is a hash of their classes, fields and types."""

    def __init__(self, kind: Kind[Any]) -> None:
        classes: tuple[Any, ...] = (Record, kind.operation)
        form = " ".join(f"{cls.__name__} {get_type_hints(cls)}" for cls in classes)
        # Without the paths of modules, so that the records stay valid when a module moves.
        self.form = short_hash(re.sub(r"(\w+\.)+(?=\w)", "", form))
        self._adapter = _adapter(kind)

    def encode(self, record: Record[Operation]) -> bytes:
        """Return a record as JSON. Raises ValueError if it could not be decoded again, for example invalid Unicode."""
        return self._adapter.dump_json(record, warnings="error")

    def decode(self, body: bytes) -> Record[Operation]:
        """Return the record that was encoded. Raises ValueError."""
        return self._adapter.validate_json(body, strict=True)


@lru_cache
def _adapter(kind: Kind[Any]) -> TypeAdapter[Record[Operation]]:
    """Return the adapter for the records of a kind. It is created once, because that takes milliseconds."""
    return TypeAdapter(cast(Any, Record)[kind.operation])


def short_hash(text: str) -> str:
    """Return a hash of a text, 16 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=8).hexdigest()
