"""The output of ``watch``: a screen in a real terminal, a line for each change, or JSON lines."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from exporter.aws.models import Models
from exporter.cli.exit_status import ExitStatus
from exporter.cli.watch_output import JsonLines, TextLines, result_json, result_lines
from exporter.cli.watch_result import WatchedOperation, WatchResult, most_frequent_reasons
from exporter.core.model import CellKey
from exporter.kinds.kind import FailedItem
from exporter.kinds.phase import Outcome
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.cli.watch_lines import CELL, FAILING, NOW, RUNNING
from tests.support.exporter_server import aws_environment
from tests.support.processes import run_exporter, run_process, wait_for_output
from tests.support.servers import serve_app
from tests.support.tmux import TmuxWindow, tmux_window
from tests.support.waiting import wait_until

JOBS = CellKey("factory", "eu-west-1", "iot_job")
FAILED = WatchedOperation(JOBS, "a", Outcome.FAILED, "COMPLETED, 12 of 100 failed")
UNDECIDED = WatchedOperation(JOBS, "b", Outcome.UNDECIDED, "COMPLETED, 0 to 3 of 100 failed")
PENDING = WatchedOperation(JOBS, "c", Outcome.PENDING, "IN_PROGRESS")
SUCCEEDED = WatchedOperation(JOBS, "d", Outcome.SUCCEEDED, "COMPLETED")

REASONS = most_frequent_reasons(
    [
        ("a", FailedItem("gate-1", "FAILED", "no space", attempt=1)),
        ("a", FailedItem("gate-1", "FAILED", "no space", attempt=2)),
        ("a", FailedItem("gate-2", "FAILED", "no signal\x1b")),
    ]
)


def test_in_a_pipe_each_change_is_one_line() -> None:
    stream = io.StringIO()
    output = TextLines(stream)
    output.show([RUNNING], [CELL], NOW)
    output.show([replace(RUNNING, read=NOW, rate=0.5)], [FAILING], NOW + 10)
    output.show([RUNNING], [FAILING], NOW + 20)
    output.show([replace(RUNNING, failed=13)], [CELL], NOW + 30)
    assert stream.getvalue().splitlines() == [
        "2023-11-14T22:13:20Z factory eu-west-1 iot_job firmware-7: IN_PROGRESS, 99%, 4810 succeeded, 12 failed",
        "2023-11-14T22:13:30Z factory eu-west-1 iot_job: cannot be read: throttled: AWS returned SlowDown",
        "2023-11-14T22:13:50Z factory eu-west-1 iot_job firmware-7: IN_PROGRESS, 99%, 4810 succeeded, 13 failed",
        "2023-11-14T22:13:50Z factory eu-west-1 iot_job: can be read again",
    ]


def test_in_a_pipe_unknown_ids_are_one_line() -> None:
    stream = io.StringIO()
    output = TextLines(stream)
    output.show([], [CELL], NOW)
    output.show([], [replace(CELL, unknown_ids=("a",))], NOW + 10)
    output.show([], [replace(CELL, unknown_ids=("a",))], NOW + 20)
    assert stream.getvalue() == "2023-11-14T22:13:30Z factory eu-west-1 iot_job: AWS does not know a\n"


def test_json_has_an_object_for_each_change_and_the_summary_as_the_last_line() -> None:
    stream = io.StringIO()
    output = JsonLines(stream)
    output.show([RUNNING], [CELL], NOW)
    output.show([RUNNING], [FAILING], NOW + 10)
    output.finish(WatchResult(ExitStatus.FAILED, (FAILED, SUCCEEDED), {}, REASONS), NOW + 20)
    operation, cell, summary = map(json.loads, stream.getvalue().splitlines())
    assert (operation["type"], operation["id"], operation["aws_region"], operation["failed"]) == (
        "operation",
        "firmware-7",
        "eu-west-1",
        12,
    )
    assert (cell["type"], cell["kind"], cell["causes"]) == ("cell", "iot_job", ["throttled: AWS returned SlowDown"])
    assert summary == {
        "type": "summary",
        "at": "2023-11-14T22:13:40Z",
        "result": "failed",
        "exit_status": 1,
        "operations": {"failed": 1, "pending": 0, "undecided": 0, "succeeded": 1},
        "not_succeeded": [
            {
                "account": "factory",
                "aws_region": "eu-west-1",
                "kind": "iot_job",
                "id": "a",
                "outcome": "failed",
                "reason": "COMPLETED, 12 of 100 failed",
            }
        ],
        "reasons": [
            {"reason": "no space", "count": 2, "examples": ["gate-1"]},
            {"reason": "no signal\x1b", "count": 1, "examples": ["gate-2"]},
        ],
        "failures_read": 3,
        "failed_items_read": 2,
        "unreadable": [],
    }


def test_the_most_frequent_reasons_come_before_the_last_line_with_executions_and_things() -> None:
    stream = io.StringIO()
    TextLines(stream).finish(WatchResult(ExitStatus.FAILED, (FAILED, SUCCEEDED), {}, REASONS), NOW)
    _, *reasons, last = stream.getvalue().splitlines()
    assert reasons == [
        "most frequent reasons of 3 failures of 2 items:",
        "  2: no space (gate-1)",
        "  1: no signal\\x1b (gate-2)",
    ]
    assert last.startswith("2 operations: ")


def test_at_most_ten_reasons_are_named() -> None:
    letters = "abcdefghijkl"
    reasons = most_frequent_reasons([("job", FailedItem(name, "FAILED", name)) for name in letters])
    assert ([group.reason for group in reasons.groups], reasons.failures) == (list(letters[:10]), 12)


@pytest.mark.parametrize(
    ("result", "last_line"),
    [
        (WatchResult(ExitStatus.SUCCEEDED, (), {}), "no operation is active"),
        (WatchResult(ExitStatus.TIMED_OUT, (), {}), "no operation is known"),
        (WatchResult(ExitStatus.UNREACHABLE, (), {JOBS: ()}), "no operation is known; 1 cell cannot be read"),
        (
            WatchResult(ExitStatus.UNREACHABLE, (SUCCEEDED,), {JOBS: ()}),
            "1 operation: 1 succeeded; 1 cell cannot be read",
        ),
        (WatchResult(ExitStatus.SUCCEEDED, (SUCCEEDED,), {}), "1 operation: 1 succeeded"),
        (
            WatchResult(ExitStatus.FAILED, (FAILED, SUCCEEDED), {}),
            "2 operations: 1 succeeded, 1 failed (a: COMPLETED, 12 of 100 failed)",
        ),
        (
            WatchResult(ExitStatus.TIMED_OUT, (PENDING, UNDECIDED), {}),
            "2 operations: 0 succeeded, 1 undecided (b: COMPLETED, 0 to 3 of 100 failed), 1 not ended (c: IN_PROGRESS)",
        ),
        (
            WatchResult(ExitStatus.FAILED, tuple(replace(FAILED, id=str(number)) for number in range(7)), {}),
            "7 operations: 0 succeeded, 7 failed ("
            + "; ".join(f"{number}: COMPLETED, 12 of 100 failed" for number in range(5))
            + "; and 2 more)",
        ),
    ],
)
def test_the_last_line_names_what_failed_and_how_many_of_how_many(result: WatchResult, last_line: str) -> None:
    assert result_lines(result)[-1] == last_line


def test_the_result_lists_each_operation_that_did_not_succeed_and_each_unreadable_cell() -> None:
    result = WatchResult(ExitStatus.UNREACHABLE, (SUCCEEDED, PENDING, FAILED), {JOBS: ("throttled: slow down",)})
    assert result_lines(result)[:-1] == [
        "cannot be read: factory eu-west-1 iot_job: throttled: slow down",
        "failed: factory eu-west-1 iot_job a: COMPLETED, 12 of 100 failed",
        "not ended: factory eu-west-1 iot_job c: IN_PROGRESS",
    ]
    assert result_json(result)["unreadable"] == [
        {"account": "factory", "aws_region": "eu-west-1", "kind": "iot_job", "causes": ["throttled: slow down"]}
    ]


SCENARIO = """
accounts: ["111122223333"]
quotas: false
operations:
  - &job {kind: iot_job, id: done, region: eu-west-1, items: 9, timeline: [{at: 0s, status: COMPLETED, done: 1.0}]}
  - {<<: *job, id: failing, items: 100, timeline: [{at: 0s, status: COMPLETED, done: 1.0, failed: 0.02}]}
  - {<<: *job, id: running, timeline: [{at: 0s, status: IN_PROGRESS}, {at: 7d, done: 1.0}]}
  - {<<: *job, id: fleet-of-the-second-factory, count: 31, region: us-east-1, timeline: [{at: 0s, status: IN_PROGRESS}]}
  - kind: greengrass_deployment
    region: us-east-1
    count: 9
    name: lamps
    items: 30
    timeline: [{at: 0s, status: ACTIVE}]
