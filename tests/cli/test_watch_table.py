"""The screen of ``watch`` fits the terminal, shows first what needs attention, and counts what it does not show."""

import re
from dataclasses import replace

import pytest

from exporter.cli.watch_table import screen
from exporter.kinds.phase import Phase
from exporter.metrics.summary import CellLine, OperationLine
from tests.cli.watch_lines import CELL, ENDED, FAILING, INCOMPLETE, NOW, RUNNING

NONE = (6, 0.0)
QUIET = replace(RUNNING, needs_attention=False, reason="", rank=NONE, failed=0)


def lines(operations: list[OperationLine], cells: list[CellLine], width: int = 110, height: int = 24) -> list[str]:
    """Return the lines of the screen, without colors and spaces at their ends."""
    return [line.plain.rstrip() for line in screen(operations, cells, NOW, width, height)]


def test_a_cell_has_its_labels_once_and_each_operation_a_row_with_its_numbers() -> None:
    summary, header, labels, running, ended = lines([ENDED, RUNNING], [CELL], 130)
    assert re.fullmatch(r"2 of 2 operations need attention  \d\d:\d\d:\d\d", summary)
    assert header.split() == [
        "operation",
        "done",
        "status",
        "succeeded",
        "failed",
        "why",
        "per",
        "minute",
        "ends",
        "age",
    ]
    assert labels == "factory eu-west-1 iot_job"
    assert re.fullmatch(
        r"firmware-7 +━+[╸╺]?━* +99% +IN_PROGRESS +4810 +12 +failed: 12 of 100 +6\.0% +\w{3} \d\d:\d\d +7s", running
    )
    assert re.fullmatch(r"old +━+ +100% +COMPLETED +4810 +12 +failed: 12 of 100 +7s", ended)


def test_what_needs_attention_is_first_then_active_operations() -> None:
    ended = replace(ENDED, needs_attention=False, rank=NONE)
    shown = lines([ended, replace(QUIET, id="quiet"), RUNNING], [])
    assert [line.split()[0] for line in shown[3:]] == ["firmware-7", "quiet", "old"]


def test_the_name_of_an_operation_is_before_its_id() -> None:
    (row,) = lines([replace(RUNNING, name="lamps of cork")], [])[3:]
    assert row.startswith("lamps of cork firmware-7 ")


@pytest.mark.parametrize("width", [40, 50, 60, 80, 90, 100, 120, 200])
def test_no_line_is_wider_than_the_terminal_and_no_number_is_cut(width: int) -> None:
    long = [replace(RUNNING, id=f"{'x' * 40}-{number:04}", region="us-east-1") for number in range(3)]
    shown = lines([RUNNING, *long], [FAILING], width)
    assert max(map(len, shown)) <= width
    for row in (line for line in shown if "IN_PROGRESS" in line):
        assert {"99%", "12"} <= set(row.split())
    # Each id can be recognised by its end.
    assert [line.split()[0][-4:] for line in shown if "x-0" in line or "…" in line.split()[0]][:3] == [
        "0000",
        "0001",
        "0002",
    ]
    assert any("eu-west-1 iot_job" in line for line in shown)
    assert any("us-east-1 iot_job" in line for line in shown)
    assert "throttled" in shown[-1]


@pytest.mark.parametrize("height", [6, 10, 24, 60])
def test_operations_and_cells_that_do_not_fit_are_counted(height: int) -> None:
    operations = [replace(QUIET, id=f"job-{number}", region=f"region-{number % 3}") for number in range(50)]
    cells = [replace(FAILING, region=f"region-{number}") for number in range(20)]
    shown = lines(operations, cells, 80, height)
    assert len(shown) <= height
    rows = sum("job-" in line for line in shown)
    (more,) = [int(line.split()[1]) for line in shown if re.fullmatch(r"and \d+ more", line)] or [0]
    assert rows + more == 50
    errors = sum("cannot be read:" in line for line in shown)
    (others,) = [int(line.split()[0]) for line in shown if line.endswith("more cells cannot be read")] or [0]
    assert errors + others == 20


def test_a_cell_that_cannot_be_read_has_the_longest_text_that_fits() -> None:
    texts = [lines([], [FAILING], width)[-1] for width in (100, 56, 44, 32)]
    assert texts == [
        "factory eu-west-1 iot_job: cannot be read: throttled: AWS returned SlowDown",
        "factory eu-west-1 iot_job: throttled",
        "factory eu-west-1 iot_job: throttled",
        "throttled: eu-west-1 iot_job",
    ]


def test_unknown_ids_and_omitted_active_operations_are_below_the_table() -> None:
    many = replace(CELL, unknown_ids=tuple("abcdefghijkl"))
    assert lines([RUNNING], [many])[-1] == (
        "factory eu-west-1 iot_job: AWS does not know a, b, c, d, e, f, g, h, i, j and 2 more"
    )
    assert lines([RUNNING], [INCOMPLETE])[-2:] == [
        "factory eu-west-1 iot_job: AWS does not know a, b\\x1b",
        "factory eu-west-1 iot_job: 3 active operations are beyond max_operations and not shown",
    ]


def test_unknown_values_are_empty() -> None:
    unknown = replace(QUIET, progress=None, succeeded=None, failed=None, rate=None, estimated_end=None)
    (row,) = lines([unknown], [])[3:]
    assert row.split() == ["firmware-7", "IN_PROGRESS", "7s"]


@pytest.mark.parametrize(
    ("phase", "active", "failed", "color"),
    [
        (Phase.RUNNING, True, 3, ""),
        (Phase.COMPLETED, False, 0, "green"),
        (Phase.COMPLETED, False, 1, "red"),
        (Phase.FAILED, False, None, "red"),
        (Phase.STOPPED, False, 0, "red"),
        (Phase.ENDED, False, 0, ""),
    ],
)
def test_only_a_completed_operation_without_failures_is_green(
    phase: Phase, active: bool, failed: int | None, color: str
) -> None:
    operation = replace(QUIET, status="STATUS", phase=phase, active=active, failed=failed)
    (row,) = screen([operation], [], NOW, 110, 24)[3:]
    place = row.plain.index("STATUS")
    assert {str(span.style) for span in row.spans if span.start <= place < span.end} - {""} == {color} - {""}


def test_control_characters_from_aws_are_escaped() -> None:
    malicious = replace(RUNNING, id="\x1b[2Jx\x9b31m", name="\x1b]0;", status="[bold]\r\x07\u202e")
    shown = "\n".join(lines([malicious], [replace(FAILING, causes=("\x1b[2J",))], 160))
    assert not any(character in shown for character in "\x1b\x9b\r\x07\u202e")
    assert r"\x1b[2Jx\x9b31m" in shown
    assert r"[bold]\r\x07" in shown
