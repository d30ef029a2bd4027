"""Whatever somebody writes into a file: it is used, or refused in plain lines that name every fault and no secret."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from tests.properties.document_faults import PLANS, Plan
from tests.properties.example_counts import tried
from tests.properties.json_strategies import anything, mutated
from tests.properties.user_files import CONFIG, SECRET, SORTS, Sort, written
from tests.support.exporter_server import aws_environment
from tests.support.repository import ROOT
from tests.support.scripted_endpoint import error_response
from tests.support.virtual_exporter import VirtualExporters, virtual_exporters

WORDS = [
    SECRET,
    "accounts",
    "external_id",
    "- ",
    ": ",
    "\n",
    "\n  ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a",
    "*a",
    "!",
    "!!str ",
]
WORDS += [
    "'",
    '"',
    "|",
    ">",
    "%",
    "@",
    "?",
    "#",
    "<<: ",
    "~",
    "\t",
    "\\",
    "---\n",
    "0x",
    "2026-10-07",
    "\x07",
    "\ufeff",
]
WORDS += [
    "tls_server_config",
    "basic_auth_users",
    "alerts",
    "operations",
    "timeline",
    "\r\n",
    "\x85",
    "!!binary ",
    "=",
    ".inf",
]
contents = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode(errors="replace"))
    | st.lists(st.sampled_from(WORDS), max_size=25).map("".join).map(str.encode)
    | anything.map(yaml.safe_dump).map(lambda text: text.encode(errors="replace"))
)
every_sort = pytest.mark.parametrize("sort", SORTS, ids=lambda sort: sort.name)


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    """A machine without an AWS configuration, but with a Region."""
    with aws_environment("http://aws.invalid"):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the files are written."""
    return tmp_path_factory.mktemp("files")


def are_plain(problems: Sequence[str]) -> None:
    """Fail for a line that nobody can read, that stands there twice, or that quotes a secret."""
    assert [line for line in problems if not line.isprintable() or not line] == []
    assert len(set(problems)) == len(problems)
    assert [line for line in problems if SECRET in line] == []


@every_sort
@tried(30)
@given(content=contents)
def test_any_bytes_are_used_or_refused_in_plain_lines(sort: Sort, folder: Path, content: bytes) -> None:
    path = folder / "any.yaml"
    path.write_bytes(content)
    are_plain(sort.problems(path))


@every_sort
@tried(30)
@given(data=st.data())
def test_a_right_file_in_which_somebody_wrote_is_used_or_refused(sort: Sort, folder: Path, data: st.DataObject) -> None:
    document = data.draw(mutated(data.draw(st.sampled_from(sort.right))))
    problems = sort.problems(written(folder / "changed.yaml", document))
    event("refused" if problems else "used")
    are_plain(problems)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.sort.name)
@tried(30)
@given(data=st.data())
def test_every_fault_that_was_planted_is_named_and_no_other(plan: Plan, folder: Path, data: st.DataObject) -> None:
    planted = data.draw(plan.some())
    document: Any = plan.document
    for fault in planted:
        document = fault.into(document)
    problems = plan.sort.problems(written(folder / "planted.yaml", document))
    are_plain(problems)
    assert sorted(problem.partition(": ")[0] for problem in problems) == sorted(fault.told for fault in planted)


@tried(20)
@given(data=st.data())
def test_a_file_that_is_refused_changes_nothing(place: VirtualExporters, data: st.DataObject) -> None:
    with place.stage("") as stage:
        before, shown = stage.service.runtime, stage.get("/config").text
        stage.texts.append(yaml.safe_dump(data.draw(mutated(data.draw(st.sampled_from(CONFIG.right))))))
        answered = stage.get("/-/reload", method="POST")
        assert answered.status in (200, 500)
        assert SECRET not in answered.text + stage.log.getvalue() + stage.get("/config").text
        if answered.status == 500:
            assert stage.service.runtime is before
            assert stage.get("/config").text == shown
        assert f"reload_successful {float(answered.status == 200)}" in stage.scrape()


@pytest.fixture(scope="module")
def place(machine: None) -> Iterator[VirtualExporters]:
    with virtual_exporters(lambda api, request: error_response("AccessDeniedException", 403)) as found:
        yield found


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"accounts: [", b"? {a: *b}", b"accounts: [{external_id: s3cret value}]"]
)
def test_a_process_ends_with_2_and_without_a_traceback(folder: Path, content: bytes) -> None:
    path = folder / "process.yaml"
    path.write_bytes(content)
    command = [sys.executable, "-m", "exporter", "check", f"--config.file={path}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("aws-iot-bulk-exporter: ")
    assert "Traceback" not in ended.stderr
    assert "s3cret" not in ended.stderr
