"""The runbooks: one for each alert, and what they tell to type can be typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore import xform_name

from exporter.cli.main import COMMANDS, PROGRAM
from exporter.monitoring.alerts import ALERTS
from exporter.monitoring.rule import Alert
from tests.support.promql import exposed_metrics, metrics_of, promtool, recorded_metrics
from tests.support.repository import ROOT

RUNBOOKS = ROOT / "docs" / "runbooks"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
OF_THE_SYSTEM = {"curl", "grep", "kubectl"}
OF_EVERY_AWS_COMMAND = {"region", "query", "output", "profile"}
OF_PROMETHEUS = {"scrape_duration_seconds"}
PART = re.compile(r"_(bucket|sum|count)$")
"""What the rows of a histogram add to its name."""

every_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)


def text_of(alert: Alert) -> str:
    return (RUNBOOKS / f"{alert.name}.md").read_text(encoding="utf-8")


def lines(text: str, language: str) -> list[str]:
    """Return the lines of every block of a language."""
    blocks = [content for name, content in BLOCK.findall(text) if name == language]
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def commands(text: str) -> Iterator[list[str]]:
    """Give every command in a text as words, those behind a pipe too."""
    for line in lines(text, "sh"):
        words = shlex.split(line)
        while "|" in words:
            place = words.index("|")
            yield words[:place]
            words = words[place + 1 :]
        yield words


@cache
def aws_operations(service: str) -> dict[str, Any]:
    """Return the operations of a service by the names that AWS's command line gives them."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def test_every_runbook_belongs_to_an_alert() -> None:
    assert {file.stem for file in RUNBOOKS.iterdir()} == {alert.name for alert in ALERTS}


@every_alert
def test_a_runbook_has_its_sections_and_none_of_them_is_empty(alert: Alert) -> None:
    title, *sections = re.split(r"^## ", text_of(alert), flags=re.MULTILINE)
    assert title.strip() == f"# {alert.name}"
    assert [section.partition("\n")[0] for section in sections] == SECTIONS
    assert all(len(section.split()) > 10 for section in sections)


@every_alert
def test_a_diagnosis_begins_with_what_can_be_looked_at(alert: Alert) -> None:
    diagnosis = text_of(alert).partition("## Diagnosis")[2].partition("## Mitigation")[0]
    assert lines(diagnosis, "promql")
    assert lines(diagnosis, "sh")


@every_alert
def test_the_queries_of_a_runbook_parse_and_name_real_metrics(alert: Alert, tmp_path: Path) -> None:
    queries = lines(text_of(alert), "promql")
    rules = [{"record": f"runbook:query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "runbook", "rules": rules}]}))
    promtool("check", "rules", file)
    used = {name for query in queries for name in metrics_of(query)}
    families = {PART.sub("", name) for name in used}
    assert families - exposed_metrics() - recorded_metrics() - OF_PROMETHEUS == set()


@every_alert
def test_the_commands_of_a_runbook_exist_with_their_flags(alert: Alert) -> None:
    for words in commands(text_of(alert)):
        if words[0] == PROGRAM:
            assert_own(words)
        elif words[0] == "aws":
            assert_aws(words)
        else:
            assert words[0] in OF_THE_SYSTEM


def assert_own(words: list[str]) -> None:
    (command,) = [command for command in COMMANDS if command.name == words[1]]
    flags = {flag.name for flag in command.flags}
    assert {word.partition("=")[0] for word in words[2:]} <= flags | set(command.words)


def assert_aws(words: list[str]) -> None:
    operation = aws_operations(words[1])[words[2]]
    parameters = {xform_name(name, "-") for name in (operation.input_shape.members if operation.input_shape else ())}
    flags = {word.removeprefix("--") for word in words[3:] if word.startswith("--")}
    assert flags <= parameters | OF_EVERY_AWS_COMMAND
    required = {xform_name(name, "-") for name in operation.input_shape.required_members}
    assert required <= flags


@every_alert
def test_a_runbook_links_only_to_pages_that_exist(alert: Alert) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", text_of(alert))
    assert [link for link in links if not (RUNBOOKS / link).exists()] == []
