"""The dashboards show the counts, statuses and failures of a new kind without a change."""

import json
from dataclasses import replace
from typing import Any

import pytest

from exporter.kinds.kind import ItemSeries, Kind, SeriesSelector
from exporter.kinds.metric import Metric, breakdown, gauge
from exporter.kinds.phase import Phase, phase
from exporter.kinds.registry import KINDS
from exporter.monitoring.dashboards.exporter import exporter_dashboard
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.operation import operation_dashboard
from tests.kinds.test_fifth_kind import CONFIG, FIVE_KINDS, KIND, SCENARIO
from tests.support.dashboards import panels
from tests.support.exporter_server import serve_simulation
from tests.support.prometheus import prometheus_with_history
from tests.support.repository import ROOT

SOURCES = sorted((ROOT / "exporter" / "monitoring" / "dashboards").glob("*.py"))
KIND_WITH_UNITS: Kind[Any] = replace(
    KIND,
    metrics=(
        *KIND.metrics,
        gauge("aws_iot_ota_update_signing_seconds", "How long.", lambda update: 1.0),
        gauge("aws_iot_ota_update_image_bytes", "How much.", lambda update: 1.0),
        gauge("aws_iot_ota_update_signed_timestamp_seconds", "When, in Unix seconds.", lambda update: 1.0),
        breakdown("aws_iot_ota_update_devices", "How many, by phase.", "phase", lambda update: (("bad", 2),)),
    ),
    items=ItemSeries(
        failed=(
            SeriesSelector("aws_iot_ota_update_files"),
            SeriesSelector("aws_iot_ota_update_devices", "phase", ("bad", "worse")),
        )
    ),
)


def operation_panels(*kinds: Kind[Any]) -> dict[str, dict[str, Any]]:
    """Return the panels of the operation dashboard by title."""
    return {panel["title"]: panel for panel in panels(json.loads(operation_dashboard(kinds)))}


def test_a_count_of_a_kind_is_on_the_panel_of_counts() -> None:
    added = operation_panels(*FIVE_KINDS)["Counts"]["targets"][-1]
    assert added["legendFormat"] == "files"
    assert "(aws_iot_ota_update_files{" in added["expr"]
    assert added["refId"] not in {target["refId"] for target in operation_panels(*KINDS)["Counts"]["targets"]}


def test_a_new_unit_or_label_has_a_panel_of_its_own() -> None:
    before, after = operation_panels(*FIVE_KINDS), operation_panels(*KINDS, KIND_WITH_UNITS)
    units = {title: after[title]["fieldConfig"]["defaults"]["unit"] for title in after.keys() - before.keys()}
    assert units == {"Durations": "s", "Sizes": "bytes", "Timestamps": "dateTimeAsIso", "Devices by phase": "short"}
    assert after["Timestamps"]["targets"][0]["expr"].endswith(" * 1000")
    (phases,) = after["Devices by phase"]["targets"]
    assert phases["legendFormat"] == "{{phase}}"
    assert phases["expr"].startswith("max by (aws_account_id, aws_region, kind, id, phase) (")
    assert after["Devices by phase"]["description"] == "How many, by phase."


def test_more_queries_than_letters_have_unique_references() -> None:
    many: tuple[Metric[Any], ...] = tuple(
        gauge(f"aws_iot_ota_update_{number}", "Many.", lambda update: 1.0) for number in range(60)
    )
    targets = operation_panels(replace(KIND, metrics=many))["Counts"]["targets"]
    assert len({target["refId"] for target in targets}) == len(targets) == 60


def test_the_statuses_of_a_kind_have_phases_and_colours() -> None:
    assert {status: phase(KIND, status) for status in (*KIND.statuses, "Unknown")} == {
        "CREATE_PENDING": Phase.WAITING,
        "CREATE_IN_PROGRESS": Phase.RUNNING,
        "CREATE_COMPLETE": Phase.COMPLETED,
        "CREATE_FAILED": Phase.FAILED,
        "DELETE_IN_PROGRESS": Phase.ENDING,
        "DELETE_FAILED": Phase.FAILED,
        "Unknown": Phase.UNKNOWN,
    }
    overrides = operation_panels(*FIVE_KINDS)["Status"]["fieldConfig"]["overrides"]
    matchers = {override["matcher"]["options"] for override in overrides}
    assert {f"/^({status})$/i" for status in KIND.statuses} <= matchers


def test_a_status_has_the_same_phase_in_every_kind() -> None:
    found = {(phase(kind, status), status) for kind in KINDS for status in kind.statuses}
    assert {expected: sorted(status for phase, status in found if phase is expected) for expected in Phase} == {
        Phase.WAITING: ["SCHEDULED"],
        Phase.RUNNING: ["ACTIVE", "IN_PROGRESS", "InProgress", "Initializing", "Running"],
        Phase.ENDING: ["Cancelling", "DELETION_IN_PROGRESS", "Stopping"],
        Phase.UNKNOWN: [],
        Phase.FAILED: ["FAILED", "Failed"],
        Phase.STOPPED: ["CANCELED", "Cancelled", "Stopped"],
        Phase.COMPLETED: ["COMPLETED", "Completed"],
        Phase.ENDED: ["INACTIVE"],
    }


def test_prometheus_returns_the_numbers_of_a_new_kind(tmp_path_factory: pytest.TempPathFactory) -> None:
    kinds = (*KINDS, KIND_WITH_UNITS)
    stats = {panel["title"]: panel["targets"][0]["expr"] for panel in panels(json.loads(fleet_dashboard(kinds)))}
    folder = tmp_path_factory.mktemp("fifth")
    with (
        serve_simulation(CONFIG, SCENARIO, kinds) as simulation,
        prometheus_with_history(simulation.exporter, 1, ("a:10098",), folder) as history,
    ):
        everything = {"$account": ".*", "$region": ".*", "$kind": ".*", "$stalled": "30m"}
        for title, number in {"Active": 1, "Failed": 0, "With failures": 1, "Stalled": 0}.items():
            expression = stats[title]
            for name, value in everything.items():
                expression = expression.replace(name, value)
            (series,) = history.now(expression)
            assert float(series["value"][1]) == number


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.stem)
def test_no_dashboard_names_a_kind_or_its_metrics(file: Any) -> None:
    text = file.read_text(encoding="utf-8")
    names = {kind.name for kind in KINDS} | {metric.name for kind in KINDS for metric in kind.metrics}
    assert {name for name in names if name in text} == set()


def test_the_exporter_dashboard_shows_no_statuses() -> None:
    assert "status=~" not in exporter_dashboard()
