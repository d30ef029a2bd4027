"""Every query of the dashboards returns correct data from a Prometheus that has scraped a pair of exporters."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.kinds.registry import KINDS
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.queries import failures
from exporter.monitoring.promql import failed_items_by
from exporter.monitoring.selection import Selection
from tests.kinds import test_fifth_kind
from tests.monitoring.recorded_pair import FACTORY, FIELD, PAIR
from tests.monitoring.test_dashboards import KIND_WITH_UNITS
from tests.support.dashboards import (
    EVERYTHING,
    PRINTED,
    panel_titled,
    panels,
    queries,
    query_result,
    variables,
    with_variables,
)
from tests.support.exporter_server import serve_simulation
from tests.support.prometheus import History, prometheus_with_history, record
from tests.support.promql import Promtool

ONE_OF_EACH = (
    {"account": FACTORY, "region": "eu-west-1", "kind": "thing_registration_task", "id": "moving"},
    {"account": FACTORY, "region": "eu-west-1", "kind": "greengrass_bulk_deployment", "id": "moving-v1"},
    {"account": FACTORY, "region": "eu-west-1", "kind": "iot_job", "id": "moving-job"},
    {"account": FIELD, "region": "us-east-1", "kind": "greengrass_deployment", "id": "moving-v2"},
    {"account": FACTORY, "region": "eu-west-1", "kind": "iot_job", "id": "aborted-job"},
)
# They have values that the others have not.
SPECIAL = (
    {"account": FACTORY, "region": "eu-west-1", "kind": "thing_registration_task", "id": "standing"},
    {"account": FACTORY, "region": "eu-west-1", "kind": "iot_job", "id": "waiting-job"},
)


def stat_value(history: History, subject: str, title: str, chosen: Mapping[str, str]) -> float | None:
    """Return the number that a panel shows, or None if it has none."""
    series = query_result(history, PRINTED[subject], panel_titled(subject, title)["targets"][0], chosen)
    assert len(series) <= 1
    return float(series[0]["value"][1]) if series else None


# The exporter of the history finds no accounts and Regions, and can access every account, so that these are empty.
OF_FOUND = {"Found cells", "Age of idle cells", "Accounts of organizations", "Age of lists of accounts"}
EMPTY = OF_FOUND | {"Inaccessible accounts", "Denied cells"}


@pytest.mark.parametrize("subject", PRINTED)
def test_every_query_returns_data(history: History, subject: str) -> None:
    dashboard = PRINTED[subject]
    choices = (*ONE_OF_EACH, *SPECIAL) if "id" in variables(dashboard) else (EVERYTHING,)
    empty = [
        (panel["title"], target["refId"])
        for panel, target in queries(dashboard)
        if not any(query_result(history, dashboard, target, chosen) for chosen in choices)
    ]
    assert {title for title, _ in empty} == (EMPTY if subject == "dashboard-exporter" else set())


@pytest.mark.parametrize(
    ("title", "value"),
    [("Active", 7), ("Failed", 1), ("With failures", 5), ("Stalled", 2), ("Cells down", 1), ("Oldest data", 0)],
)
def test_the_fleet_dashboard_counts_an_operation_of_a_pair_of_exporters_once(
    history: History, title: str, value: int
) -> None:
    assert stat_value(history, "dashboard", title, EVERYTHING) == pytest.approx(value, abs=0.001)


def test_the_fleet_dashboard_shows_only_the_chosen_operations(history: History) -> None:
    field = {**EVERYTHING, "account": f"({FIELD})"}
    assert stat_value(history, "dashboard", "Active", field) == 1
    assert stat_value(history, "dashboard", "Stalled", field) == 0
    assert stat_value(history, "dashboard", "Failed", field) == 1
    assert stat_value(history, "dashboard", "Failed", {**EVERYTHING, "region": "(eu-central-1)"}) is None


def test_only_operations_without_progress_are_stalled(history: History) -> None:
    (stalled,) = (
        target for target in panel_titled("dashboard", "Operations")["targets"] if "changes(" in target["expr"]
    )
    series = query_result(history, PRINTED["dashboard"], stalled, EVERYTHING)
    assert sorted(entry["metric"]["id"] for entry in series) == ["standing", "standing-v1"]


def test_the_table_of_operations_joins_its_queries_on_common_labels_and_shows_their_fields(history: History) -> None:
    panel = panel_titled("dashboard", "Operations")
    fields: set[str] = set()
    for target in panel["targets"]:
        series = query_result(history, PRINTED["dashboard"], target, EVERYTHING)
        assert all(entry["metric"].keys() >= {"aws_account_id", "aws_region", "kind", "id"} for entry in series)
        assert len({entry["metric"]["id"] for entry in series}) == len(series)
        fields |= {f"Value #{target['refId']}", *(label for entry in series for label in entry["metric"])}
    shown = [override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]]
    assert set(shown) - fields <= {"name"}
    assert fields - set(shown) == {"Value #A", "Value #G"}


@pytest.mark.parametrize(("chosen", "number"), list(zip(ONE_OF_EACH, (3300, 18, 29, 14, 80), strict=True)))
def test_the_operation_dashboard_counts_failures_of_every_kind(
    history: History, chosen: Mapping[str, str], number: int
) -> None:
    assert stat_value(history, "dashboard-operation", "Failures", chosen) == pytest.approx(number, rel=0.1)


def test_the_graph_of_failures_adds_those_of_the_operations_and_is_0_without_any(history: History) -> None:
    (target,) = panel_titled("dashboard", "Failures")["targets"]
    sums = f"sum by (aws_account_id, aws_region, kind) ({failures(KINDS, '')})"
    graph, expected = (
        {tuple(sorted(entry["metric"].items())): entry["values"] for entry in series}
        for series in (query_result(history, PRINTED["dashboard"], target, EVERYTHING), history.over_time(sums, 3600))
    )
    assert graph == expected
    (without_failures,) = history.now(failed_items_by(KINDS, ["kind"], 'id="waiting-job"'))
    assert without_failures["value"][1] == "0"


def test_the_estimated_end_is_the_end_of_the_simulation(history: History) -> None:
    end = stat_value(history, "dashboard-operation", "Estimated end", ONE_OF_EACH[0])
    assert end is not None
    assert end / 1000 == pytest.approx(history.end + 95 * 60, rel=0, abs=300)


@pytest.mark.parametrize("subject", PRINTED)
def test_the_variables_offer_the_existing_values(history: History, subject: str) -> None:
    dashboard = PRINTED[subject]
    chosen = EVERYTHING | (ONE_OF_EACH[0] if "id" in variables(dashboard) else {})
    offered: dict[str, set[str]] = {}
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query" and name != "account":
            query = with_variables(variable["query"]["query"], dashboard, chosen)
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
            assert match is not None
            offered[name] = set(history.values_of(match[2], match[1]))
    wanted = {
        "job": {"aws-iot-bulk"},
        "namespace": set(),
        "cluster": set(),
        "region": {"eu-west-1"} if chosen != EVERYTHING else {"eu-west-1", "us-east-1"},
        "kind": {choice["kind"] for choice in ONE_OF_EACH[: 3 if chosen != EVERYTHING else 4]},
        "id": {"moving", "standing"},
        "instance": set(PAIR),
    }
    assert offered == {name: values for name, values in wanted.items() if name in variables(dashboard)}


@pytest.mark.parametrize("subject", PRINTED)
def test_accounts_are_offered_by_name_and_chosen_by_id(history: History, subject: str) -> None:
    account = variables(PRINTED[subject])["account"]
    match = re.fullmatch(
        r"query_result\((.*)\)", with_variables(account["query"]["query"], PRINTED[subject], EVERYTHING)
    )
    assert match is not None
    pattern = re.compile(account["regex"].strip("/").replace("(?<", "(?P<"))
    matches = [pattern.search(_grafana_text(entry["metric"])) for entry in history.now(match[1])]
    assert {(match["text"], match["value"]) for match in matches if match} == {("factory", FACTORY), ("field", FIELD)}


def _grafana_text(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "} 1 1766000000000"


def test_prometheus_returns_the_numbers_of_a_new_kind(tmp_path: Path) -> None:
    kinds = (*KINDS, KIND_WITH_UNITS)
    dashboard = json.loads(fleet_dashboard(kinds))
    stats = {panel["title"]: panel["targets"][0] for panel in panels(dashboard)}
    with serve_simulation(test_fifth_kind.CONFIG, test_fifth_kind.SCENARIO, kinds) as simulation:
        recording = record(simulation.exporter, 1, ("a:10098",), tmp_path)
    with prometheus_with_history(recording, tmp_path) as history:
        for title, number in {"Active": 1, "Failed": 0, "With failures": 1, "Stalled": 0}.items():
            (series,) = query_result(history, dashboard, stats[title], EVERYTHING)
            assert float(series["value"][1]) == number


REFUSED = """
accounts: ["777788889999"]
organizations: [{management_account: "777788889999", accounts: [{id: "777788889999"}, {id: "100000000001", count: 2}]}]
roles: [{arn: "arn:aws:iam::100000000001:role/reader"}]
operations: []
faults: [{account: "100000000001", region: us-east-1, error: AccessDeniedException, status: 403}]
"""
OF_ORGANIZATION = """
organizations:
  - {role_name: reader, exclude: {accounts: ["777788889999"]}, regions: [eu-west-1, us-east-1],
     watch: [{kind: iot_job, discover: true}]}
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, prometheus_program: str) -> Iterator[History]:
    """Each supported Prometheus with data from two exporters that find the same accounts."""
    folder = tmp_path_factory.mktemp("found")
    with serve_simulation(OF_ORGANIZATION, REFUSED) as simulation:
        recording = record(simulation.exporter, 3, PAIR, folder)
    with prometheus_with_history(recording, folder, prometheus_program) as known:
        yield known


