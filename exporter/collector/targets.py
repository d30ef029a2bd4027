"""The scopes that a configuration names: what may be asked for on demand, by names and never by ARNs or URLs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from exporter.collector.cells import Cell
from exporter.config.sections import Watch
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind


class TargetResolver:
    """A fence around the accounts and Regions of the cells. No problem that it tells quotes what was asked for."""

    def __init__(self, cells: Iterable[Cell], kinds: Sequence[Kind[Any]]) -> None:
        self._cells = tuple(cells)
        self._kinds = {kind.name: kind for kind in kinds}

    def cell(self, kind: str, ids: Sequence[str], region: str = "", account: str = "") -> Cell:
        """Return a cell for operations of any kind, with the options of the watched cell of this kind, if there is one.

        An account or a Region may be left empty where there is only one. Raises ConfigError.
        """
        known = self._kinds.get(kind)
        problems = [] if known else [_among("kind", self._kinds)]
        if known and not (ids and all(known.is_id(id) for id in ids)):
            problems.append(f"id: expected an id, up to {known.id_length} characters as AWS writes them")
        try:
            scope = self._scope(region, account)
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from None
        if known is None or problems:
            raise ConfigError(problems)
        watch = next((one.watch for one in scope if one.kind is known), Watch(kind=kind))
        named = watch.model_copy(update={"ids": tuple(dict.fromkeys(ids)), "discover": None})
        return replace(scope[0], kind=known, watch=named)

    def _scope(self, region: str, account: str) -> tuple[Cell, ...]:
        """Return the cells of the one scope that fits."""
        cells = _only("account", account, self._cells, lambda cell: cell.account.name)
        return _only("region", region, cells, lambda cell: cell.region)


def _only(name: str, wanted: str, cells: tuple[Cell, ...], of: Callable[[Cell], str]) -> tuple[Cell, ...]:
    values = {of(cell) for cell in cells}
    if wanted and wanted not in values:
        raise ConfigError([f"{name}: none of those that are watched here"])
    if not wanted and len(values) > 1:
        raise ConfigError([f"{name}: is missing, and more than one is watched here"])
    if not values:
        raise ConfigError([f"{name}: none is watched here"])
    return tuple(cell for cell in cells if wanted in ("", of(cell)))


def _among(name: str, values: Iterable[str]) -> str:
    return f"{name}: expected one of {', '.join(values)}"
