"""Edits of a call's response. The response's shape in botocore names the members, so that they fit every kind."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from exporter.kinds.kind import ApiCall, Kind
from exporter.simulator.responses import serialize
from tests.support.simulated_responses import MODELS, output_shape, sample_operation

# Part of every text from AWS. The exporter must not show it.
CANARY = "canary-4f1d"
# A scenario's entry of a fault, without the keys that select requests.
Entry = Mapping[str, Any]
# Returns the entry for a call, or None if the fault makes no sense there.
Effect = Callable[["TrueResponse"], Entry | None]
# A member of a response: its path, its shape and its true value.
Member = tuple[str, Shape, Any]
WRONG = {"string": 7, "integer": "many", "timestamp": {}, "boolean": "yes", "list": CANARY, "map": [7], "structure": 7}


@dataclass(frozen=True)
class TrueResponse:
    """The response to a call of a kind without a fault."""

    kind: Kind[Any]
    call: ApiCall

    @property
    def is_list(self) -> bool:
        """Whether the call lists operations."""
        return self.call == self.kind.discovery.call

    @cached_property
    def lists(self) -> tuple[str, ...]:
        """The members that contain the entries of a page; empty if the call has no pages."""
        try:
            return (MODELS.pagination(self.call).result,)
        except KeyError:
            return ()

    @cached_property
    def content(self) -> Mapping[str, Any]:
        """The content of the response body. A list has one entry."""
        operation = sample_operation(self.kind.statuses[0])
        shape = output_shape(self.call)
        if self.is_list:
            return serialize(shape, {self.lists[0]: [self.kind.simulation.entry(operation)]})
        return serialize(shape, self.kind.simulation.responses[self.call](operation) or {})

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """Every member, including those of inner structures."""
        return tuple(_inside("", output_shape(self.call), self.content))

    def paths(self, *types: str) -> list[str]:
        """Return the paths of members of these types."""
        return [path for path, shape, _ in self.members if shape.type_name in types]


def _inside(path: str, shape: Shape, value: Any) -> Iterator[Member]:
    if isinstance(shape, StructureShape):
        for name, inner in shape.members.items():
            wire_name = inner.serialization.get("name", name)
            if wire_name in value:
                yield from _member(f"{path}{wire_name}", inner, value[wire_name])
    elif isinstance(shape, ListShape) and value:
        yield from _member(f"{path}*", shape.member, value[0])
    elif isinstance(shape, MapShape) and value:
        yield from _member(f"{path}*", shape.value, next(iter(value.values())))


def _member(path: str, shape: Shape, value: Any) -> Iterator[Member]:
    yield path, shape, value
    yield from _inside(f"{path}.", shape, value)


def constant(**entry: Any) -> Effect:
    """Return the effect that is the same for every call."""
    return lambda response: entry


def error(code: str, status: int, **more: Any) -> Effect:
    """Return the effect of an error response in the format of AWS."""
    return constant(error=code, status=status, message=CANARY, **more)


def other_body(text: str, content_type: str = "application/json", **more: Any) -> Effect:
    """Return the effect of another response body."""
    return constant(body=text, content_type=content_type, **more)


def top_level_members(value: Any) -> Effect:
    """Return the effect that gives every top-level member this value."""
    return lambda response: {"replace": {path: value for path, *_ in response.members if "." not in path}}


def members_of_type(value: Any, *types: str) -> Effect:
    """Return the effect that gives every member of these types this value."""
    return lambda response: _replaced(dict.fromkeys(response.paths(*types), value))


def statuses(value: str) -> Effect:
    """Return the effect that gives every status this value."""
    return lambda response: _replaced(
        {path: value for path in response.paths("string") if path.lower().endswith("status")}
    )


def page_entries(value: Any) -> Effect:
    """Return the effect that gives every entry of a page this value."""
    return lambda response: _replaced({f"{path}.*": value for path in response.lists})


def added_members(value: Any) -> Effect:
    """Return the effect that adds an unknown member to the response and to every structure in it."""
    return lambda response: {
        "replace": {"unheardOf": value, **{f"{path}.unheardOf": value for path in response.paths("structure")}}
    }


def drip(seconds: float) -> Effect:
    """Return the effect that sends the true body slowly, in about this time or longer."""
    return lambda response: {"drip": max(1, int(len(json.dumps(response.content)) / seconds))}


def double_entries(response: TrueResponse) -> Entry | None:
    """Send every entry of a page twice."""
    return {"double": list(response.lists)} if response.lists else None


def endless_pages(way: str) -> Effect:
    """Return the effect of a list without a last page."""
    return lambda response: {"pages": way} if response.lists else None


def without(*types: str) -> Effect:
    """Return the effect that removes every member of these types."""
    return lambda response: {"remove": response.paths(*types)} if response.paths(*types) else None


def wrong_types(response: TrueResponse) -> Entry | None:
    """Give every top-level member a value of another type."""
    types = {path: shape.type_name for path, shape, _ in response.members if "." not in path}
    return {"replace": {path: WRONG[type_name] for path, type_name in types.items()}}


def _replaced(values: Mapping[str, Any]) -> Entry | None:
    return {"replace": dict(values)} if values else None
