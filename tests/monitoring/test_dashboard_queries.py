"""Every query of the dashboards gives what it says, asked of a real Prometheus that a pair of exporters has fed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.support.dashboards import PRINTED, panels, queries, variables
from tests.support.prometheus_history import History, prometheus_with_history
from tests.support.restarted_exporter import restartable_exporter

FACTORY, FIELD = "111122223333", "444455556666"
CONFIG = """
accounts:
  - name: factory
    account_id: "111122223333"
    regions: [eu-west-1]
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: greengrass_bulk_deployment, discover: true, details: true}
      - {kind: iot_job, discover: true}
  - name: field
    role_arn: arn:aws:iam::444455556666:role/reader
    regions: [us-east-1]
    watch:
      - {kind: thing_registration_task, discover: true}
      - {kind: iot_job, discover: true}
      - {kind: greengrass_deployment, discover: true}
labels: {tags: [team]}
"""
SCENARIO = """
accounts: ["111122223333", "444455556666"]
operations:
  - {kind: thing_registration_task, id: moving, region: eu-west-1, items: 90000, input: "s3://bucket/things",
     timeline: [{at: 0s, status: InProgress}, {at: 150m, status: Completed, done: 1.0, failed: 0.1}]}
  - {kind: thing_registration_task, id: standing, region: eu-west-1, items: 1000,
     timeline: [{at: 0s, status: InProgress}, {at: 15m, done: 0.4}]}
  - {kind: thing_registration_task, id: refused, region: us-east-1, account: "444455556666", items: 10,
     timeline: [{at: 0s, status: InProgress}, {at: 10m, status: Failed}]}
  - {kind: greengrass_bulk_deployment, id: moving-v1, region: eu-west-1, items: 500, retries: 40,
     error_codes: [CoreNotConnected], tags: {team: edge},
     timeline: [{at: 0s, status: Initializing}, {at: 2m, status: Running},
                {at: 150m, status: Completed, done: 1.0, failed: 0.1}]}
  - {kind: greengrass_bulk_deployment, id: standing-v1, region: eu-west-1, items: 10,
     timeline: [{at: 0s, status: Running}, {at: 15m, done: 0.5}]}
  - {kind: iot_job, id: moving-job, region: eu-west-1, items: 800,
     timeline: [{at: 0s, status: IN_PROGRESS}, {at: 150m, status: COMPLETED, done: 1.0, failed: 0.1}]}
  - {kind: iot_job, id: waiting-job, region: eu-west-1, items: 800,
     timeline: [{at: 0s, status: SCHEDULED}]}
  - {kind: greengrass_deployment, id: moving-v2, region: us-east-1, account: "444455556666", items: 400,
     timeline: [{at: 0s, status: ACTIVE}, {at: 150m, status: COMPLETED, done: 1.0, failed: 0.1}]}
faults:
  - {account: "444455556666", api: ListJobs, error: AccessDeniedException, status: 403}
