"""Change members of a true answer.

A path names them: ``job.status``, and with ``*`` for every entry of a list or a map ``jobs.*.status``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from exporter.simulator.wire import JSON, Reply

EVERY = "*"


@dataclass(frozen=True, slots=True)
class Edits:
    """Values to put at their paths, paths of what is removed, and of lists whose entries come twice."""

    values: Mapping[str, Any] = field(default_factory=dict)
    removed: Sequence[str] = ()
    doubled: Sequence[str] = ()


def edited(reply: Reply, edits: Edits) -> Reply:
    """Return an answer after edits; a refusal, and what is no JSON, stays itself.

    What a path does not find is left as it is, but for the last name of one with a value, which is added.
    """
    if reply.status >= 300 or reply.content_type != JSON:
        return reply
    content = json.loads(reply.body)
    for path, value in edits.values.items():
        for place, key in _places(content, path):
            place[key] = copy.deepcopy(value)
    for path in edits.doubled:
        for place, key in _there(content, path):
            place[key] *= 2 if isinstance(place[key], list) else 1
    for path in edits.removed:
        for place, key in tuple(_there(content, path)):
            del place[key]
    return replace(reply, body=json.dumps(content).encode())


def _there(content: Any, path: str) -> Iterator[tuple[Any, Any]]:
    return (found for found in _places(content, path) if isinstance(found[0], dict) and found[1] in found[0])


def _places(content: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """Yield each structure or list that a path leads to, with the key of its last part."""
    first, _, rest = path.partition(".")
    keys = _keys(content, first)
    if not rest:
        yield from ((content, key) for key in keys)
        return
    for key in keys:
        if isinstance(content, list) or key in content:
            yield from _places(content[key], rest)


def _keys(content: Any, name: str) -> Sequence[Any]:
    if isinstance(content, dict):
        return list(content) if name == EVERY else [name]
    return range(len(content)) if isinstance(content, list) and name == EVERY else ()
