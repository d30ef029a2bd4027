"""A watch prints a live table in a terminal, and a line for each change otherwise."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from exporter.aws.models import Models
from exporter.cli.terminal import plain_view, watch_display
from exporter.kinds.phase import Phase
from exporter.kinds.registry import KINDS
from exporter.metrics.attention import Severity
from exporter.metrics.summary import CellLine, OperationLine
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support.exporter_server import aws_environment
from tests.support.processes import run_process, wait_for_output
from tests.support.servers import serve_app

NOW = 1_700_000_000.0
RUNNING = OperationLine(
    account="factory",
    account_id="111122223333",
    region="eu-west-1",
    kind="iot_job",
    title="job",
    id="firmware-7",
    name="",
    target="",
    input="",
    status="IN_PROGRESS",
    known_status="IN_PROGRESS",
    phase=Phase.RUNNING,
    active=True,
    continuous=False,
    needs_attention=True,
    severity=Severity.MEDIUM,
    reason="failed: 12 of 100",
    rank=(2, -0.12),
    progress=0.999,
    succeeded=4810,
    failed=12,
    reason_code="",
    aborted=False,
    possibly_failed=0,
    created=None,
    updated=None,
    completed=None,
    read=NOW - 7,
    rate=0.001,
    estimated_end=NOW + 60,
)
ENDED = replace(
    RUNNING,
    id="old",
    status="COMPLETED",
    phase=Phase.COMPLETED,
    active=False,
    progress=1.0,
    rate=None,
    estimated_end=None,
)
CELL = CellLine(
    account="factory",
    account_id="111122223333",
    region="eu-west-1",
    kind="iot_job",
    title="job",
    up=True,
    complete=True,
    pending=False,
    expired=False,
    reasons=(),
    causes=(),
    last_success=NOW,
    duration=0.1,
    operations=1,
    omitted=0,
    active_omitted=0,
    unknown_ids=(),
    budgets=(),
)
FAILING = replace(CELL, up=False, reasons=("throttled",), causes=("throttled: AWS returned SlowDown",))
INCOMPLETE = replace(CELL, unknown_ids=("a", "b\x1b"), active_omitted=3)


def display_lines(
    operations: list[OperationLine], cells: list[CellLine], width: int = 110, height: int = 24
) -> list[str]:
    """Return the lines of the display, without colors."""
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(watch_display(operations, cells, NOW, (width, height)))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_each_operation_has_a_row_with_a_bar_and_its_numbers_and_active_ones_are_first() -> None:
    header, running, ended = display_lines([ENDED, RUNNING], [CELL])
    assert header.split() == ["operation", "done", "status", "succeeded", "failed", "per", "minute", "ends", "age"]
    assert re.fullmatch(r"firmware-7 +━+[╸╺]? +99% +IN_PROGRESS +4810 +12 +6\.0% +\w{3} \d\d:\d\d +7s", running)
    assert re.fullmatch(r"old +━+ +100% +COMPLETED +4810 +12 +7s", ended)


@pytest.mark.parametrize("width", [50, 60, 80, 90, 100, 200])
def test_a_narrow_terminal_hides_columns_and_cuts_no_number_or_id(width: int) -> None:
    second_region = replace(RUNNING, id="x" * 36, region="us-east-1")
    lines = display_lines([second_region] if width < 80 else [RUNNING, second_region], [], width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in text
    assert text.count("x") == 36
    for shown in ("99%", "IN_PROGRESS", "4810", "12"):
        assert shown in text
    assert ("us-east-1" in text) == (width >= 80)


def test_uncertain_failures_are_shown_as_a_range() -> None:
    uncertain = replace(RUNNING, failed=0, possibly_failed=7)
    assert " 4810 0 to 7 " in " ".join(display_lines([uncertain], [])[1].split())
    stream = io.StringIO()
    plain_view(stream)([uncertain], [], NOW)
    assert stream.getvalue().endswith("IN_PROGRESS, 99%, 4810 succeeded, 0 to 7 failed\n")


def test_unknown_values_are_empty_and_cells_that_cannot_be_read_are_below_the_table() -> None:
    unknown = replace(RUNNING, progress=None, succeeded=None, failed=None, rate=None, estimated_end=None)
    _, row, error = display_lines([unknown], [FAILING])
    assert row.split() == ["firmware-7", "IN_PROGRESS", "7s"]
    assert error == "factory eu-west-1 iot_job: cannot be read: throttled: AWS returned SlowDown"


def test_unknown_ids_and_omitted_active_operations_are_below_the_table() -> None:
    many = replace(CELL, unknown_ids=tuple("abcdefghijkl"))
    assert display_lines([RUNNING], [many])[2:] == [
        "factory eu-west-1 iot_job: AWS does not know a, b, c, d, e, f, g, h, i, j and 2 more",
    ]
    assert display_lines([RUNNING], [INCOMPLETE])[2:] == [
        "factory eu-west-1 iot_job: AWS does not know a, b\\x1b",
        "factory eu-west-1 iot_job: 3 active operations are beyond max_operations and not shown",
    ]


@pytest.mark.parametrize(
    ("phase", "active", "failed", "color"),
    [
        (Phase.RUNNING, True, 3, ""),
        (Phase.COMPLETED, False, 0, "32"),
        (Phase.COMPLETED, False, 1, "31"),
        (Phase.FAILED, False, None, "31"),
        (Phase.STOPPED, False, 0, "31"),
        (Phase.ENDED, False, 0, ""),
    ],
)
def test_only_a_completed_operation_without_failures_is_green(
    phase: Phase, active: bool, failed: int | None, color: str
) -> None:
    console = Console(file=io.StringIO(), width=110, force_terminal=True, color_system="standard")
    row = replace(RUNNING, status="STATUS", phase=phase, active=active, failed=failed)
    with console.capture() as capture:
        console.print(watch_display([row], [], NOW, (110, 24)))
    match = re.search(r"\x1b\[(\d+)mSTATUS", capture.get())
    assert (match[1] if match else "") == color


def test_operations_that_do_not_fit_are_counted() -> None:
    lines = display_lines([replace(RUNNING, id=str(number)) for number in range(50)], [FAILING], height=12)
    assert len(lines) < 12
    assert lines[-2:] == ["and 43 more", "factory eu-west-1 iot_job: cannot be read: throttled: AWS returned SlowDown"]


def test_control_characters_from_aws_are_escaped() -> None:
    malicious = replace(RUNNING, id="\x1b[2Jx\x9b31m", status="[bold]\r\x07\u202e")
    shown = "\n".join(display_lines([malicious], []))
    assert not any(character in shown for character in "\x1b\x9b\r\x07\u202e")
    assert r"\x1b[2Jx\x9b31m" in shown
    assert r"[bold]\r\x07" in shown


def test_without_a_terminal_each_change_is_one_line() -> None:
    stream = io.StringIO()
    view = plain_view(stream)
    view([RUNNING], [CELL], NOW)
    view([replace(RUNNING, read=NOW, rate=0.5)], [FAILING], NOW + 10)
    view([RUNNING], [FAILING], NOW + 20)
    view([replace(RUNNING, failed=13)], [CELL], NOW + 30)
    assert stream.getvalue().splitlines() == [
        "2023-11-14T22:13:20Z factory eu-west-1 iot_job firmware-7: IN_PROGRESS, 99%, 4810 succeeded, 12 failed",
        "2023-11-14T22:13:30Z factory eu-west-1 iot_job: cannot be read: throttled: AWS returned SlowDown",
        "2023-11-14T22:13:50Z factory eu-west-1 iot_job firmware-7: IN_PROGRESS, 99%, 4810 succeeded, 13 failed",
        "2023-11-14T22:13:50Z factory eu-west-1 iot_job: can be read again",
    ]


def test_without_a_terminal_unknown_ids_are_one_line() -> None:
    stream = io.StringIO()
    view = plain_view(stream)
    view([], [CELL], NOW)
    view([], [replace(CELL, unknown_ids=("a",))], NOW + 10)
    view([], [replace(CELL, unknown_ids=("a",))], NOW + 20)
    assert stream.getvalue() == "2023-11-14T22:13:30Z factory eu-west-1 iot_job: AWS does not know a\n"


SCENARIO = """
accounts: ["111122223333"]
operations:
  - &job {kind: iot_job, id: done, region: eu-west-1, items: 9, timeline: [{at: 0s, status: COMPLETED, done: 1.0}]}
  - {<<: *job, id: running, timeline: [{at: 0s, status: IN_PROGRESS}, {at: 7d, done: 1.0}]}