def test_an_inaccessible_account_whose_cells_have_no_series_is_not_missing_from_the_dashboards(found: History) -> None:
    down = [stat_value(found, subject, "Cells down", EVERYTHING) for subject in ("dashboard", "dashboard-exporter")]
    assert down == [1, 1]
    reasons, _ = results_of_panel(found, "Inaccessible accounts")
    assert [series["metric"]["reason"] for series in reasons] == ["access_denied"]
    assert reasons[0]["metric"]["aws_account_id"] == "100000000002"
    query = with_variables(variables(PRINTED["dashboard"])["account"]["query"]["query"], PRINTED["dashboard"], {})
    offered = found.now(query.removeprefix("query_result(").removesuffix(")"))
    assert [series["metric"]["aws_account_id"] for series in offered] == ["100000000002"]


def test_the_found_cells_of_a_pair_of_exporters_count_once(found: History) -> None:
    # One account has an idle and a denied cell, and the other one two inaccessible ones.
    results = results_of_panel(found, "Found cells")
    assert [series[0]["values"][-1][1] for series in results if series] == ["1", "2", "1"]
    ((denied,),) = results_of_panel(found, "Denied cells")
    assert (denied["metric"]["aws_region"], denied["values"][-1][1]) == ("us-east-1", "1")


def results_of_panel(history: History, title: str) -> list[Any]:
    """Return the series of each query of a panel of the exporter dashboard."""
    targets = panel_titled("dashboard-exporter", title)["targets"]
    return [query_result(history, PRINTED["dashboard-exporter"], target, EVERYTHING) for target in targets]