faults:
  - {region: us-west-2, error: AccessDeniedException, status: 403}
"""
CELLS = """
accounts: [{name: factory, account_id: "111122223333", regions: [eu-west-1, us-east-1, us-west-2]}]
"""
UNREADABLE = ("thing_registration_task", "iot_job", "greengrass_deployment")
COMMAND = [sys.executable, "-m", "exporter", "watch", "--kind=iot_job"]


@contextmanager
def environment(**variables: str) -> Iterator[dict[str, str]]:
    """Give the environment of a process that uses the simulated AWS."""
    app = application(parse_scenario(SCENARIO, KINDS), KINDS, Models())
    with serve_app(app) as endpoint, aws_environment(endpoint, TERM="xterm-256color", **variables):
        yield dict(os.environ)


def watch_command(folder: Path, *flags: str) -> str:
    """Return a shell command that watches three Regions, of which one cannot be read."""
    config = folder / "config.yaml"
    config.write_text(CELLS)
    return f"{sys.executable} -m exporter watch --config.file={config} {' '.join(flags)}"


def complete_screen(window: TmuxWindow) -> list[str] | None:
    """Return the lines of the window when it shows all operations and cells, else None."""
    lines = window.screen()
    text = "\n".join(lines)
    is_complete = re.match(r"\d+ of 50 ", text) and text.count("access_denied") == len(UNREADABLE)
    return lines if is_complete else None


def check_screen(lines: list[str], columns: int, rows: int) -> None:
    """Check that a screen of 50 operations and three unreadable cells has no line too much, too long or missing."""
    assert len(lines) <= rows
    assert max(map(len, lines)) <= columns
    assert sum(line.startswith("operation ") for line in lines) == 1
    shown = [line for line in lines if re.search(r"\b(IN_PROGRESS|ACTIVE)\b", line)]
    (more,) = [int(line.split()[1]) for line in lines if re.fullmatch(r"and \d+ more", line)]
    assert len(shown) + more == 50
    # The ids can be distinguished, and their cell is above them.
    assert len({line.rpartition("%")[0][:-3] for line in shown}) == len(shown)
    assert any("us-east-1 iot_job" in line and "denied" not in line for line in lines)
    errors = [line for line in lines if "access_denied" in line]
    assert lines[-len(errors) :] == errors
    assert all(any("us-west-2" in line and kind[: columns - 30] in line for line in errors) for kind in UNREADABLE)


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_screen_fits_a_real_terminal_and_shows_what_it_leaves_out(columns: int, tmp_path: Path) -> None:
    with environment() as env, tmux_window(watch_command(tmp_path), columns, 24, env) as window:
        wait_until(partial(is_drawn, window, columns, 24), f"a screen of {columns} columns")


def test_resizing_leaves_no_line_behind(tmp_path: Path) -> None:
    with environment() as env, tmux_window(watch_command(tmp_path), 120, 24, env) as window:
        wait_until(lambda: complete_screen(window), "all operations")
        for size in ((60, 12), (44, 30), (100, 24)):
            window.resize(*size)
            wait_until(partial(is_drawn, window, *size), f"a screen of {size} columns and rows")


def is_drawn(window: TmuxWindow, columns: int, rows: int) -> bool | None:
    """Return True when a screen has been drawn in this size, else None. A screen can be partly drawn."""
    try:
        check_screen(complete_screen(window) or [], columns, rows)
    except (AssertionError, ValueError):
        return None
    return True


def test_the_result_stays_in_the_terminal_after_the_end(tmp_path: Path) -> None:
    command = " ".join([*COMMAND, "--id=done", "--id=failing", "--until-done", "; echo status $?; sleep 60"])
    with environment() as env, tmux_window(command, 100, 24, env) as window:
        lines = wait_until(lambda: found if "status 1" in (found := window.screen()) else None, "the end")
    assert [line for line in lines if line] == [
        "failed: default eu-west-1 iot_job failing: COMPLETED, 2 of 100 failed",
        "most frequent reasons of 2 failures:",
        "  2: no reason, only the state FAILED (failing-00001, failing-00002)",
        "2 operations: 1 succeeded, 1 failed (failing: COMPLETED, 2 of 100 failed)",
        "status 1",
    ]


@pytest.mark.parametrize(
    "variables", [{"TERM": "dumb"}, {"TERM": ""}], ids=["a dumb terminal", "a terminal without a type"]
)
def test_a_terminal_that_cannot_be_controlled_gets_lines(variables: dict[str, str], tmp_path: Path) -> None:
    command = " ".join(["env", *(f"{k}={v}" for k, v in variables.items()), *COMMAND, "--id=running"])
    with environment() as env, tmux_window(command, 100, 24, env) as window:
        lines = wait_until(lambda: found if "IN_PROGRESS" in "".join(found := window.screen()) else None, "a line")
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z default eu-west-1 iot_job running: IN_PROGRESS", lines[0])


def run_watch(*flags: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``watch`` to its end."""
    with environment(**options) as env:
        return run_exporter("watch", "--kind=iot_job", *flags, environment=env)


