"""Every alert has a runbook. Its queries and commands are valid."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name

from exporter.aws.errors import REASONS
from exporter.cli.main import PROGRAM, parse_arguments
from exporter.core.errors import Reason
from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import ALERTS, Alert
from tests.support.promql import Promtool, exposed_metrics, metric_names, recorded_metrics
from tests.support.repository import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
SYSTEM_COMMANDS = {"curl", "grep", "kubectl"}
COMMON_AWS_FLAGS = {"region", "query", "output", "profile"}
PROMETHEUS_METRICS = {"scrape_duration_seconds"}
# The suffixes of the series of a histogram.
HISTOGRAM_SUFFIX = re.compile(r"_(bucket|sum|count)$")

# The alerts whose next question is which items failed, and why.
WITH_FAILED_ITEMS = (
    "AwsIotBulkFailureRatioHigh",
    "AwsIotBulkInvalidInputRecords",
    "AwsIotBulkOperationAborted",
    "AwsIotBulkOperationFailed",
    "AwsIotBulkOperationFinishedWithFailures",
    "AwsIotBulkOperationOutcomeUnknown",
)

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def text_of(alert: Alert) -> str:
    return (RUNBOOKS / f"{alert.name}.md").read_text(encoding="utf-8")


def lines(text: str, language: str) -> list[str]:
    """Return the lines of all code blocks of a language."""
    blocks = [content for name, content in BLOCK.findall(text) if name == language]
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every command in a text, including commands behind a pipe."""
    for line in lines(text, "sh"):
        for is_pipe, words in groupby(shlex.split(line), lambda word: word == "|"):
            if not is_pipe:
                yield list(words)


@cache
def aws_operations(service: str) -> dict[str, Any]:
    """Return the operations of a service by their names in the AWS CLI."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {file.stem for file in RUNBOOKS.iterdir()} == {alert.name for alert in ALERTS}


@every_alert
def test_a_runbook_has_all_sections_and_none_is_empty(alert: Alert) -> None:
    title, *sections = re.split(r"^## ", text_of(alert), flags=re.MULTILINE)
    assert title.strip() == f"# {alert.name}"
    assert [section.partition("\n")[0] for section in sections] == SECTIONS
    assert all(len(section.split()) > 10 for section in sections)


@every_alert
def test_a_diagnosis_contains_queries_and_commands(alert: Alert) -> None:
    diagnosis = text_of(alert).partition("## Diagnosis")[2].partition("## Mitigation")[0]
    assert lines(diagnosis, "promql")
    assert lines(diagnosis, "sh")


@every_alert
def test_the_queries_of_a_runbook_are_valid_and_use_existing_metrics(
    alert: Alert, tmp_path: Path, promtool: Promtool
) -> None:
    queries = lines(text_of(alert), "promql")
    rules = [{"record": f"runbook:query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": rules}]}))
    promtool("check", "rules", file)
    used = {name for query in queries for name in metric_names(query)}
    families = {HISTOGRAM_SUFFIX.sub("", name) for name in used}
    assert families - exposed_metrics() - recorded_metrics() - PROMETHEUS_METRICS == set()


@every_alert
def test_the_commands_of_a_runbook_exist_with_their_flags(alert: Alert) -> None:
    for words in commands(text_of(alert)):
        if words[0] == PROGRAM:
            parse_arguments(words[1], [word.replace("=KIND", f"={KINDS[0].name}") for word in words[2:]])
        elif words[0] == "aws":
            assert_aws_command(words)
        else:
            assert words[0] in SYSTEM_COMMANDS


def assert_aws_command(words: list[str]) -> None:
    operation = aws_operations(words[1])[words[2]]
    parameters = {xform_name(name, "-") for name in (operation.input_shape.members if operation.input_shape else ())}
    flags = {word.removeprefix("--") for word in words[3:] if word.startswith("--")}
    assert flags <= parameters | COMMON_AWS_FLAGS
    required = {xform_name(name, "-") for name in operation.input_shape.required_members}
    assert required <= flags


@every_alert
def test_every_kubectl_command_of_a_runbook_names_its_namespace(alert: Alert) -> None:
    for words in commands(text_of(alert)):
        assert words[0] != "kubectl" or "-A" in words or words[1:3] == ["--namespace", "monitoring"]


@every_alert
def test_a_command_that_runs_beside_the_exporter_has_a_form_for_kubernetes(alert: Alert) -> None:
    text = text_of(alert)
    found = list(commands(text))
    if "--live" in text:
        assert ["kubectl", "exec", "--live"] in [[words[0], words[3], words[-1]] for words in found if len(words) > 3]
    if re.search(r"//(localhost|127[.]0[.]0[.]1):", text):
        assert ["kubectl", "--namespace", "monitoring", "port-forward", "POD", "10098"] in found


@every_alert
def test_no_shell_expands_a_word_of_a_command(alert: Alert) -> None:
    without_quotes = re.sub(r"'[^']*'|\"[^\"]*\"", "", "\n".join(lines(text_of(alert), "sh")))
    assert re.findall(r"[][*?{}!]", without_quotes) == []


def test_the_query_for_denied_requests_finds_every_code_of_them_and_no_other() -> None:
    text = (RUNBOOKS / "AwsIotBulkExporterAccessDenied.md").read_text(encoding="utf-8")
    (pattern,) = re.findall(r'code=~"([^"]+)"', text)
    # A denial without a code of AWS has the code of its status.
    codes = {*REASONS, "4xx"}
    denied = {code for code in REASONS if REASONS[code] is Reason.ACCESS_DENIED}
    assert {code for code in codes if re.fullmatch(pattern, code)} == {*denied, "4xx"}


@pytest.mark.parametrize("name", WITH_FAILED_ITEMS)
def test_the_runbook_of_failed_items_names_the_failures_command_before_the_aws_cli(name: str) -> None:
    diagnosis = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8").partition("## Diagnosis")[2]
    (first, *later) = [words[:2] for words in commands(diagnosis)]
    assert first == [PROGRAM, "failures"]
    assert "aws" in {program for program, *_ in later}


@every_alert
def test_a_runbook_links_only_to_pages_that_exist(alert: Alert) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", text_of(alert))
    assert [link for link in links if not (RUNBOOKS / link).exists()] == []
