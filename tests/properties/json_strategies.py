"""Any JSON, and what somebody may do to a document by hand: lose a node, write another one, say a thing twice."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

NASTY: tuple[str, ...] = (
    "",
    '"',
    "\\",
    "\n",
    "a\r\nb",
    "..",
    ".",
    "a/b?c#d%2e",
    "<script>alert(1)</script>",
    "&amp;",
    "\ud800",
    "\udc00\ud800",
)
NASTY += (
    "x" * 10_000,
    "\0",
    "\x1b[31m",
    "\u2028",
    "\u202e",
    "\U0001f600",
    "é",
    "{{7*7}}",
    "null",
    "Unknown",
    "NaN",
    "\x85",
)
texts = st.sampled_from(NASTY) | st.text(max_size=12) | st.text(st.characters(), max_size=12)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from(
        [0, -1, 1.5, 100, 101, 2**53, 2**53 + 1, 10**30, 10**400, -(10**400), 1e300, 253402300800, -62135596801]
    )
)
leaves = st.none() | st.booleans() | numbers | texts
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


def places(tree: Any, here: Path = ()) -> list[Path]:
    """Return the path of every node, the whole tree's first."""
    if isinstance(tree, dict):
        inner = [place for key, value in tree.items() for place in places(value, (*here, key))]
    elif isinstance(tree, list):
        inner = [place for number, value in enumerate(tree) for place in places(value, (*here, number))]
    else:
        inner = []
    return [here, *inner]


def at(tree: Any, path: Path) -> Any:
    """Return the node at a path. Raises KeyError, IndexError or TypeError where there is none."""
    for part in path:
        tree = tree[part]
    return tree


def changed(tree: Any, path: Path, change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of a tree, on which ``change`` was called with a node's parent and its place there."""
    tree = copy.deepcopy(tree)
    *parents, last = path
    change(at(tree, tuple(parents)), last)
    return tree


def removed(tree: Any, path: Path) -> Any:
    """Return the tree without a node."""
    return changed(tree, path, lambda parent, place: parent.__delitem__(place))


def replaced(tree: Any, path: Path, node: Any) -> Any:
    """Return the tree with another node in the place of one."""
    return changed(tree, path, lambda parent, place: parent.__setitem__(place, node))


def doubled(tree: Any, path: Path, name: str) -> Any:
    """Return the tree with a node again: behind itself in a list, under another name in a mapping."""

    def again(parent: Any, place: Any) -> None:
        if isinstance(parent, list):
            parent.insert(place, copy.deepcopy(parent[place]))
        else:
            parent[name] = copy.deepcopy(parent[place])

    return changed(tree, path, again)


@st.composite
def mutated(draw: st.DrawFn, tree: Any, most: int = 3) -> Any:
    """Give a tree to which somebody did up to ``most`` things."""
    for _ in range(draw(st.integers(1, most))):
        inner = places(tree)[1:]
        if not inner:
            return draw(anything)
        path = draw(st.sampled_from(inner))
        what = draw(st.sampled_from(("replace", "replace", "remove", "double")))
        if what == "replace":
            tree = replaced(tree, path, draw(anything))
        else:
            tree = removed(tree, path) if what == "remove" else doubled(tree, path, draw(texts))
    return tree
