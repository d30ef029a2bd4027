"""The exporter's own health: its cells, what it asks of AWS, its processes."""

from __future__ import annotations

from typing import Final

from exporter.metrics.self_metrics import PREFIX
from exporter.monitoring.dashboards import cells, traffic, variables
from exporter.monitoring.dashboards.drawings import LINES, NAME
from exporter.monitoring.dashboards.layout import EXPORTER, Row, dashboard
from exporter.monitoring.dashboards.panels import GOOD_AT_ONE, GOOD_AT_ZERO, Model, Panel, Query, figure, words
from exporter.monitoring.dashboards.queries import INSTANCE, MILLISECONDS, own, rate

BUILD: Final = own("build_info", INSTANCE)
VERSION_NAME: Final = "{{version}} on Python {{python_version}}"


def exporter_dashboard() -> Model:
    """Return the dashboard."""
    return dashboard(
        EXPORTER,
        "AWS IoT bulk exporter",
        "Whether the exporter reads everything from AWS, how old its figures are, what it asks of AWS's quotas, "
        "and how its processes are.",
        (
            variables.DATA_SOURCES,
            variables.instances(),
            variables.accounts(several=True),
            variables.regions(several=True),
            variables.kinds(several=True),
        ),
        (
            Row(4, (*cells.trouble(), *cells.contents(), traffic.refused(), _missing_shards())),
            Row(4, (*_builds(), *_configurations())),
            Row(10, (cells.each_cell(),), "Cells"),
            Row(9, (cells.cells_over_time(), cells.reasons(), cells.refreshes(), cells.operations())),
            Row(9, (traffic.requests(), traffic.errors(), traffic.budgets()), "AWS's APIs"),
            Row(9, (traffic.latencies(), traffic.quantiles())),
            Row(8, _processes(), "Processes"),
        ),
        since="now-6h",
    )


def _missing_shards() -> Panel:
    ordinals = f'count_values by (job) ("ordinal", {PREFIX}shard_ordinal)'
    return figure(
        "Shards missing",
        "Shards that no exporter has: their accounts and Regions are watched by nobody.",
        f"sum(max by (job) ({PREFIX}shard_total) - count by (job) ({ordinals}))",
        steps=GOOD_AT_ZERO,
    )


def _builds() -> tuple[Panel, ...]:
    return (
        figure("Exporters", "Exporters that Prometheus scrapes.", f"count({BUILD})"),
        Panel(
            title="Version",
            description="The version of the exporter and of Python; more than one while a release rolls out.",
            drawing=NAME,
            queries=(Query(f"count by (version, python_version) ({BUILD})", VERSION_NAME),),
            unit="none",
            width=5,
        ),
    )


def _configurations() -> tuple[Panel, ...]:
    return (
        figure(
            "Configuration",
            "Whether every exporter runs with its configuration as it was last read.",
            f"min({own('config_last_reload_successful', INSTANCE)})",
            "none",
            width=5,
            steps=GOOD_AT_ONE,
            mappings=words({"0": ("refused", "red"), "1": ("in use", "green")}),
        ),
        figure(
            "Configuration read",
            "When an exporter last read its configuration well; of several exporters, the one that did so longest ago.",
            f"min({own('config_last_reload_success_timestamp_seconds', INSTANCE)}) * {MILLISECONDS}",
            "dateTimeFromNow",
            width=5,
        ),
        figure(
            "State file",
            "Whether every exporter that has a state file can read and write it; without it the next start reads anew.",
            f"min({own('state_file_usable', INSTANCE)})",
            "none",
            width=5,
            steps=GOOD_AT_ONE,
            no_value="No exporter has one",
            mappings=words({"0": ("not usable", "red"), "1": ("in use", "green")}),
        ),
    )


def _processes() -> tuple[Panel, ...]:
    return (
        _process("Memory", "Resident memory of each exporter.", "process_resident_memory_bytes{%s}", "bytes"),
        _process(
            "CPU",
            "CPU time that each exporter takes: 1 is a whole processor.",
            rate("process_cpu_seconds_total{%s}"),
            "short",
        ),
        _process("Open files", "Open files and sockets of each exporter.", "process_open_fds{%s}", "short"),
        _process("Uptime", "How long each exporter has been running.", "time() - process_start_time_seconds{%s}", "s"),
    )


def _process(title: str, description: str, expr: str, unit: str) -> Panel:
    """Return a figure of each exporter's process; the build's row keeps the processes of other programs out."""
    return Panel(
        title=title,
        description=description,
        drawing=LINES,
        queries=(Query(f"{expr % INSTANCE} and on (job, instance) {BUILD}", "{{instance}}"),),
        unit=unit,
        width=6,
        least=0,
    )
