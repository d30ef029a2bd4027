"""What a configuration watches, in words, and the number of AWS calls that this costs."""

import math
from collections.abc import Iterable

from exporter.aws.organizations import organization_calls
from exporter.cli.words import names
from exporter.collector.cells import Cell
from exporter.collector.listing import list_numbers
from exporter.config.duration import format_duration
from exporter.config.sections import Discover, Organization, Refresh

MINUTE = 60.0


def cell_plan(cell: Cell, refresh: Refresh) -> str:
    """Return what the exporter watches in a cell, and the greatest number of calls a minute."""
    ids = [f"{'id' if len(cell.watch.ids) == 1 else 'ids'} {names(cell.watch.ids)}"] if cell.watch.ids else []
    rules = [_discovery_text(cell.watch.discover)] if cell.watch.discover else []
    return f"{' and '.join([*ids, *rules])}; {_calls_text(cell, refresh)}"


def organization_plan(organization: Organization, refresh: Refresh) -> str:
    """Return which accounts of an organization are watched, and when they are read."""
    calls = ", ".join(call.name for call in organization_calls(organization))
    chosen = "every active account" if organization.include.is_empty else "the included active accounts"
    excluded = "" if organization.exclude.is_empty else " except the excluded ones"
    every = format_duration(refresh.accounts_every)
    return f"{chosen}{excluded}, with the role {organization.role_name}; {calls} every {every}; check --live reads them"


def total_plan(cells: Iterable[Cell], refresh: Refresh) -> str:
    """Return the number of calls of all cells, and what it assumes."""
    total = math.ceil(sum(_known_calls(cell, refresh) for cell in cells))
    age = format_duration(refresh.min_age)
    return (
        f"at most {total:,} calls a minute to AWS without discovered operations, "
        f"if a scrape refreshes every {age} and each list has one page"
    )


def _discovery_text(rules: Discover) -> str:
    unknown = [*rules.statuses, "unknown statuses"] if rules.unknown_statuses and rules.statuses else rules.statuses
    return f"discovery of {', '.join(unknown)}" if unknown else "discovery of all statuses"


def _calls_text(cell: Cell, refresh: Refresh) -> str:
    known, each = math.ceil(_known_calls(cell, refresh)), math.ceil(_calls_of_operation(cell) * _refreshes(refresh))
    found = f", and {each:,} for each active operation that it finds" if cell.watch.discover else ""
    return f"at most {known:,} calls a minute{found}"


def _known_calls(cell: Cell, refresh: Refresh) -> float:
    """Return the calls a minute for the lists and the configured ids, while no operation of them has ended."""
    refreshes = _refreshes(refresh)
    lists = list_numbers(cell.kind, cell.watch.discover).per_minute(refreshes) if cell.watch.discover else 0.0
    return lists + len(cell.watch.ids) * _calls_of_operation(cell) * refreshes


def _calls_of_operation(cell: Cell) -> int:
    options = (option for option in cell.kind.options if option.name in cell.watch.options)
    return len(cell.kind.describe_calls) + sum(len(option.calls) for option in options)


def _refreshes(refresh: Refresh) -> float:
    return MINUTE / refresh.min_age