# Each exporter is a process and makes requests of its own.
OF_PROCESSES = {"Exporters", "Version", "Memory", "CPU", "Open files", "Uptime"}
OF_REQUESTS = {"Requests", "Errors", "Response time"}


@pytest.mark.parametrize(
    ("subject", "names"),
    [
        ("dashboard", set()),
        ("dashboard-operation", set()),
        ("dashboard-exporter", OF_PROCESSES | OF_REQUESTS),
    ],
)
def test_a_pair_of_exporters_gives_every_other_panel_the_numbers_of_one_of_them(
    history: History, subject: str, names: set[str]
) -> None:
    assert panels_that_differ(history, subject) == names


def test_a_pair_that_finds_accounts_gives_every_other_panel_the_numbers_of_one_of_them(found: History) -> None:
    assert panels_that_differ(found, "dashboard-exporter") - OF_REQUESTS == OF_PROCESSES


def panels_that_differ(history: History, subject: str) -> set[str]:
    """Return the titles of the panels that show other numbers without the second exporter of a pair."""
    dashboard, first = PRINTED[subject], Selection(f'instance="{PAIR[0]}"')
    choices = (*ONE_OF_EACH, *SPECIAL) if "id" in variables(dashboard) else (EVERYTHING,)
    return {
        panel["title"]
        for panel, target in queries(dashboard)
        for chosen in choices
        if samples(query_result(history, dashboard, target, chosen))
        != samples(query_result(history, dashboard, {**target, "expr": first.apply(target["expr"])}, chosen))
    }


