"""/probe reads one operation on demand, as a cell would, and never for more than was configured."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.collector.probe import MOST_AT_ONCE
from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, Simulation, serve_exporter, serve_simulation
from tests.support.exposition_rows import parse_openmetrics
from tests.support.scripted_endpoint import ScriptedAws, error_response, json_response
from tests.support.servers import hanging_endpoint, serve_app

CONFIG = """
accounts:
  - {account_id: "111122223333", regions: [eu-west-1], watch: [{kind: thing_registration_task, ids: [watched]}]}
"""
MANY = """
accounts:
  - {name: factory, account_id: "111122223333", regions: [eu-west-1, us-east-1]}
  - {name: field, account_id: "444455556666", regions: [eu-west-1]}
"""
SCENARIO = """
accounts: ["111122223333"]
quotas: false
operations:
  - &task
    kind: thing_registration_task
    id: watched
    region: eu-west-1
    items: 1000
    timeline: [{at: 0s, status: InProgress}, {at: 7d, done: 1.0}]
  - {<<: *task, id: other}
  - {<<: *task, kind: iot_job, id: job, timeline: [{at: 0s, status: IN_PROGRESS}, {at: 7d, done: 1.0}]}
"""
TASK = {"kind": "thing_registration_task", "id": "other"}
OTHER = "/thing-registration-tasks/other"


def probe(
    exporter: ServedExporter, asked: dict[str, str] = TASK, after: float = 60.0, within: str = "60"
) -> httpx.Response:
    """Return the answer of a probe."""
    exporter.clock.advance(after)
    header = {"X-Prometheus-Scrape-Timeout-Seconds": within}
    return http_requests.get(f"{exporter.url}/probe", params=asked, headers=header)


def samples(text: str) -> dict[str, float]:
    """The samples of the probe itself; an error's name is followed by its reason."""
    found = (one for family in parse_text(text) for one in family.samples)
    own = (one for one in found if one.name.startswith("aws_iot_bulk_exporter_"))
    return {" ".join((one.name.removeprefix("aws_iot_bulk_exporter_"), *one.labels.values())): one.value for one in own}


def requests_of(simulation: Simulation, asked: dict[str, str] = TASK, after: float = 60.0) -> list[str]:
    """The requests of one probe."""
    return simulation.requests_of(lambda: probe(simulation.exporter, asked, after))


def test_a_probe_gives_the_rows_that_metrics_would_give_and_how_it_went() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        exposed = simulation.exporter.scrape()
        probed = probe(simulation.exporter, {"kind": "thing_registration_task", "id": "watched"}, after=0.0).text
    rows = [row for row in exposed.splitlines() if 'id="watched"' in row]
    assert [row for row in probed.splitlines() if 'id="watched"' in row] == rows
    assert samples(probed) == {"probe_success": 1.0, "probe_duration_seconds": 0.0}


@pytest.mark.parametrize("asked", [TASK, {"kind": "iot_job", "id": "job"}])
def test_an_operation_that_nobody_watches_can_be_probed_and_does_not_get_into_the_metrics(
    asked: dict[str, str],
) -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        assert f'id="{asked["id"]}"' in probe(simulation.exporter, asked).text
        assert f'id="{asked["id"]}"' not in simulation.exporter.scrape()


def test_any_number_of_probes_of_one_operation_cost_one_pass_until_min_age_is_over() -> None:
    with serve_simulation(CONFIG, SCENARIO + "latency: 200ms\n") as simulation, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: probe(simulation.exporter, after=0.0).text, range(8)))
        assert simulation.requests == [OTHER]
        assert len(set(answers)) == 1
        assert requests_of(simulation, after=9.0) == []
        assert requests_of(simulation, after=2.0) == [OTHER]


