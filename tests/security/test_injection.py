"""What AWS and the configuration call things is text wherever it is shown: no row, no line, no tag, no command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.support.exporter_server import ServedExporter, serve_exporter
from tests.support.exposition_rows import parse_openmetrics
from tests.support.promql import exposed_metrics
from tests.support.repository import ROOT
from tests.support.required_programs import program
from tests.support.scripted_endpoint import ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

# Texts that mean something to a format, a terminal, a template or a page.
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
# Ids that are none: nothing is asked for them.
REFUSED = ("a b", "a\nb", "..", ".", "", "\0", "\x1b[2J")
# What somebody may call an account; the configuration's writer is trusted, but may be mistaken.
NAMED = 'evil"}\n# EOF\nts=2026-01-01 level=error msg=evil \x1b[2J<b>'
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
ANSWERS = {
    **{
        f"/thing-registration-tasks/t{number}": json_response(
            {"status": text, "inputFileBucket": "b", "inputFileKey": text}
        )
        for number, text in enumerate(HOSTILE)
    },
    **{
        f"/greengrass/v2/deployments/d{number}": json_response(
            {
                "deploymentId": f"d{number}",
                "deploymentStatus": "COMPLETED",
                "deploymentName": text,
                "targetArn": text,
                "tags": {"team": text, text: text},
            }
        )
        for number, text in enumerate(HOSTILE)
    },
    "/greengrass/bulk/deployments/bulk/status": json_response(
        {"BulkDeploymentStatus": "Failed", "ErrorDetails": [{"DetailedErrorCode": text} for text in HOSTILE]}
    ),
    "/greengrass/bulk/deployments": json_response(
        {"BulkDeployments": [{"BulkDeploymentId": text} for text in (*HOSTILE, *REFUSED) if text]}
    ),
}


def shown(text: str) -> str:
    """Return a text as UTF-8 can hold it."""
    return text.encode("utf-8", "replace").decode()


@pytest.fixture(scope="module")
def aws() -> ScriptedAws:
    """An AWS that calls things by hostile names, and refuses what it does not know with one."""
    return ScriptedAws({**ANSWERS, "/thing-registration-tasks/gone": error_response(HOSTILE[0], 404, HOSTILE[0])})


@pytest.fixture(scope="module")
def hostile(aws: ScriptedAws) -> Iterator[ServedExporter]:
    """An exporter of that AWS, which has read all of it."""
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        exporter.scrape()
        yield exporter


def texts(families: Iterable[Family]) -> tuple[set[str], set[str]]:
    """Return the names of the rows, and the values of their labels."""
    samples = [sample for family in families for sample in family.samples]
    return {sample.name for sample in samples}, {value for sample in samples for value in sample.labels.values()}


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text"])
def test_every_name_comes_back_as_it_was_from_its_own_label_and_makes_no_row(
    hostile: ServedExporter, accept: str
) -> None:
    text = hostile.scrape(after=0.0, accept=accept)
    names, values = texts(parse_text(text) if accept == "text/plain" else parse_openmetrics(text))
    assert {name for name in names if not name.startswith(("process_", "python_"))} <= exposed_metrics() | made(names)
    assert {shown(one) for one in (*HOSTILE, NAMED)} <= values
    assert text.count("# EOF\n") == (accept != "text/plain")


def made(names: set[str]) -> set[str]:
    """Return the names that a histogram makes of its own."""
    return {name for name in names if re.sub(r"_(bucket|count|sum)$", "", name) in exposed_metrics()}


def test_promtool_reads_them_all(hostile: ServedExporter) -> None:
    text = hostile.scrape(after=0.0).encode()
    checked = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_the_json_tells_them_as_they_were(hostile: ServedExporter) -> None:
    found = httpx.get(f"{hostile.url}/api/v1/operations", params={"kind": "greengrass_deployment"}).json()
    told = {one["id"]: (one["name"], one["target"], one["account"]) for one in found["operations"]}
    assert told == {f"d{number}": (shown(text), shown(text), NAMED) for number, text in enumerate(HOSTILE)}


def test_an_event_is_one_line_of_the_log(hostile: ServedExporter) -> None:
    lines = hostile.log.getvalue().splitlines()
    assert lines
    assert [line for line in lines if not re.match(r"ts=\S+ level=(info|warning) msg=", line)] == []
    assert [line for line in lines if not line.isprintable()] == []


def test_nothing_is_asked_of_aws_for_an_id_that_is_none(hostile: ServedExporter, aws: ScriptedAws) -> None:
    assert hostile.url
    asked = {path.removeprefix("/greengrass/bulk/deployments/") for path in aws.requests if path.endswith("/status")}
    assert "bulk/status" in asked
    assert not {f"{id}/status" for id in REFUSED} & asked
    assert all(path.startswith(("/thing-registration-tasks/", "/greengrass/", "/jobs")) for path in aws.requests)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_is_given_to_the_terminal(aws: ScriptedAws, tmp_path: Path, words: list[str]) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    with serve_app(aws.app()) as endpoint:
        environment = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        command = [sys.executable, "-m", "exporter", *words, f"--config.file={config}"]
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False, timeout=60)
    lines = (ended.stdout + ended.stderr).decode().splitlines()
    assert len(lines) > 1
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if re.match(r"ts=|#", line)] == []
