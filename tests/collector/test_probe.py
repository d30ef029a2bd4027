"""/probe reads one operation on demand, as a cell does, within the configured accounts and Regions."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from exporter.collector.probe import MAX_AT_ONCE
from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_exporter, serve_simulation
from tests.support.exposition_rows import Scrape, parse_openmetrics
from tests.support.scripted_endpoint import ScriptedAws, error_response, json_response
from tests.support.servers import hanging_endpoint, serve_app
from tests.support.waiting import TIMEOUT_SECONDS, wait_for_calls

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
    exporter: ServedExporter, parameters: dict[str, str] = TASK, after: float = 60.0, within: str = f"{TIMEOUT_SECONDS}"
) -> httpx.Response:
    """Return the response of a probe."""
    exporter.clock.advance(after)
    header = {"X-Prometheus-Scrape-Timeout-Seconds": within}
    return http_requests.get(f"{exporter.url}/probe", params=parameters, headers=header)


def samples(text: str) -> dict[str, float]:
    """Return the samples about the probe itself by name; the name of an error is followed by its reason."""
    prefix = "aws_iot_bulk_exporter_"
    own = [sample for sample in Scrape(text).samples if sample.name.startswith(prefix)]
    return {" ".join((sample.name.removeprefix(prefix), *sample.labels.values())): sample.value for sample in own}


def test_a_probe_returns_the_same_series_as_metrics_and_its_own_result() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        exposed = simulation.exporter.scrape()
        probed = probe(simulation.exporter, {"kind": "thing_registration_task", "id": "watched"}, after=0.0).text
    rows = [row for row in exposed.splitlines() if 'id="watched"' in row]
    assert [row for row in probed.splitlines() if 'id="watched"' in row] == rows
    assert samples(probed) == {"probe_success": 1.0, "probe_duration_seconds": 0.0}


@pytest.mark.parametrize("parameters", [TASK, {"kind": "iot_job", "id": "job"}])
def test_an_operation_that_is_not_watched_can_be_probed_and_does_not_appear_in_metrics(
    parameters: dict[str, str],
) -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        assert f'id="{parameters["id"]}"' in probe(simulation.exporter, parameters).text
        assert f'id="{parameters["id"]}"' not in simulation.exporter.scrape()


def test_probes_of_one_operation_share_one_refresh_until_min_age_is_over() -> None:
    with serve_simulation(CONFIG, SCENARIO + "latency: 200ms\n") as simulation, ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(lambda _: probe(simulation.exporter, after=0.0).text, range(8)))
        assert simulation.requests == [OTHER]
        assert len(set(responses)) == 1
        assert simulation.requests_of(lambda: probe(simulation.exporter, after=9.0)) == []
        assert simulation.requests_of(lambda: probe(simulation.exporter, after=2.0)) == [OTHER]


def test_a_probe_negotiates_its_format_as_a_scrape_does() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        headers = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
        response = http_requests.get(f"{simulation.exporter.url}/probe", params=TASK, headers=headers)
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.headers["content-encoding"] == "gzip"
    assert "aws_iot_bulk_exporter_probe_success" in {family.name for family in parse_openmetrics(response.text)}


@pytest.mark.parametrize(
    ("query", "problems"),
    [
        ("", ["kind: expected one of", "account: required, because this exporter watches more than one"]),
        ("kind=<b>&id=a&account=factory&region=eu-west-1", ["kind: expected one of"]),
        ("kind=iot_job&account=factory&region=eu-west-1", ["id: expected an id"]),
        ("kind=iot_job&id=..&account=factory&region=eu-west-1", ["id: expected an id"]),
        ("kind=iot_job&id=a%2Fb&account=factory&region=eu-west-1", ["id: expected an id"]),
        (f"kind=iot_job&id={'x' * 65}&account=factory&region=eu-west-1", ["id: expected an id"]),
        ("kind=iot_job&id=a&account=factory", ["region: required, because this exporter watches more than one"]),
        ("kind=iot_job&id=a&account=factory&region=eu-west-3", ["region: not watched by this exporter"]),
        ("kind=iot_job&id=a&account=field&region=us-east-1", ["region: not watched by this exporter"]),
        ("kind=iot_job&id=a&account=SECRET", ["account: not watched by this exporter"]),
        ("kind=iot_job&id=a&id=b&account=field", ["id: given more than once"]),
        ("kind=iot_job&id=a&acount=field", ["acount: unknown key; did you mean account?"]),
        ("kind=a&id=%00&region=x&account=y", ["kind: expected one of", "account: not watched by this exporter"]),
    ],
)
def test_a_target_that_is_not_configured_is_refused_without_a_call(query: str, problems: list[str]) -> None:
    with serve_simulation(MANY, SCENARIO) as simulation:
        response = http_requests.get(f"{simulation.exporter.url}/probe?{query}")
    assert response.status_code == 400
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    lines = response.text.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, problems, strict=True)] == problems
    assert not any(value in response.text for value in ("SECRET", "<b>"))
    assert simulation.requests == []


def test_an_account_or_a_region_may_be_left_out_if_there_is_only_one() -> None:
    with serve_simulation(MANY, SCENARIO) as simulation:
        response = probe(simulation.exporter, {**TASK, "account": "factory", "region": "eu-west-1"})
        assert samples(response.text)["probe_success"] == 1.0
        assert probe(simulation.exporter, {**TASK, "account": "field"}).status_code == 200


def test_a_failure_is_reported_with_its_reason_and_an_unknown_id_is_requested_again() -> None:
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


def test_a_probe_waits_no_longer_than_its_scraper_and_the_next_one_gets_the_result() -> None:
    with serve_simulation(CONFIG, SCENARIO + "latency: 300ms\n") as simulation:
        assert samples(probe(simulation.exporter, within="0.51").text)["probe_error timeout"] == 1.0
        assert samples(probe(simulation.exporter, after=0.0).text)["probe_success"] == 1.0
        assert simulation.requests == [OTHER]


def test_probes_above_the_limit_are_refused_at_once() -> None:
    patient = f"{CONFIG}aws: {{read_timeout: 1h}}\n"
    with hanging_endpoint() as (endpoint, _), serve_exporter(patient, endpoint) as exporter:
        responses = [probe(exporter, {**TASK, "id": str(number)}, 0.0, "0.51") for number in range(MAX_AT_ONCE + 1)]
        assert [response.status_code for response in responses] == [200] * MAX_AT_ONCE + [503]
        assert responses[-1].headers["retry-after"] == "1"
        assert http_requests.get(f"{exporter.url}/-/healthy").status_code == 200


def test_a_probe_uses_the_new_configuration_after_a_reload() -> None:
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        parameters = {**TASK, "account": "default"}
        assert probe(simulation.exporter, parameters).status_code == 200
        simulation.exporter.reload(MANY)
        assert probe(simulation.exporter, parameters).status_code == 400


def test_a_reload_during_a_probe_refuses_it_with_a_status() -> None:
    patient = f"{CONFIG}aws: {{read_timeout: 1h}}\n"
    with (
        ThreadPoolExecutor(1) as client,
        hanging_endpoint() as (endpoint, aws),
        serve_exporter(patient, endpoint) as exporter,
    ):
        response = client.submit(probe, exporter, within="10")
        connection, _ = aws.accept()
        exporter.reload(patient)
        refused = response.result()
        connection.close()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert "the configuration was reloaded" in refused.text
    wait_for_calls()


def test_a_cell_shares_no_response_with_a_probe() -> None:
    job = {"job": {"jobId": "j", "status": "IN_PROGRESS"}}
    deployment = {"deploymentStatus": "ACTIVE", "iotJobId": "j"}
    aws = ScriptedAws({"/jobs/j": json_response(job), "/greengrass/v2/deployments/d": json_response(deployment)})
    config = 'accounts: [{account_id: "111122223333", watch: [{kind: greengrass_deployment, ids: [d]}]}]'
    with serve_app(aws.app()) as endpoint, serve_exporter(config, endpoint) as exporter:
        assert samples(probe(exporter, {"kind": "iot_job", "id": "j"}).text)["probe_success"] == 1
        assert aws.requests.count("/jobs/j") == 1
        exporter.scrape(after=1.0)
    assert aws.requests.count("/jobs/j") == 2
