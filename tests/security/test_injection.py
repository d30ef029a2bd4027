"""Texts from AWS and the configuration stay text in every format, log, page and terminal."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.support import http_requests
from tests.support.exporter_server import ServedExporter, serve_exporter
from tests.support.exposition_rows import parse_openmetrics
from tests.support.processes import run_exporter
from tests.support.promql import Promtool, exposed_metrics
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

# Texts with a meaning in a format, a terminal, a template or a page.
HOSTILE = (
    '"} 1\n# HELP evil x\n# TYPE evil counter\nevil 1\n',
    "\n# EOF\n",
    "\\",
    '\\"',
    "\\n",
    'a",evil="b',
    "a\r\nevil 1\r\n",
    "{{ .Labels }}{{ printf `evil` }}",
    "$labels.id ${evil} %s {evil}",
    "<script>alert(1)</script>",
    "javascript:alert(1)//",
    "=HYPERLINK(evil)",
    "\x1b[2J\x1b]0;evil\x07\x9b31m",
    "\u202egnp.evil\u202c\u2066",
    "ev\u200bil\ufeff\u00ad",
    "line\u2028separator\u2029evil\x85",
    "NUL\0evil",
    "half \ud83d a pair",
    "e\u0301" * 50,
    "\U0001f600\U000e0041",
    "\nts=2026-01-01T00:00:00Z level=error msg=evil",
    "x" * 1000,
)
# Invalid ids. The exporter must not request them.
REFUSED = ("a b", "a\nb", "..", ".", "", "\0", "\x1b[2J")
# A hostile account name without control characters, which are refused. The author of a configuration is trusted, but
# can make mistakes.
NAMED = 'evil"} # EOF ts=2026-01-01 level=error msg=evil \u202e[2J<b>'
TASKS = [f"t{number}" for number in range(len(HOSTILE))]
DEPLOYMENTS = [f"d{number}" for number in range(len(HOSTILE))]
COMMANDS = (["check"], ["check", "--live"], ["watch", "--kind=greengrass_deployment", "--until-done"])
CONFIG = f"""
accounts:
  - name: {json.dumps(NAMED)}
    account_id: "111122223333"
    regions: [eu-west-1]
    watch:
      - {{kind: thing_registration_task, ids: {json.dumps(["gone", *TASKS])}}}
      - {{kind: greengrass_deployment, ids: {json.dumps(DEPLOYMENTS)}}}
      - {{kind: greengrass_bulk_deployment, ids: [bulk], discover: true}}
labels: {{tags: [team]}}
aws: {{api_budget: 1.0}}
"""


def deployment(id: str, text: str) -> HttpResponse:
    """Return the description of a deployment that contains a text wherever AWS allows one."""
    names = {"deploymentName": text, "targetArn": text, "tags": {"team": text, text: text}}
    return json_response({"deploymentId": id, "deploymentStatus": "COMPLETED", **names})


RESPONSES = {
    **{
        f"/thing-registration-tasks/{id}": json_response({"status": text, "inputFileBucket": "b", "inputFileKey": text})
        for id, text in zip(TASKS, HOSTILE, strict=True)
    },
    **{f"/greengrass/v2/deployments/{id}": deployment(id, text) for id, text in zip(DEPLOYMENTS, HOSTILE, strict=True)},
    "/greengrass/bulk/deployments/bulk/status": json_response(
        {"BulkDeploymentStatus": "Failed", "ErrorDetails": [{"DetailedErrorCode": text} for text in HOSTILE]}
    ),
    "/greengrass/bulk/deployments": json_response(
        {"BulkDeployments": [{"BulkDeploymentId": text} for text in (*HOSTILE, *REFUSED) if text]}
    ),
}


def encodable(text: str) -> str:
    """Return a text as UTF-8 can encode it."""
    return text.encode("utf-8", "replace").decode()


@pytest.fixture(scope="module")
def aws() -> ScriptedAws:
    """An AWS that returns hostile names, and uses one in its errors."""
    return ScriptedAws({**RESPONSES, "/thing-registration-tasks/gone": error_response(HOSTILE[0], 404, HOSTILE[0])})


@pytest.fixture(scope="module")
def hostile(aws: ScriptedAws) -> Iterator[ServedExporter]:
    """An exporter that has read that AWS."""
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        yield exporter


def texts(families: Iterable[Family]) -> tuple[set[str], set[str]]:
    """Return the names of all samples, and the values of their labels."""
    samples = [sample for family in families for sample in family.samples]
    return {sample.name for sample in samples}, {value for sample in samples for value in sample.labels.values()}


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
def test_every_hostile_text_is_the_value_of_its_label_and_adds_no_series(hostile: ServedExporter, accept: str) -> None:
    text = hostile.scrape(after=0.0, accept=accept)
    names, values = texts(parse_text(text) if accept == "text/plain" else parse_openmetrics(text))
    own_names = {name for name in names if not name.startswith(("process_", "python_"))}
    assert own_names <= exposed_metrics() | histogram_names(names)
    assert {encodable(text) for text in (*HOSTILE, NAMED)} <= values
    assert text.count("# EOF\n") == (accept != "text/plain")


def histogram_names(names: set[str]) -> set[str]:
    """Return the names that belong to a documented histogram."""
    return {name for name in names if re.sub(r"_(bucket|count|sum)$", "", name) in exposed_metrics()}


def test_promtool_accepts_every_hostile_text(hostile: ServedExporter, promtool: Promtool) -> None:
    assert promtool("check", "metrics", given=hostile.scrape(after=0.0)) == ""


def test_the_json_contains_hostile_texts_unchanged(hostile: ServedExporter) -> None:
    found = http_requests.get(f"{hostile.url}/api/v1/operations", params={"kind": "greengrass_deployment"}).json()
    operations = {entry["id"]: (entry["name"], entry["target"], entry["account"]) for entry in found["operations"]}
    encoded = map(encodable, HOSTILE)
    assert operations == {id: (text, text, NAMED) for id, text in zip(DEPLOYMENTS, encoded, strict=True)}


def test_every_event_is_one_line_of_the_log(hostile: ServedExporter) -> None:
    lines = hostile.log.getvalue().splitlines()
    assert lines
    assert [line for line in lines if not re.match(r"ts=\S+ level=(info|warn) msg=", line)] == []
    assert [line for line in lines if not line.isprintable()] == []


def test_the_exporter_requests_no_invalid_id(hostile: ServedExporter, aws: ScriptedAws) -> None:
    assert hostile.url
    ids = {path.removeprefix("/greengrass/bulk/deployments/") for path in aws.requests if path.endswith("/status")}
    assert "bulk/status" in ids
    assert not {f"{id}/status" for id in REFUSED} & ids
    assert all(path.startswith(("/thing-registration-tasks/", "/greengrass/", "/jobs")) for path in aws.requests)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_terminal_gets_no_control_characters(aws: ScriptedAws, tmp_path: Path, words: list[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    with serve_app(aws.app()) as endpoint:
        environment = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        ended = run_exporter(*words, f"--config.file={config}", environment=environment)
    lines = (ended.stdout + ended.stderr).splitlines()
    assert len(lines) > 1
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if re.match(r"ts=|#", line)] == []
