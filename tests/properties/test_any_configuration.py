"""Any content of a file: the exporter uses it, or names every fault in plain messages without a secret."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from tests.properties.example_counts import settings_for
from tests.properties.json_strategies import any_json, mutations, path_text, with_node
from tests.properties.user_files import CONFIG, FILE_TYPES, PLANS, SECRET, FaultPlan, FileType, write_document
from tests.support.exporter_server import aws_environment
from tests.support.repository import ROOT
from tests.support.scripted_endpoint import error_response
from tests.support.virtual_exporter import VirtualExporters, virtual_exporters

WORDS = [SECRET, "accounts", "external_id", "- ", ": ", "\n", "\n  ", "{", "}", "[", "]", ",", "&a", "*a", "!"]
WORDS += ["!!str ", "'", '"', "|", ">", "%", "@", "?", "#", "<<: ", "~", "\t", "\\", "---\n", "0x", "2026-10-07"]
WORDS += ["\x07", "\ufeff", "tls_server_config", "basic_auth_users", "alerts", "operations", "timeline", "\r\n"]
WORDS += ["\x85", "!!binary ", "=", ".inf"]
contents = (
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode(errors="replace"))
    | st.lists(st.sampled_from(WORDS), max_size=25).map("".join).map(str.encode)
    | any_json.map(yaml.safe_dump).map(lambda text: text.encode(errors="replace"))
)
every_file_type = pytest.mark.parametrize("file_type", FILE_TYPES, ids=lambda file_type: file_type.name)


@pytest.fixture(scope="module", autouse=True)
def machine() -> Iterator[None]:
    """An environment with a Region and no other AWS settings."""
    with aws_environment("http://aws.invalid"):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the files."""
    return tmp_path_factory.mktemp("files")


def check_messages(problems: Sequence[str]) -> None:
    """Fail for a message that is unprintable, duplicate, or contains a secret."""
    assert [line for line in problems if not line.isprintable() or not line] == []
    assert len(set(problems)) == len(problems)
    assert [line for line in problems if SECRET in line] == []


@every_file_type
@settings_for(30)
@given(content=contents)
def test_any_bytes_are_used_or_refused_with_plain_messages(file_type: FileType, folder: Path, content: bytes) -> None:
    path = folder / "any.yaml"
    path.write_bytes(content)
    check_messages(file_type.problems(path))


@every_file_type
@settings_for(30)
@given(data=st.data())
def test_a_mutated_file_is_used_or_refused(file_type: FileType, folder: Path, data: st.DataObject) -> None:
    document = data.draw(mutations(data.draw(st.sampled_from(file_type.valid))))
    problems = file_type.problems(write_document(folder / "changed.yaml", document))
    event("refused" if problems else "used")
    check_messages(problems)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.file_type.name)
@settings_for(30)
@given(data=st.data())
def test_the_messages_name_every_fault_and_no_other(plan: FaultPlan, folder: Path, data: st.DataObject) -> None:
    planted = data.draw(plan.some_faults())
    document: Any = plan.document
    for place, value in planted:
        document = with_node(document, place, value)
    problems = plan.file_type.problems(write_document(folder / "planted.yaml", document))
    check_messages(problems)
    assert sorted(problem.partition(": ")[0] for problem in problems) == sorted(
        path_text(place) for place, _ in planted
    )


@settings_for(20)
@given(data=st.data())
def test_a_refused_file_changes_nothing(exporters: VirtualExporters, data: st.DataObject) -> None:
    with exporters.start("") as exporter:
        before, shown = exporter.service.runtime, exporter.get("/config").text
        exporter.texts.append(yaml.safe_dump(data.draw(mutations(data.draw(st.sampled_from(CONFIG.valid))))))
        response = exporter.get("/-/reload", method="POST")
        assert response.status in (200, 500)
        assert SECRET not in response.text + exporter.log.getvalue() + exporter.get("/config").text
        if response.status == 500:
            assert exporter.service.runtime is before
            assert exporter.get("/config").text == shown
        assert f"reload_successful {float(response.status == 200)}" in exporter.scrape()


@pytest.fixture(scope="module")
def exporters(machine: None) -> Iterator[VirtualExporters]:
    with virtual_exporters(lambda api, request: error_response("AccessDeniedException", 403)) as found:
        yield found


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"accounts: [", b"? {a: *b}", b"accounts: [{external_id: s3cret value}]"]
)
def test_a_process_exits_with_2_and_without_a_traceback(folder: Path, content: bytes) -> None:
    path = folder / "process.yaml"
    path.write_bytes(content)
    command = [sys.executable, "-m", "exporter", "check", f"--config.file={path}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("aws-iot-bulk-exporter: ")
    assert "Traceback" not in ended.stderr
    assert "s3cret" not in ended.stderr
