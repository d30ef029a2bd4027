"""The dashboard of the exporter itself: its cells, its requests to AWS, and its processes."""

from collections.abc import Sequence
from typing import Final

from exporter.metrics.self_metrics import PREFIX
from exporter.monitoring.dashboards import variables
from exporter.monitoring.dashboards.layout import EXPORTER, Row, dashboard
from exporter.monitoring.dashboards.panels import (
    COLORED_TEXT,
    DATA_AGE,
    GOOD_AT_ONE,
    GOOD_AT_ZERO,
    HEATMAP,
    UP_OR_DOWN,
    Column,
    Panel,
    Query,
    lines,
    name_stat,
    stacked_areas,
    stat,
    state_bars,
    table,
    thresholds,
    value_mappings,
)
from exporter.monitoring.dashboards.queries import (
    CHOSEN,
    CHOSEN_ACCOUNT,
    MILLISECONDS,
    cells_down,
    inaccessible_accounts,
    number_of,
)
from exporter.monitoring.promql import (
    ACCOUNT_LABELS,
    API_LABELS,
    BY_RELEASE,
    ON_TARGET,
    SHARD_ORDINAL,
    SHARDS,
    by,
    on,
    per_cell,
    per_shard,
    selector,
    shard_count,
)
from exporter.monitoring.selection import EVERY_EXPORTER, Selection


def _self_metric(name: str, chosen: str) -> str:
    return selector(PREFIX + name, chosen)


def _rate(counter: str) -> str:
    return f"rate({counter}[$__rate_interval])"


CHOSEN_INSTANCE: Final = 'instance=~"$instance"'
CHOSEN_CELLS: Final = f"{CHOSEN}, {CHOSEN_INSTANCE}"
CHOSEN_ACCOUNTS: Final = f"{CHOSEN_ACCOUNT}, {CHOSEN_INSTANCE}"
CELL_LEGEND: Final = "{{account}} {{aws_region}} {{kind}}"
CELL_UP: Final = per_cell("min", _self_metric("up", CHOSEN_CELLS))
LAST_SUCCESS: Final = _self_metric("last_success_timestamp_seconds", CHOSEN_CELLS)
REFRESH_DURATION: Final = per_cell("max", _self_metric("refresh_duration_seconds", CHOSEN_CELLS))
OPERATIONS: Final = per_cell("max", _self_metric("operations", CHOSEN_CELLS))
OMITTED: Final = per_cell("max", _self_metric("operations_omitted", CHOSEN_CELLS))
ACTIVE_OMITTED: Final = per_cell("max", _self_metric("active_operations_omitted", CHOSEN_CELLS))
UNKNOWN_IDS: Final = per_cell("max", _self_metric("unknown_ids", CHOSEN_CELLS))
REASONS: Final = per_cell("max", f"{_self_metric('cell_error', CHOSEN_CELLS)} == 1", "reason")

CHOSEN_APIS: Final = f'aws_account_id=~"$account", aws_region=~"$region", {CHOSEN_INSTANCE}'
API_LEGEND: Final = "{{aws_service}} {{api}}"
REQUESTS: Final = _rate(_self_metric("api_requests_total", CHOSEN_APIS))
ERRORS: Final = _rate(_self_metric("api_request_errors_total", CHOSEN_APIS))
BUDGET: Final = f"min {by(API_LABELS)} ({_self_metric('api_budget_ratio', CHOSEN_APIS)})"
DURATIONS: Final = _rate(_self_metric("api_request_duration_seconds_bucket", CHOSEN_INSTANCE))
BUILD: Final = _self_metric("build_info", CHOSEN_INSTANCE)


def exporter_dashboard(selection: Selection = EVERY_EXPORTER) -> str:
    """Return the dashboard as a JSON file for Grafana."""
    return dashboard(
        EXPORTER,
        "AWS IoT bulk exporter",
        "The health of the exporter: the cells that it reads from AWS, the age of its data, its requests to AWS's "
        "APIs, and its processes.",
        (variables.instances(), *variables.cells(multiple=True)),
        (
            Row(4, _stats()),
            Row(4, _exporter_stats()),
            Row(10, (_cells(),), "Cells"),
            Row(9, (_cell_states(),)),
            Row(9, _cell_graphs()),
            Row(9, _request_graphs(), "AWS's APIs"),
            Row(9, _response_times()),
            Row(8, (_inaccessible_accounts(), _denied_cells()), "Organizations and found Regions"),
            Row(8, (*_found_cells(), *_organizations(selection.grouping))),
            Row(8, _processes(), "Processes"),
        ),
        since="now-6h",
        selection=selection,
    )


