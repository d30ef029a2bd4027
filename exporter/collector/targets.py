"""The targets of probes: operations in the scopes of the configuration, chosen by name and never by ARN or URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from exporter.collector.cells import Cell
from exporter.config.sections import Watch
from exporter.core.errors import ConfigError
from exporter.kinds.kind import Kind


class TargetResolver:
    """Resolves the parameters of a probe to the watched accounts and Regions. No message quotes a parameter."""

    def __init__(self, cells: Iterable[Cell], kinds: Sequence[Kind[Any]]) -> None:
        self._cells = tuple(cells)
        self._kinds = {kind.name: kind for kind in kinds}

    def cell(self, kind: str, ids: Sequence[str], region: str = "", account: str = "") -> Cell:
        """Return a cell for these ids, with the options of the scope's watched cell for this kind if there is one.

        The account or the Region may be empty if only one is watched. Raises ConfigError.
        """
        known = self._kinds.get(kind)
        problems = [] if known else [f"kind: expected one of {', '.join(self._kinds)}"]
        if known and not (ids and all(known.is_id(id) for id in ids)):
            problems.append(f"id: expected an id in AWS's format with at most {known.id_length} characters")
        try:
            scope = self._scope_cells(region, account)
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from None
        if known is None or problems:
            raise ConfigError(problems)
        watch = next((cell.watch for cell in scope if cell.kind is known), Watch(kind=kind))
        target = watch.model_copy(update={"ids": tuple(dict.fromkeys(ids)), "discover": None})
        return replace(scope[0], kind=known, watch=target)

    def _scope_cells(self, region: str, account: str) -> tuple[Cell, ...]:
        cells = _matching_cells("account", account, self._cells, lambda cell: cell.account.name)
        return _matching_cells("region", region, cells, lambda cell: cell.region)


def _matching_cells(
    parameter: str, wanted: str, cells: tuple[Cell, ...], value: Callable[[Cell], str]
) -> tuple[Cell, ...]:
    """Return the cells with the wanted value, or all cells if no value is given and all have the same."""
    values = {value(cell) for cell in cells}
    if wanted and wanted not in values:
        raise ConfigError([f"{parameter}: not watched by this exporter"])
    if not wanted and len(values) > 1:
        raise ConfigError([f"{parameter}: required, because this exporter watches more than one"])
    if not values:
        raise ConfigError([f"{parameter}: this exporter watches none"])
    return tuple(cell for cell in cells if wanted in ("", value(cell)))