"""
MINUTES = 55
"""Less than what a role's credentials last: botocore's clock is the real one, and does not see that they end."""
ONE_OF_EACH = (
    {"account": FACTORY, "region": "eu-west-1", "kind": "thing_registration_task", "id": "moving"},
    {"account": FACTORY, "region": "eu-west-1", "kind": "greengrass_bulk_deployment", "id": "moving-v1"},
    {"account": FACTORY, "region": "eu-west-1", "kind": "iot_job", "id": "moving-job"},
    {"account": FIELD, "region": "us-east-1", "kind": "greengrass_deployment", "id": "moving-v2"},
)
EVERYTHING = {"account": ".*", "region": ".*", "kind": ".*", "instance": ".*"}
"""What Grafana puts in where All is chosen."""


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    """A Prometheus that knows an hour of two exporters, which say the same."""
    folder = tmp_path_factory.mktemp("history")
    with (
        restartable_exporter(SCENARIO, folder / "state.db") as restarts,
        restarts.exporter(CONFIG) as exporter,
        prometheus_with_history(exporter, MINUTES, ("a:10098", "b:10098"), folder) as known,
    ):
        yield known


def filled(text: str, dashboard: Mapping[str, Any], chosen: Mapping[str, str]) -> str:
    """Return a query with its variables replaced, as Grafana does it."""
    spans = {name: one["current"]["value"] for name, one in variables(dashboard).items() if one["type"] == "interval"}
    values = {**spans, **chosen, "__rate_interval": "4m", "__range": "1h"}
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], text)


def answers(
    history: History, dashboard: Mapping[str, Any], target: Mapping[str, Any], chosen: Mapping[str, str]
) -> Any:
    """Return what Grafana would get for one query."""
    query = filled(target["expr"], dashboard, chosen)
    return history.now(query) if target["instant"] else history.over_time(query, 3600)


def figure(history: History, subject: str, title: str, chosen: Mapping[str, str]) -> float | None:
    """Return the figure that a panel shows, None where it has none."""
    (panel,) = (one for one in panels(PRINTED[subject]) if one["title"] == title)
    series = answers(history, PRINTED[subject], panel["targets"][0], chosen)
    assert len(series) <= 1
    return float(series[0]["value"][1]) if series else None


@pytest.mark.parametrize("subject", PRINTED)
def test_every_query_gives_data(history: History, subject: str) -> None:
    dashboard = PRINTED[subject]
    choices = ONE_OF_EACH if "id" in variables(dashboard) else (EVERYTHING,)
    empty = [
        (panel["title"], target["refId"])
        for panel, target in queries(dashboard)
        if not any(answers(history, dashboard, target, chosen) for chosen in choices)
    ]
    assert empty == []


@pytest.mark.parametrize(
    ("title", "value"),
    [("Going on", 7), ("Failed", 1), ("With failures", 4), ("Stalled", 2), ("Cells down", 1), ("Oldest figures", 0)],
)
def test_the_overview_counts_an_operation_of_a_pair_of_exporters_once(history: History, title: str, value: int) -> None:
    assert figure(history, "dashboard", title, EVERYTHING) == pytest.approx(value, abs=0.001)


def test_the_overview_shows_what_is_chosen_and_says_so_where_nothing_is(history: History) -> None:
    field = {**EVERYTHING, "account": f"({FIELD})"}
    assert figure(history, "dashboard", "Going on", field) == 1
    assert figure(history, "dashboard", "Stalled", field) == 0
    assert figure(history, "dashboard", "Failed", field) == 1
    assert figure(history, "dashboard", "Failed", {**EVERYTHING, "region": "(eu-central-1)"}) is None


def test_what_stands_still_is_stalled_and_nothing_else(history: History) -> None:
    (panel,) = (one for one in panels(PRINTED["dashboard"]) if one["title"] == "Operations" and one["type"] == "table")
    (stalled,) = (one for one in panel["targets"] if "changes(" in one["expr"])
    series = answers(history, PRINTED["dashboard"], stalled, EVERYTHING)
    assert sorted(one["metric"]["id"] for one in series) == ["standing", "standing-v1"]


def test_the_table_of_operations_joins_on_labels_that_each_query_has_and_shows_what_they_give(history: History) -> None:
    (panel,) = (one for one in panels(PRINTED["dashboard"]) if one["title"] == "Operations" and one["type"] == "table")
    fields: set[str] = set()
    for target in panel["targets"]:
        series = answers(history, PRINTED["dashboard"], target, EVERYTHING)
        assert all(one["metric"].keys() >= {"aws_account_id", "aws_region", "kind", "id"} for one in series)
        assert len({one["metric"]["id"] for one in series}) == len(series)
        fields |= {f"Value #{target['refId']}", *(label for one in series for label in one["metric"])}
    shown = [one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]]
    assert set(shown) - fields <= {"name"}
    assert fields - set(shown) == {"Value #A", "Value #G"}


@pytest.mark.parametrize(("chosen", "failures"), list(zip(ONE_OF_EACH, (3300, 18, 29, 14), strict=True)))
def test_the_detail_counts_failures_of_every_kind(history: History, chosen: Mapping[str, str], failures: int) -> None:
    assert figure(history, "dashboard-operation", "Failures", chosen) == pytest.approx(failures, rel=0.1)


def test_the_estimated_end_is_where_the_simulation_ends(history: History) -> None:
    end = figure(history, "dashboard-operation", "Estimated end", ONE_OF_EACH[0])
    assert end is not None
    assert end / 1000 == pytest.approx(history.end + 95 * 60, rel=0, abs=300)


@pytest.mark.parametrize("subject", PRINTED)
def test_the_variables_offer_what_there_is(history: History, subject: str) -> None:
    dashboard = PRINTED[subject]
    chosen = ONE_OF_EACH[0] if "id" in variables(dashboard) else EVERYTHING
    offered: dict[str, set[str]] = {}
    for name, variable in variables(dashboard).items():
        if variable["type"] == "query" and name != "account":
            match = re.fullmatch(r"label_values\((.*), (\w+)\)", filled(variable["query"]["query"], dashboard, chosen))
            assert match is not None
            offered[name] = set(history.values_of(match[2], match[1]))
    wanted = {
        "region": {"eu-west-1"} if chosen is not EVERYTHING else {"eu-west-1", "us-east-1"},
        "kind": {one["kind"] for one in ONE_OF_EACH[: 3 if chosen is not EVERYTHING else 4]},
        "id": {"moving", "standing"},
        "instance": {"a:10098", "b:10098"},
    }
    assert offered == {name: values for name, values in wanted.items() if name in variables(dashboard)}


@pytest.mark.parametrize("subject", PRINTED)
def test_accounts_are_offered_by_name_and_chosen_by_number(history: History, subject: str) -> None:
    account = variables(PRINTED[subject])["account"]
    match = re.fullmatch(r"query_result\((.*)\)", filled(account["query"]["query"], PRINTED[subject], {}))
    assert match is not None
    pattern = re.compile(account["regex"].strip("/").replace("(?<", "(?P<"))
    found = [pattern.search(_as_grafana_writes_it(one["metric"])) for one in history.now(match[1])]
    assert {(one["text"], one["value"]) for one in found if one} == {("factory", FACTORY), ("field", FIELD)}


def _as_grafana_writes_it(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "} 1 1766000000000"