def _stats() -> tuple[Panel, ...]:
    return (
        stat(
            "Cells down",
            "Cells that an exporter cannot read from AWS. A cell is one kind of operation in one Region of an account. "
            "Cells of a service that AWS has switched off do not count. An account without credentials counts once if "
            "its cells have no series.",
            number_of(cells_down(CHOSEN_CELLS, CHOSEN_ACCOUNTS), CHOSEN_CELLS),
            steps=GOOD_AT_ZERO,
        ),
        stat(
            "Oldest success",
            "The time since the last complete refresh of a cell. The panel shows the cell with the longest time.",
            f"max(time() - ({per_cell('max', LAST_SUCCESS)} > 0))",
            "s",
            steps=DATA_AGE,
            no_value="No refresh has succeeded yet",
        ),
        stat("Operations", "Operations in the exporter's metrics.", f"sum({OPERATIONS})", decimals=0),
        stat(
            "Omitted",
            "Operations that the exporter found but omits because of max_operations.",
            f"sum({OMITTED})",
            steps=((None, "green"), (1, "yellow")),
            decimals=0,
        ),
        stat(
            "Failed requests",
            "The ratio of HTTP requests to AWS's APIs that fail. Every retry counts as a request.",
            f"(sum({ERRORS}) or 0 * sum({REQUESTS})) / (sum({REQUESTS}) > 0)",
            "percentunit",
            steps=((None, "green"), (0.01, "yellow"), (0.1, "red")),
            decimals=1,
            no_value="No request",
        ),
        stat(
            "Shards missing",
            "Shards without an exporter. No exporter watches their accounts and Regions.",
            f"sum(max {BY_RELEASE} ({SHARDS}) - {shard_count(SHARD_ORDINAL)})",
            steps=GOOD_AT_ZERO,
        ),
    )


def _exporter_stats() -> tuple[Panel, ...]:
    return (
        stat("Exporters", "Exporters that Prometheus scrapes.", f"count({BUILD})"),
        name_stat(
            "Version",
            "The versions of the exporter and of Python. During a roll-out there are several.",
            (Query(f"count by (version, python_version) ({BUILD})", "{{version}} on Python {{python_version}}"),),
            width=5,
        ),
        stat(
            "Configuration",
            "In use if every exporter accepted its configuration at the last reload. An exporter that rejected a new "
            "configuration still uses the previous one.",
            f"min({_self_metric('config_last_reload_successful', CHOSEN_INSTANCE)})",
            "none",
            width=5,
            steps=GOOD_AT_ONE,
            mappings=value_mappings({"0": ("rejected", "red"), "1": ("in use", "green")}),
        ),
        stat(
            "Configuration loaded",
            "The time of the last successful load of the configuration. With several exporters, the oldest one.",
            f"min({_self_metric('config_last_reload_success_timestamp_seconds', CHOSEN_INSTANCE)}) * {MILLISECONDS}",
            "dateTimeFromNow",
            width=5,
        ),
        stat(
            "State file",
            "In use if every exporter with a state file can read and write it. Without the file, an exporter reads "
            "everything from AWS again after a restart.",
            f"min({_self_metric('state_file_usable', CHOSEN_INSTANCE)})",
            "none",
            width=5,
            steps=GOOD_AT_ONE,
            no_value="No exporter has a state file",
            mappings=value_mappings({"0": ("not usable", "red"), "1": ("in use", "green")}),
        ),
    )


