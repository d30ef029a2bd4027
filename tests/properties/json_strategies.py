"""Strategies for any JSON, and for mutations of a document: a node removed, replaced or doubled."""

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Path = tuple[str | int, ...]

NASTY: tuple[str, ...] = ("", '"', "\\", "\n", "a\r\nb", "..", ".", "a/b?c#d%2e", "<script>alert(1)</script>", "&amp;")
NASTY += ("\ud800", "\udc00\ud800", "x" * 10_000, "\0", "\x1b[31m", "\u2028", "\u202e", "\U0001f600", "é", "{{7*7}}")
NASTY += ("null", "Unknown", "NaN", "\x85")
texts = st.sampled_from(NASTY) | st.text(max_size=12) | st.text(st.characters(), max_size=12)
numbers = (
    st.integers()
    | st.floats()
    | st.sampled_from(
        [0, -1, 1.5, 100, 101, 2**53, 2**53 + 1, 10**30, 10**400, -(10**400), 1e300, 253402300800, -62135596801]
    )
)
leaves = st.none() | st.booleans() | numbers | texts
any_json = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)


def paths_of(tree: Any, here: Path = ()) -> list[Path]:
    """Return the path of every node, starting with the root."""
    if isinstance(tree, dict):
        inner = [place for key, value in tree.items() for place in paths_of(value, (*here, key))]
    elif isinstance(tree, list):
        inner = [place for number, value in enumerate(tree) for place in paths_of(value, (*here, number))]
    else:
        inner = []
    return [here, *inner]


def node_at(tree: Any, path: Path) -> Any:
    """Return the node at a path. Raises KeyError, IndexError or TypeError if there is none."""
    for part in path:
        tree = tree[part]
    return tree


def with_change(tree: Any, path: Path, change: Callable[[Any, Any], None]) -> Any:
    """Return a copy of a tree after a call of ``change`` with a node's parent and its key or index."""
    tree = copy.deepcopy(tree)
    *parents, last = path
    change(node_at(tree, tuple(parents)), last)
    return tree


def without_node(tree: Any, path: Path) -> Any:
    """Return the tree without a node."""
    return with_change(tree, path, lambda parent, place: parent.__delitem__(place))


def with_node(tree: Any, path: Path, node: Any) -> Any:
    """Return the tree with another node at a path."""
    return with_change(tree, path, lambda parent, place: parent.__setitem__(place, node))


def with_double(tree: Any, path: Path, name: str) -> Any:
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
        inner = paths_of(tree)[1:]
        if not inner:
            return draw(any_json)
        path = draw(st.sampled_from(inner))
        mutation = draw(st.sampled_from(("replace", "replace", "remove", "double")))
        if mutation == "replace":
            tree = with_node(tree, path, draw(any_json))
        else:
            tree = without_node(tree, path) if mutation == "remove" else with_double(tree, path, draw(texts))
    return tree
