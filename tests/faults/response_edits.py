"""What a fault does to the answer of one call: members are found by the shape of the answer, whatever the kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from exporter.kinds.kind import ApiCall, Kind
from exporter.simulator.answers import serialised
from tests.support.simulated_responses import MODELS, output_shape, sample_operation

CANARY = "canary-4f1d"
"""Stands in whatever AWS says: none of it may come out of the exporter."""
Entry = Mapping[str, Any]
"""What a scenario says of a fault, besides which requests it is for."""
Effect = Callable[["Answered"], Entry | None]
"""Gives the fault of a call; None where it makes no sense there."""
Found = tuple[str, Shape, Any]
"""A member of an answer: its path, its shape, and its true value."""


@dataclass(frozen=True)
class Answered:
    """The true answer to a call of a kind."""

    kind: Kind[Any]
    call: ApiCall

    @property
    def is_list(self) -> bool:
        """Whether the call is the one that finds operations."""
        return self.call == self.kind.discovery.call

    @property
    def pages(self) -> bool:
        """Whether the answer comes in pages."""
        return bool(self.lists)

    @cached_property
    def lists(self) -> tuple[str, ...]:
        """The members that hold what is paged."""
        try:
            return (MODELS.pagination(self.call).result,)
        except KeyError:
            return ()

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """The answer as the body of an HTTP answer holds it, with one entry of a list."""
        operation = sample_operation(self.kind.statuses[0])
        shape = output_shape(self.call)
        if self.is_list:
            return serialised(shape, {self.lists[0]: [self.kind.simulation.entry(operation)]})
        return serialised(shape, self.kind.simulation.answers[self.call](operation) or {})

    @cached_property
    def members(self) -> tuple[Found, ...]:
        """Every member, those of inner structures included."""
        return tuple(_inside("", output_shape(self.call), self.content))

    def of(self, *types: str) -> list[str]:
        """Return the paths of members of these types."""
        return [path for path, shape, _ in self.members if shape.type_name in types]


def _inside(path: str, shape: Shape, value: Any) -> Iterator[Found]:
    if isinstance(shape, StructureShape):
        for name, inner in shape.members.items():
            wire_name = inner.serialization.get("name", name)
            if wire_name in value:
                yield from _member(f"{path}{wire_name}", inner, value[wire_name])
    elif isinstance(shape, ListShape) and value:
        yield from _member(f"{path}*", shape.member, value[0])
    elif isinstance(shape, MapShape) and value:
        yield from _member(f"{path}*", shape.value, next(iter(value.values())))


def _member(path: str, shape: Shape, value: Any) -> Iterator[Found]:
    yield path, shape, value
    yield from _inside(f"{path}.", shape, value)


def always(**entry: Any) -> Effect:
    """The same on every call."""
    return lambda answered: entry


def refused(code: str, status: int, **more: Any) -> Effect:
    """An error as AWS's services write it."""
    return always(error=code, status=status, message=CANARY, **more)


def body(text: str, content_type: str = "application/json", **more: Any) -> Effect:
    """Another body."""
    return always(body=text, content_type=content_type, **more)


def top_level(value: Any) -> Effect:
    """Every member of the answer itself is this."""
    return lambda answered: {"replace": {path: value for path, *_ in answered.members if "." not in path}}


def every(value: Any, *types: str) -> Effect:
    """Every member of these types, wherever it stands, is this."""
    return lambda answered: _replaced(dict.fromkeys(answered.of(*types), value))


def statuses(value: str) -> Effect:
    """Every member that is a status is this."""
    return lambda answered: _replaced(
        {path: value for path in answered.of("string") if path.lower().endswith("status")}
    )


def entries(value: Any) -> Effect:
    """Every entry of what is paged is this."""
    return lambda answered: _replaced({f"{path}.*": value for path in answered.lists})


def additions(value: Any) -> Effect:
    """The answer and every structure in it have a member more."""
    return lambda answered: {
        "replace": {"tomorrow": value, **{f"{path}.tomorrow": value for path in answered.of("structure")}}
    }


def dripping(seconds: float) -> Effect:
    """The true answer, which takes about so long or, if it holds more than one entry, longer."""
    return lambda answered: {"drip": max(1, int(len(json.dumps(answered.content)) / seconds))}


def doubled(answered: Answered) -> Entry | None:
    """What is paged comes twice."""
    return {"double": list(answered.lists)} if answered.pages else None


def paged(way: str) -> Effect:
    """A list that never ends."""
    return lambda answered: {"pages": way} if answered.pages else None


def without(*types: str) -> Effect:
    """Members of these types are missing."""
    return lambda answered: {"remove": answered.of(*types)} if answered.of(*types) else None


def wrong(answered: Answered) -> Entry | None:
    """Every member of the answer itself is of another type."""
    kinds = {path: shape.type_name for path, shape, _ in answered.members if "." not in path}
    return {"replace": {path: WRONG[type_name] for path, type_name in kinds.items()}}


WRONG = {"string": 7, "integer": "many", "timestamp": {}, "boolean": "yes", "list": CANARY, "map": [7], "structure": 7}


def _replaced(values: Mapping[str, Any]) -> Entry | None:
    return {"replace": dict(values)} if values else None
