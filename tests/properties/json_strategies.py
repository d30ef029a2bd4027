"""Strategies for any JSON, and for mutations of a document: a node removed, replaced or doubled."""

import copy
from collections.abc import Callable
from functools import reduce
from operator import delitem, getitem, setitem
from typing import Any

from hypothesis import strategies as st

NodePath = tuple[str | int, ...]

NASTY: tuple[str, ...] = ("", '"', "\\", "\n", "a\r\nb", "..", ".", "a/b?c#d%2e", "<script>alert(1)</script>", "&amp;")
NASTY += ("\ud800", "\udc00\ud800", "x" * 10_000, "\0", "\x1b[31m", "\u2028", "\u202e", "\U0001f600", "é", "{{7*7}}")
NASTY += ("null", "Unknown", "NaN", "\x85")
texts = st.sampled_from(NASTY) | st.text(max_size=12) | st.text(st.characters(), max_size=12)
NUMBERS = (0, -1, 1.5, 100, 101, 2**53, 2**53 + 1, 10**30, 10**400, -(10**400), 1e300, 253402300800, -62135596801)
numbers = st.integers() | st.floats() | st.sampled_from(NUMBERS)
leaves = st.none() | st.booleans() | numbers | texts
any_json = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


def paths_below(tree: Any, here: NodePath = ()) -> list[NodePath]:
    """Return the path of every node except the root."""
    if not isinstance(tree, dict | list):
        return []
    children = tree.items() if isinstance(tree, dict) else enumerate(tree)
    return [path for key, node in children for path in ((*here, key), *paths_below(node, (*here, key)))]


def path_text(path: NodePath) -> str:
    """Return a path in the notation of messages."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def with_change(tree: Any, path: NodePath, change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of a tree after a call of ``change`` with a node's parent and its key or index."""
    tree = copy.deepcopy(tree)
    *parents, last = path
    change(reduce(getitem, parents, tree), last)
    return tree


def with_node(tree: Any, path: NodePath, node: Any) -> Any:
    """Return the tree with another node at a path."""
    return with_change(tree, path, lambda parent, place: setitem(parent, place, node))


def with_double(tree: Any, path: NodePath, name: str) -> Any:
    """Return the tree with a copy of a node: next to it in a list, or under another name in a mapping."""

    def again(parent: Any, place: Any) -> None:
        if isinstance(parent, list):
            parent.insert(place, copy.deepcopy(parent[place]))
        else:
            parent[name] = copy.deepcopy(parent[place])

    return with_change(tree, path, again)


@st.composite
def mutations(draw: st.DrawFn, tree: Any, most: int = 3) -> Any:
    """Give a tree with up to ``most`` mutations."""
    for _ in range(draw(st.integers(1, most))):
        paths = paths_below(tree)
        if not paths:
            return draw(any_json)
        path = draw(st.sampled_from(paths))
        mutation = draw(st.sampled_from(("replace", "replace", "remove", "double")))
        if mutation == "replace":
            tree = with_node(tree, path, draw(any_json))
        else:
            tree = with_change(tree, path, delitem) if mutation == "remove" else with_double(tree, path, draw(texts))
    return tree
