"""The generated page about the configuration names everything that the code uses."""

import ast
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import fields
from io import StringIO

import pytest

from exporter.cli.exit_status import ExitStatus
from exporter.cli.main import COMMANDS, PROGRAM, command_parser
from exporter.cli.reference import EXIT_STATUSES, LOG_FIELDS, SECTIONS, configuration_document
from exporter.config.sections import Config
from exporter.core.log import LibraryHandler, new_log
from exporter.core.model import CellKey
from exporter.kinds.registry import KINDS
from tests.support.processes import run_exporter
from tests.support.repository import ROOT

TEXTS = [file.read_text(encoding="utf-8") for file in (ROOT / "exporter").rglob("*.py")]
LEVELS = {"debug", "info", "warning", "error"}
PAGE = configuration_document(KINDS)


def calls() -> Iterator[ast.Call]:
    """Yield the calls in the code of the exporter."""
    return (node for text in TEXTS for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))


def logged_fields() -> Iterator[str]:
    """Yield the names of the facts in each call of a log."""
    for call in calls():
        function = call.func
        is_log = isinstance(function, ast.Attribute) and function.attr in LEVELS and call.args
        if is_log or (isinstance(function, ast.Name) and function.id == "write"):
            yield from (keyword.arg for keyword in call.keywords if keyword.arg)


def library_fields() -> set[str]:
    """Return the facts in the line about a warning of a library."""
    stream = StringIO()
    record = logging.makeLogRecord({"name": "some", "exc_info": (ValueError, ValueError(), None)})
    LibraryHandler(new_log(format="json", stream=stream)).emit(record)
    return set(json.loads(stream.getvalue()))


def test_the_page_has_a_section_for_every_part_of_the_file() -> None:
    assert {*Config.model_json_schema()["$defs"], Config.__name__} == SECTIONS.keys()


def test_the_page_explains_every_field_of_the_log() -> None:
    used = {*logged_fields(), *library_fields(), *(field.name for field in fields(CellKey))}
    assert used >= {"reason", "problems", "subject", "library"}
    assert used == LOG_FIELDS.keys()


def test_the_page_explains_every_environment_variable_that_the_code_reads() -> None:
    named = {name for text in TEXTS for name in re.findall(r'"(AWS_[A-Z_]+[A-Z]|[A-Z]+_(?:ORDINAL|TOTAL|URL))"', text)}
    assert {"AWS_REGION", "SHARD_TOTAL", "HEALTHCHECK_URL"} <= named
    assert {name for name in named if f"`{name}`" not in PAGE} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_has_every_flag_of_a_command(command: str) -> None:
    section = PAGE.partition(f"\n### {command}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    flags = {flag.name for flag in command_parser(command).flags()}
    assert set(re.findall(r"^\| `(\S+)` \|", section, re.MULTILINE)) == flags
    help = run_exporter(command, "--help").stdout
    assert set(re.findall(r"^  (--[\w.-]+)", help, re.MULTILINE)) == {flag for flag in flags if flag[0] == "-"}


def test_the_page_has_every_exit_status() -> None:
    assert {str(status.value) for status in ExitStatus} == EXIT_STATUSES.keys()


@pytest.mark.parametrize(("flag", "status"), [("--help", 0), ("--no-such-flag", 2)])
def test_the_exit_statuses_are_those_of_the_page(flag: str, status: int) -> None:
    assert run_exporter("serve", flag).returncode == status
    assert str(status) in EXIT_STATUSES
    assert PROGRAM in PAGE