def _cells() -> Panel:
    oldest = f"time() - ({per_cell('min', LAST_SUCCESS)} > 0)"
    return table(
        "Cells",
        "All cells: the result and the error reason of the last refresh, the time since the last complete refresh, the "
        "duration of the last refresh, the numbers of operations, of those beyond max_operations and the active ones "
        "among them, and the number of ids that AWS does not know. With several exporters, the worst value.",
        (REASONS, CELL_UP, oldest, REFRESH_DURATION, OPERATIONS, OMITTED, ACTIVE_OMITTED, UNKNOWN_IDS),
        (
            Column("account", "Name"),
            Column("aws_account_id", "Account"),
            Column("aws_region", "Region"),
            Column("kind", "Kind"),
            Column("Value #B", "Up", {"mappings": list(UP_OR_DOWN), **COLORED_TEXT}),
            Column("reason", "Reason"),
            Column("Value #C", "Last success", {"unit": "s", **COLORED_TEXT, "thresholds": thresholds(DATA_AGE)}),
            Column("Value #D", "Refresh duration", {"unit": "s"}),
            Column("Value #E", "Operations", {"decimals": 0}),
            Column("Value #F", "Omitted", {"decimals": 0}),
            Column("Value #G", "Active omitted", {"decimals": 0}),
            Column("Value #H", "Unknown ids", {"decimals": 0}),
        ),
        sort_by="Last success",
    )


def _cell_states() -> Panel:
    return state_bars(
        "Cells over time",
        "Up (green) if every exporter could read the cell from AWS at that time, down (red) if not.",
        (Query(CELL_UP, CELL_LEGEND),),
        mappings=UP_OR_DOWN,
        steps=GOOD_AT_ONE,
    )


def _cell_graphs() -> tuple[Panel, ...]:
    return (
        stacked_areas(
            "Cells down by reason",
            "The number of cells that an exporter cannot read completely, by the reason.",
            (Query(f"count by (reason) ({REASONS})", "{{reason}}"),),
            no_value="None",
            decimals=0,
        ),
        lines(
            "Refresh duration",
            "The duration of the last refresh of each cell. If it is longer than the scrape time-out, a "
            "scrape returns older data.",
            (Query(REFRESH_DURATION, CELL_LEGEND),),
            "s",
            min=0,
        ),
        stacked_areas(
            "Operations by kind",
            "The number of operations in the exporter's metrics, by kind.",
            (Query(f"sum by (kind) ({OPERATIONS})", "{{kind}}"),),
            decimals=0,
        ),
    )


def _request_graphs() -> tuple[Panel, ...]:
    return (
        stacked_areas(
            "Requests",
            "HTTP requests of all exporters to AWS's APIs. Every retry counts as a request.",
            (Query(f"sum by (aws_service, api) ({REQUESTS})", API_LEGEND),),
            "reqps",
        ),
        stacked_areas(
            "Errors",
            "HTTP requests that failed, by AWS's error code or the class of the failure.",
            (Query(f"sum by (aws_service, api, code) ({ERRORS}) > 0", API_LEGEND + " {{code}}"),),
            "reqps",
            no_value="None",
        ),
        lines(
            "Budget",
            "The share of AWS's quota that the exporter may use. Throttling by AWS halves it temporarily.",
            (Query(BUDGET, "{{aws_account_id}} {{aws_region}} " + API_LEGEND),),
            "percentunit",
            min=0,
            max=1,
        ),
    )


def _response_times() -> tuple[Panel, ...]:
    by_api = f"sum by (le, aws_service, api) ({DURATIONS})"
    return (
        Panel(
            "Response time",
            "The distribution of the duration of HTTP requests to AWS's APIs.",
            (Query(f"sum by (le) ({DURATIONS})", "{{le}}"),),
            "s",
            visualization=HEATMAP,
        ),
        lines(
            "Response time by API",
            "The 95th percentile and the median of the duration of HTTP requests.",
            (
                Query(f"histogram_quantile(0.95, {by_api})", f"{API_LEGEND} 95 %"),
                Query(f"histogram_quantile(0.5, {by_api})", f"{API_LEGEND} 50 %"),
            ),
            "s",
            min=0,
        ),
    )


def _inaccessible_accounts() -> Panel:
    is_inaccessible = f"and {on(ACCOUNT_LABELS)} {inaccessible_accounts(CHOSEN_ACCOUNTS)}"
    errors = f"max {by((*ACCOUNT_LABELS, 'reason'))} ({_self_metric('account_error', CHOSEN_ACCOUNTS)})"
    last_success = f"max {by(ACCOUNT_LABELS)} ({_self_metric('last_success_timestamp_seconds', CHOSEN_ACCOUNTS)} > 0)"
    return table(
        "Inaccessible accounts",
        "Accounts for which an exporter gets no credentials, usually because it cannot assume their role: the reasons, "
        "and the time since a cell of the account was last read, if a cell has series.",
        (errors, f"time() - {last_success} {is_inaccessible}"),
        (
            Column("account", "Name"),
            Column("aws_account_id", "Account"),
            Column("reason", "Reason"),
            Column("Value #B", "Last success", {"unit": "s"}),
        ),
        sort_by="Last success",
    )