def test_a_probe_is_negotiated_as_a_scrape_is() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        headers = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
        response = http_requests.get(f"{simulation.exporter.url}/probe", params=TASK, headers=headers)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.headers["content-encoding"] == "gzip"
    assert "aws_iot_bulk_exporter_probe_success" in {family.name for family in parse_openmetrics(response.text)}


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("", ["kind: expected one of", "account: is missing, and more than one is watched here"]),
        ("kind=<b>&id=a&account=factory&region=eu-west-1", ["kind: expected one of"]),
        ("kind=iot_job&account=factory&region=eu-west-1", ["id: expected an id"]),
        ("kind=iot_job&id=..&account=factory&region=eu-west-1", ["id: expected an id"]),
        ("kind=iot_job&id=a%2Fb&account=factory&region=eu-west-1", ["id: expected an id"]),
        (f"kind=iot_job&id={'x' * 65}&account=factory&region=eu-west-1", ["id: expected an id"]),
        ("kind=iot_job&id=a&account=factory", ["region: is missing, and more than one is watched here"]),
        ("kind=iot_job&id=a&account=factory&region=eu-west-3", ["region: none of those that are watched here"]),
        ("kind=iot_job&id=a&account=field&region=us-east-1", ["region: none of those that are watched here"]),
        ("kind=iot_job&id=a&account=SECRET", ["account: none of those that are watched here"]),
        ("kind=iot_job&id=a&id=b&account=field", ["id: given more than once"]),
        ("kind=iot_job&id=a&acount=field", ["unknown parameter; expected one of kind, id, region, account"]),
        ("kind=a&id=%00&region=x&account=y", ["kind: expected one of", "account: none of those"]),
    ],
)
def test_what_is_not_configured_is_refused_without_asking_aws(query: str, problems: list[str]) -> None:
    with serve_simulation(MANY, SCENARIO) as simulation:
        response = http_requests.get(f"{simulation.exporter.url}/probe?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    lines = response.text.splitlines()
    assert [line[: len(said)] for line, said in zip(lines, problems, strict=True)] == problems
    assert not any(value in response.text for value in ("SECRET", "<b>"))
    assert simulation.requests == []


def test_an_account_or_a_region_may_be_left_out_where_there_is_only_one() -> None:
    with serve_simulation(MANY, SCENARIO) as simulation:
        response = probe(simulation.exporter, {**TASK, "account": "factory", "region": "eu-west-1"})
        assert samples(response.text)["probe_success"] == 1.0
        assert probe(simulation.exporter, {**TASK, "account": "field"}).status_code == 200


def test_a_failure_is_told_with_its_reason_and_an_unknown_id_is_asked_for_again() -> None:
    aws = ScriptedAws({OTHER: error_response("AccessDeniedException", 403, "SECRET")})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        denied = probe(exporter)
        assert samples(denied.text) == {
            "probe_success": 0.0,
            "probe_duration_seconds": 0.0,
            "probe_error access_denied": 1.0,
        }
        del aws.responses[OTHER]
        assert samples(probe(exporter).text)["probe_error not_found"] == 1.0
        aws.responses[OTHER] = json_response({"status": "InProgress"})
        assert samples(probe(exporter).text)["probe_success"] == 1.0
        assert "SECRET" not in denied.text + exporter.log.getvalue()


def test_a_probe_waits_no_longer_than_its_scraper_and_the_next_one_gets_what_came_of_it() -> None:
    with serve_simulation(CONFIG, SCENARIO + "latency: 300ms\n") as simulation:
        assert samples(probe(simulation.exporter, within="0.51").text)["probe_error timeout"] == 1.0
        assert samples(probe(simulation.exporter, after=0.0).text)["probe_success"] == 1.0
        assert simulation.requests == [OTHER]


def test_no_more_operations_than_a_number_are_read_at_once_and_the_others_are_not_held_up() -> None:
    patient = f"{CONFIG}aws: {{read_timeout: 1h}}\n"
    with hanging_endpoint() as (endpoint, _), serve_exporter(patient, endpoint) as exporter:
        answers = [probe(exporter, {**TASK, "id": str(number)}, 0.0, "0.51") for number in range(MOST_AT_ONCE + 1)]
        assert [one.status_code for one in answers] == [200] * MOST_AT_ONCE + [503]
        assert answers[-1].headers["retry-after"] == "1"
        assert http_requests.get(f"{exporter.url}/-/healthy").status_code == 200


def test_a_probe_knows_the_new_configuration_as_soon_as_it_holds() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        asked = {**TASK, "account": "default"}
        assert probe(simulation.exporter, asked).status_code == 200
        simulation.exporter.reload(MANY)
        assert probe(simulation.exporter, asked).status_code == 400


def test_a_cell_does_not_wait_for_the_answer_to_a_probe_and_asks_for_itself() -> None:
    job = {"job": {"jobId": "j", "status": "IN_PROGRESS"}}
    deployment = {"deploymentStatus": "ACTIVE", "iotJobId": "j"}
    aws = ScriptedAws({"/jobs/j": json_response(job), "/greengrass/v2/deployments/d": json_response(deployment)})
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: greengrass_deployment, ids: [d]}]}]'
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert samples(probe(exporter, {"kind": "iot_job", "id": "j"}).text)["probe_success"] == 1
        assert aws.requests.count("/jobs/j") == 1
        exporter.scrape(after=1.0)
    assert aws.requests.count("/jobs/j") == 2
