"""A reload replaces everything at once. Cells that stay keep their data, and an invalid file changes nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape
from tests.support.servers import hanging_endpoint
from tests.support.waiting import wait_until

ACCOUNT = '{{account_id: "111122223333", regions: [{regions}], watch: [{watch}]}}'
IDS = "{{kind: thing_registration_task, ids: [{}]}}"
SCENARIO = """
accounts: ["111122223333", "444455556666"]
quotas: false
operations:
  - &task
    kind: thing_registration_task
    id: short
    region: eu-west-1
    items: 1000
    timeline: [{at: 0s, status: InProgress}, {at: 30s, status: Completed, done: 1.0}]
  - {<<: *task, id: long, timeline: [{at: 0s, status: InProgress}, {at: 7d, done: 1.0}]}
  - {<<: *task, region: us-east-1}
  - {<<: *task, id: long, region: us-east-1, timeline: [{at: 0s, status: InProgress}, {at: 7d, done: 1.0}]}
"""
LONG = "/thing-registration-tasks/long"
COUNT = "aws_iot_thing_registration_task_succeeded_things"
SUCCESSFUL = "aws_iot_bulk_exporter_config_last_reload_successful"


def config(watch: str = IDS.format("short, long"), regions: str = "eu-west-1", more: str = "") -> str:
    """Return a configuration of one account."""
    return f"accounts: [{ACCOUNT.format(regions=regions, watch=watch)}]\n{more}"


def operations(exposed: str) -> set[tuple[str, str]]:
    """Return the Region and the id of each operation that has a count."""
    return {(labels["aws_region"], labels["id"]) for labels, _ in Scrape(exposed).rows(COUNT)}


def values(exposed: str, name: str) -> dict[str, float]:
    """Return the values of a metric by Region, or by an empty name if it has no Region."""
    return {labels.get("aws_region", ""): value for labels, value in Scrape(exposed).rows(name)}


def at_once(exporter: ServedExporter) -> str:
    """Return the metrics at a moment when nothing is due."""
    return exporter.scrape(after=0.0)


def test_the_same_file_again_causes_no_call_and_keeps_all_series() -> None:
    with serve_simulation(config(), SCENARIO) as simulation:
        before = simulation.exporter.scrape()
        assert simulation.requests_of(lambda: simulation.exporter.reload(config())) == []
        assert simulation.requests_of(lambda: at_once(simulation.exporter)) == []
        assert operations(at_once(simulation.exporter)) == operations(before)
        assert simulation.requests_of(simulation.exporter.scrape) == [LONG]


def test_a_removed_region_leaves_the_metrics_at_once_and_counters_continue() -> None:
    with serve_simulation(config(regions="eu-west-1, us-east-1"), SCENARIO) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(config())
        exposed = at_once(simulation.exporter)
    assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
    for name in ("up", "operations", "api_budget_ratio", "last_success_timestamp_seconds"):
        assert values(exposed, f"aws_iot_bulk_exporter_{name}").keys() == {"eu-west-1"}
    assert values(exposed, "aws_iot_bulk_exporter_api_requests_total") == {"eu-west-1": 2.0, "us-east-1": 2.0}


def test_an_added_id_is_read_with_the_next_scrape_and_a_final_one_is_not_read_again() -> None:
    with serve_simulation(config(IDS.format("short")), SCENARIO) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(config())
        assert simulation.requests_of(lambda: at_once(simulation.exporter)) == [LONG]
        assert operations(at_once(simulation.exporter)) == {("eu-west-1", "short"), ("eu-west-1", "long")}


DISCOVER = "{{kind: thing_registration_task, discover: {}}}"


@pytest.mark.parametrize(
    ("before", "after", "stays"),
    [
        (config(IDS.format("short, long")), config(IDS.format("long")), {"long"}),
        (config(IDS.format("short, long")), config(DISCOVER.format("true")), {"short", "long"}),
        (config(IDS.format("short, long")), config(DISCOVER.format("{statuses: [InProgress]}")), {"long"}),
        (config(DISCOVER.format("true")), config(DISCOVER.format("{id_pattern: ^s}")), {"short"}),
        (config(DISCOVER.format("true")), config(DISCOVER.format("{statuses: [Failed]}")), set()),
        (config(DISCOVER.format("true")), config(DISCOVER.format("{max_operations: 1}")), {"long"}),
        (config(DISCOVER.format("true")), config(IDS.format("short")), {"short"}),
        (config(DISCOVER.format("{statuses: [Completed]}")), config(DISCOVER.format("true")), {"short"}),
        (config(IDS.format("short, long")), config("{kind: greengrass_bulk_deployment, discover: true}"), set()),
        pytest.param(config(), config().replace("111122223333", "444455556666"), set(), id="another account"),
    ],
)
def test_only_operations_that_are_still_watched_keep_their_series_while_aws_fails(
    before: str, after: str, stays: set[str]
) -> None:
    fails = "faults: [{from: 61s, error: InternalFailureException, status: 500}]\n"
    with serve_simulation(before, SCENARIO + fails) as simulation:
        simulation.exporter.scrape()
        assert simulation.exporter.reload(after).status_code == 200
        assert operations(simulation.exporter.scrape(after=2.0)) == {("eu-west-1", id) for id in stays}


def test_an_invalid_file_is_refused_with_all_its_problems_and_the_old_one_stays_in_use() -> None:
    invalid = config(more="refresh: {min_age: SECRET}\naws: {api_budget: 7}\n")
    with serve_simulation(config(), SCENARIO) as simulation:
        exporter = simulation.exporter
        exporter.scrape()
        response = exporter.reload(invalid)
        assert response.status_code == 500
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        assert response.text.splitlines() == [
            "refresh.min_age: expected a duration such as 10s, 5m or 7d",
            "aws.api_budget: must be at most 1",
        ]
        exposed = at_once(exporter)
        assert values(exposed, SUCCESSFUL) == {"": 0.0}
        assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
        assert exporter.log.getvalue().count("configuration not reloaded") == 1
        assert exporter.reload(config()).status_code == 200
        assert values(at_once(exporter), SUCCESSFUL) == {"": 1.0}
    assert "SECRET" not in exporter.log.getvalue() + response.text


def test_a_refresh_of_a_removed_cell_does_not_restore_its_series() -> None:
    with serve_simulation(config(regions="eu-west-1, us-east-1"), SCENARIO + "latency: 300ms\n") as simulation:
        simulation.exporter.scrape(within="0.51")
        simulation.exporter.reload(config())
        for _ in range(3):
            exposed = simulation.exporter.scrape()
            assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
            assert values(exposed, "aws_iot_bulk_exporter_up") == {"eu-west-1": 1.0}


def test_a_scrape_in_progress_returns_only_the_new_configuration() -> None:
    hangs = "faults: [{region: us-east-1, delay: 60s}]\n"
    with serve_simulation(config(regions="us-east-1"), SCENARIO + hangs) as simulation, ThreadPoolExecutor(1) as pool:
        scraped = pool.submit(simulation.exporter.scrape)
        wait_until(lambda: simulation.requests or None, "a request")
        simulation.exporter.reload(config())
        exposed = scraped.result(timeout=30)
    assert operations(exposed) == {("eu-west-1", "short"), ("eu-west-1", "long")}
    assert values(exposed, "aws_iot_bulk_exporter_up") == {"eu-west-1": 1.0}


def test_concurrent_reloads_all_succeed_one_after_the_other() -> None:
    with serve_simulation(config(), SCENARIO) as simulation, ThreadPoolExecutor(8) as pool:
        exporter = simulation.exporter
        statuses = list(pool.map(lambda _: exporter.reload(config()).status_code, range(16)))
        assert statuses == [200] * 16
        assert exporter.log.getvalue().count("configuration reloaded") == 16


def test_a_reload_changes_limits_and_labels() -> None:
    with serve_simulation(config(), SCENARIO) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(
            config(more="aws: {api_budget: 0.25}\nlabels: {tags: [team]}\nrefresh: {min_age: 2m}\n")
        )
        exposed = at_once(simulation.exporter)
        assert values(exposed, "aws_iot_bulk_exporter_api_budget_ratio") == {"eu-west-1": 0.25}
        assert 'tag_team=""' in exposed
        assert simulation.requests_of(lambda: simulation.exporter.scrape(after=100.0)) == []
        assert simulation.requests_of(lambda: simulation.exporter.scrape(after=21.0)) == [LONG]


ROLES = """
accounts:
  - name: field
    regions: [eu-west-1]
    role_arn: arn:aws:iam::111122223333:role/{role}
    external_id: {external}
    watch: [{{kind: thing_registration_task, ids: [long]}}]