def samples(series: Any) -> dict[tuple[tuple[str, str], ...], list[Any]]:
    """Return the values of series by their labels, without differences that come from the order of additions."""
    return {
        tuple(sorted(entry["metric"].items())): [
            [time, f"{float(value):.9g}"] for time, value in entry.get("values") or [entry["value"]]
        ]
        for entry in series
    }


@pytest.mark.parametrize(
    ("title", "labels"), [("Found cells", '{kind="k"}'), ("Denied cells", '{aws_region="r", kind="k"}')]
)
def test_the_found_cells_of_shards_and_of_releases_are_added(
    title: str, labels: str, tmp_path: Path, promtool: Promtool
) -> None:
    # Two exporters of the first shard, the second shard, and another release.
    cells = {("prod", "a", 0): 3, ("prod", "b", 0): 4, ("prod", "c", 1): 50, ("staging", "a", 0): 600}
    dashboard = PRINTED["dashboard-exporter"]
    targets = panel_titled("dashboard-exporter", title)["targets"]
    place = ', aws_region="r", kind="k"'
    names = ("idle_cells", "waiting_cells", "inaccessible_cells", "denied_cells")
    test = {
        "interval": "1m",
        "input_series": [
            {"series": f'aws_iot_bulk_exporter_{name}{{job="{job}", instance="{instance}"{cell}}}', "values": value}
            for (job, instance, ordinal), number in cells.items()
            for name, cell, value in (("shard_ordinal", "", ordinal), *((name, place, number) for name in names))
        ],
        "promql_expr_test": [
            {
                "expr": with_variables(target["expr"], dashboard, EVERYTHING),
                "eval_time": "0m",
                "exp_samples": [{"labels": labels, "value": 4 + 50 + 600}],
            }
            for target in targets
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps({"tests": [test]}))
    promtool("test", "rules", file)


@pytest.mark.parametrize("label", ["job", "namespace", "cluster"])
@pytest.mark.parametrize(
    ("title", "number", "name", "expected"),
    [
        ("Accounts of organizations", 0, "organization_accounts", (4, 700)),
        ("Accounts of organizations", 1, "organization_last_read_successful", (4, 700)),
        ("Age of lists of accounts", 0, "organization_last_read_success_timestamp_seconds", (3600 - 4, 3600 - 700)),
    ],
)
def test_releases_with_different_organizations_are_told_apart(
    label: str, title: str, number: int, name: str, expected: tuple[int, int], tmp_path: Path, promtool: Promtool
) -> None:
    # A pair of exporters and another release. Each of them calls its own first organization organizations[0].
    target = panel_titled("dashboard-exporter", title)["targets"][number]
    assert f"{{{{{label}}}}}" in target["legendFormat"]
    organization = 'organization="organizations[0]"'
    values = {("prod", "a"): 4, ("prod", "b"): 4, ("staging", "a"): 700}
    test = {
        "interval": "1h",
        "input_series": [
            {
                "series": f'aws_iot_bulk_exporter_{name}{{{label}="{release}", instance="{instance}", {organization}}}',
                "values": f"{value} {value}",
            }
            for (release, instance), value in values.items()
        ],
        "promql_expr_test": [
            {
                "expr": with_variables(target["expr"], PRINTED["dashboard-exporter"], EVERYTHING),
                "eval_time": "1h",
                "exp_samples": [
                    {"labels": f'{{{label}="{release}", {organization}}}', "value": value}
                    for release, value in zip(("prod", "staging"), expected, strict=True)
                ],
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(json.dumps({"tests": [test]}))
    promtool("test", "rules", file)
