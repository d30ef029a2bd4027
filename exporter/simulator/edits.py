"""Change members of a true answer.

A path names them: ``job.status``, and with ``*`` for every entry of a list or a map ``jobs.*.status``.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from exporter.simulator.wire import Reply

EVERY = "*"
Edit = Callable[[Any, Any], object]
"""Takes a structure or a list, and the name or the number of what is changed in it."""


def edited(reply: Reply, values: Mapping[str, Any], removed: Sequence[str]) -> Reply:
    """Return an answer in JSON with these values at their paths, and without what is removed; a refusal stays itself.

    What a path does not find is left as it is, but for its last name, which is added.
    """
    if reply.status >= 300:
        return reply
    content = json.loads(reply.body)
    for path, value in values.items():
        for place, key in _places(content, path.split(".")):
            place[key] = copy.deepcopy(value)
    for path in removed:
        for place, key in tuple(_places(content, path.split("."))):
            if isinstance(place, dict):
                place.pop(key, None)
    return replace(reply, body=json.dumps(content).encode())


def _places(content: Any, path: Sequence[str]) -> Iterator[tuple[Any, Any]]:
    """Yield each structure or list that a path leads to, with the key of its last part."""
    first, *rest = path
    keys = _keys(content, first)
    if not rest:
        yield from ((content, key) for key in keys)
        return
    for key in keys:
        if isinstance(content, list) or key in content:
            yield from _places(content[key], rest)


def _keys(content: Any, name: str) -> Sequence[Any]:
    if name == EVERY:
        return list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    return (name,) if isinstance(content, dict) else ()