aws: {{read_timeout: {timeout}}}
"""
TRUST = """
roles:
  - {arn: "arn:aws:iam::111122223333:role/reader", external_id: first}
  - {arn: "arn:aws:iam::111122223333:role/auditor", external_id: second}
"""


@pytest.mark.parametrize(
    ("role", "external", "timeout", "assumed"),
    [("reader", "first", "8s", 0), ("auditor", "second", "8s", 1), ("reader", "first", "9s", 1)],
)
def test_a_role_is_assumed_again_only_if_it_or_a_time_out_changed(
    role: str, external: str, timeout: str, assumed: int
) -> None:
    with serve_simulation(ROLES.format(role="reader", external="first", timeout="8s"), SCENARIO + TRUST) as simulation:
        simulation.exporter.scrape()
        simulation.exporter.reload(ROLES.format(role=role, external=external, timeout=timeout))
        requests = simulation.requests_of(lambda: simulation.exporter.scrape(after=1000.0))
        assert requests.count("/") == assumed
        assert operations(at_once(simulation.exporter)) == {("eu-west-1", "long")}


def test_reload_and_configuration_respond_while_aws_hangs() -> None:
    slow = config(more="refresh: {deadline: 1h}\naws: {read_timeout: 1h}\n")
    with (
        ThreadPoolExecutor(1) as pool,
        hanging_endpoint() as (endpoint, aws),
        serve_exporter(slow, endpoint) as exporter,
    ):
        scraped = pool.submit(http_requests.get, f"{exporter.url}/metrics", timeout=3600)
        connection, _ = aws.accept()
        assert http_requests.get(f"{exporter.url}/config").status_code == 200
        assert exporter.reload("accounts: []").status_code == 500
        assert exporter.reload(slow).status_code == 200
        assert not scraped.done()
        header = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}
        assert http_requests.get(f"{exporter.url}/metrics", headers=header).status_code == 200
        connection.close()