"""
COMMAND = [sys.executable, "-m", "exporter", "watch", "--kind=iot_job"]


@contextmanager
def environment() -> Iterator[dict[str, str]]:
    """Give the environment of a process that uses the simulated AWS."""
    app = application(parse_scenario(SCENARIO, KINDS), KINDS, Models())
    with serve_app(app) as endpoint, aws_environment(endpoint, TERM="xterm-256color", COLUMNS="100", LINES="24"):
        yield dict(os.environ)


def test_in_a_terminal_the_table_is_updated_in_place_and_the_cursor_is_restored() -> None:
    with environment() as env:
        terminal, process_end = pty.openpty()
        command = [*COMMAND, "--id=done", "--until-done"]
        process = subprocess.Popen(command, stdout=process_end, stdin=process_end, env=env)
        os.close(process_end)
        shown = terminal_output(terminal)
        assert process.wait(timeout=60) == 0
    assert "\x1b[?25l" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert "━" in shown
    assert "1 of 1 operations succeeded" in shown


def terminal_output(terminal: int) -> str:
    """Return the output of a process until it exits. Linux reports the end as an error."""
    output = bytearray()
    with open(terminal, "rb", buffering=0) as file, suppress(OSError):
        while part := file.read(4096):
            output += part
    return output.decode()


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
        assert process.wait(timeout=60) == status
    assert "Traceback" not in output.read_text()


def test_a_closed_pipe_ends_the_watch_without_a_message() -> None:
    with environment() as env:
        command = [*COMMAND, "--id=done", "--id=running"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (141, b"")
