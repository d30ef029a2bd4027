"""A real Prometheus scrapes the demo, and promtool accepts its metrics."""

from collections.abc import Iterator

import pytest

from tests.support.exposition_rows import metrics_with
from tests.support.processes import run_demo
from tests.support.prometheus import query_series, run_prometheus
from tests.support.promql import Promtool
from tests.support.waiting import wait_until

REGISTERED = 'aws_iot_thing_registration_task_succeeded_things{aws_region="us-east-1"} > 0'


@pytest.fixture(scope="module")
def metrics_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the metrics of a running demo."""
    with run_demo(tmp_path_factory.mktemp("demo")) as url:
        yield url


@pytest.fixture(scope="module")
def prometheus_url(
    metrics_url: str, prometheus_program: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The URL of a Prometheus that scrapes the demo."""
    with run_prometheus(tmp_path_factory.mktemp("prometheus"), metrics_url, prometheus_program) as url:
        yield url


def test_promtool_accepts_the_metrics(metrics_url: str, promtool: Promtool) -> None:
    last = "aws_greengrass_bulk_deployment_groups"
    text = wait_until(lambda: metrics_with(metrics_url, last), "rows of every kind")
    assert promtool("check", "metrics", given=text) == ""
    assert "Cardinality" in promtool("check", "metrics", "--extended", given=text)


def test_prometheus_scrapes_the_demo_and_a_query_returns_the_simulated_counts(prometheus_url: str) -> None:
    series = wait_until(lambda: query_series(prometheus_url, REGISTERED) or None, "the counts of registered things")
    ended_yesterday = [row for row in series if row["metric"]["id"] == "74652f3c-0157-551c-a6fc-3aa21927e640"]
    assert [row["metric"]["aws_account_id"] for row in ended_yesterday] == ["111122223333"]
    assert [row["metric"]["kind"] for row in ended_yesterday] == ["thing_registration_task"]
    assert float(ended_yesterday[0]["value"][1]) > 0


def test_counts_join_with_the_status_and_the_info_of_their_operation(prometheus_url: str) -> None:
    same = "on (aws_account_id, aws_region, kind, id)"
    elsewhere = REGISTERED.replace("us-east", "eu-west")
    running = f'aws_iot_bulk_operation_status{{status="InProgress"}} == 1 and {same} ({elsewhere})'
    named = f"({REGISTERED}) * {same} group_left (input) aws_iot_bulk_operation_info"
    wait_until(lambda: query_series(prometheus_url, running) or None, "a running task with counts")
    series = wait_until(lambda: query_series(prometheus_url, named) or None, "counts with their input")
    assert all(row["metric"]["input"].startswith("s3://") for row in series)


def test_every_scrape_of_prometheus_succeeds(prometheus_url: str) -> None:
    wait_until(lambda: query_series(prometheus_url, 'up{job="aws-iot-bulk"} == 1') or None, "a scrape")
    assert query_series(prometheus_url, 'min_over_time(up{job="aws-iot-bulk"}[5m]) == 0') == []
    wait_until(lambda: not query_series(prometheus_url, "aws_iot_bulk_exporter_up == 0") or None, "all cells to be up")