@pytest.mark.parametrize(
    ("flags", "status"),
    [
        (["--id=failing", "--until-done"], 1),
        (["--id=failing", "--until-done", "--max-failed=1"], 1),
        (["--id=failing", "--until-done", "--max-failed=2"], 0),
        (["--id=failing", "--until-done", "--max-failed=1.9%"], 1),
        (["--id=failing", "--until-done", "--max-failed=2%"], 0),
        (["--id=running", "--until-done", "--timeout=1s"], 5),
        (["--id=running", "--timeout=1s"], 5),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_the_flags_for_pipelines_decide_the_exit_status(flags: list[str], status: int) -> None:
    done = run_watch(*flags, "--output=json")
    assert (done.returncode, done.stderr) == (status, "")
    assert json.loads(done.stdout.splitlines()[-1])["exit_status"] == status


def test_a_full_disk_is_one_clear_error() -> None:
    with environment() as env, Path("/dev/full").open("w") as full:
        command = [*COMMAND, "--id=done", "--until-done"]
        done = subprocess.run(
            command, env=env, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=300
        )
    assert (done.returncode, done.stderr) == (
        74,
        "aws-iot-bulk-exporter: standard output: No space left on device\n",
    )


@contextmanager
def interruptible_children() -> Iterator[None]:
    """Make started processes handle SIGINT. A background job of a shell and its children ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_watch_with_a_failure_status(tmp_path: Path, number: signal.Signals, status: int) -> None:
    output, command = tmp_path / "output", [*COMMAND, "--id=running", "--until-done"]
    with environment() as env, interruptible_children(), run_process(command, output, env) as process:
        wait_for_output("IN_PROGRESS", process, output)
        process.send_signal(number)
        assert process.wait(timeout=300) == status
    assert output.read_text().splitlines()[-1] == "1 operation: 0 succeeded, 1 not ended (running: IN_PROGRESS)"


@pytest.mark.parametrize("flags", [[], ["--until-done"]], ids=" ".join)
def test_the_last_object_of_an_interrupted_watch_is_its_summary(tmp_path: Path, flags: list[str]) -> None:
    output, command = tmp_path / "output", [*COMMAND, "--id=running", "--output=json", *flags]
    with environment() as env, interruptible_children(), run_process(command, output, env) as process:
        wait_for_output("IN_PROGRESS", process, output)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=300) == 130
    summary = json.loads(output.read_text().splitlines()[-1])
    assert (summary["type"], summary["result"], summary["exit_status"]) == ("summary", "interrupted", 130)
    assert [operation["id"] for operation in summary["not_succeeded"]] == ["running"]


def test_a_closed_pipe_ends_the_watch_without_a_message() -> None:
    with environment() as env:
        command = [*COMMAND, "--id=done", "--id=running"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (141, b"")