def _denied_cells() -> Panel:
    denied = per_shard(_self_metric("denied_cells", CHOSEN_INSTANCE), "aws_region", "kind")
    return lines(
        "Denied cells",
        "Cells of found accounts and Regions without a known operation, to which AWS denies access. A policy that "
        "forbids a Region gives a high number in this Region, and a role without a permission a low one in all "
        "Regions. Exporters with the same shard of a release, such as a pair, count once.",
        (Query(f"sum by (aws_region, kind) ({denied})", "{{aws_region}} {{kind}}"),),
        "short",
        min=0,
    )


def _found_cells() -> tuple[Panel, ...]:
    idle, waiting, inaccessible, denied = (
        f"sum by (kind) ({per_shard(_self_metric(name, CHOSEN_INSTANCE), 'kind')})"
        for name in ("idle_cells", "waiting_cells", "inaccessible_cells", "denied_cells")
    )
    oldest = _self_metric("idle_cells_oldest_success_timestamp_seconds", CHOSEN_INSTANCE)
    return (
        lines(
            "Found cells",
            "Cells of found accounts and Regions: idle ones, those that wait for their first refresh, those of "
            "accounts without credentials, and those that AWS denies. Exporters with the same shard of a release, "
            "such as a pair, count once.",
            (
                Query(idle, "idle {{kind}}"),
                Query(waiting, "waiting {{kind}}"),
                Query(inaccessible, "inaccessible {{kind}}"),
                Query(denied, "denied {{kind}}"),
            ),
            "short",
            min=0,
        ),
        lines(
            "Age of idle cells",
            "The time since the last complete refresh of the idle cell that was read the longest time ago.",
            (Query(f"max by (kind) (time() - ({oldest} > 0))", "{{kind}}"),),
            "s",
            min=0,
        ),
    )


def _organizations(grouping: Sequence[str]) -> tuple[Panel, ...]:
    # An organization has the place in its configuration as its name, and each release has its own configuration.
    labels = by(("${grouping}", "organization"))
    release = " ".join(f"{{{{{label}}}}}" for label in grouping)
    accounts, readable = (
        f"min {labels} ({_self_metric(name, CHOSEN_INSTANCE)})"
        for name in ("organization_accounts", "organization_last_read_successful")
    )
    last_read = _self_metric("organization_last_read_success_timestamp_seconds", CHOSEN_INSTANCE)
    return (
        lines(
            "Accounts of organizations",
            "The accounts that are found in each organization of each release, and whether its last reading "
            "succeeded: 1 for yes.",
            (
                Query(accounts, f"{{{{organization}}}} accounts {release}"),
                Query(readable, f"{{{{organization}}}} readable {release}"),
            ),
            "short",
            min=0,
        ),
        lines(
            "Age of lists of accounts",
            "The time since each organization was last read successfully. With several exporters, the longest time.",
            (Query(f"max {labels} (time() - ({last_read} > 0))", f"{{{{organization}}}} {release}"),),
            "s",
            min=0,
        ),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        _process("Memory", "The resident memory of each exporter.", "process_resident_memory_bytes{%s}", "bytes"),
        _process(
            "CPU",
            "The CPU time per second of each exporter. 1 is one full CPU.",
            _rate("process_cpu_seconds_total{%s}"),
            "short",
        ),
        _process("Open files", "The open files and sockets of each exporter.", "process_open_fds{%s}", "short"),
        _process(
            "Uptime", "The time since the start of each exporter.", "time() - process_start_time_seconds{%s}", "s"
        ),
    )


def _process(title: str, description: str, expr: str, unit: str) -> Panel:
    # Other programs have process metrics, too. Only an exporter has build information.
    query = Query(f"{expr % CHOSEN_INSTANCE} and {ON_TARGET} {BUILD}", "{{instance}}")
    return lines(title, description, (query,), unit, min=0)
