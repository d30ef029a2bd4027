import io
import json
import logging
import os
import re
import select
import unicodedata
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import pytest
from freezegun import freeze_time
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.core.log import FORMATS, LEVELS, LibraryHandler, new_log

SECRET = "arn:aws:iam::111122223333:role/secret"
FACT = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^ "]*)(?: |$)')


def facts_of(line: str, format: str) -> dict[str, Any]:
    """Return the facts of a line. Fail if it contains anything else."""
    if format == "json":
        return dict(json.loads(line))
    assert FACT.sub("", line) == ""
    return {name: _unquoted(value) for name, value in FACT.findall(line)}


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def lines_of(stream: io.StringIO) -> list[str]:
    """Return the lines of a log. Fail if the last line has no end."""
    text = stream.getvalue()
    assert not text or text.endswith("\n")
    return text.split("\n")[:-1]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.mark.parametrize("format", FORMATS)
def test_a_line_has_time_level_message_and_facts(stream: io.StringIO, format: str) -> None:
    new_log("info", format, stream).warning("call failed", account="factory", file='week "47"', seconds=1.5, up=True)
    (line,) = lines_of(stream)
    facts = facts_of(line, format)
    assert datetime.fromisoformat(facts.pop("ts")).utcoffset() is not None
    numbers = {"seconds": 1.5, "up": True} if format == "json" else {"seconds": "1.5", "up": "true"}
    texts = {"level": "warn", "msg": "call failed", "account": "factory", "file": 'week "47"'}
    assert facts == {**texts, **numbers}


@pytest.mark.parametrize("format", FORMATS)
@given(text=st.text(st.characters()))
@example(text='a\nlevel=error msg="forged"')
@example(text='a\r\n\t\0\x1b[31m\x7f\x85\u2028\u202e\ud800\\"')
def test_any_text_stays_on_one_line(format: str, text: str) -> None:
    stream = io.StringIO()
    new_log("info", format, stream).info("call failed", file=text, level_of="x")
    (line,) = lines_of(stream)
    facts = facts_of(line, format)
    assert facts["msg"] == "call failed"
    assert facts["level_of"] == "x"
    assert not any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in line)
    if format == "json" or (text.isprintable() and "\\" not in text):
        assert facts["file"] == text


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_hides_lower_levels(stream: io.StringIO, level: str) -> None:
    log = new_log(level, stream=stream)
    log.debug("debug")
    log.info("info")
    log.warning("warn")
    log.error("error")
    shown = [facts_of(line, "logfmt")["msg"] for line in lines_of(stream)]
    assert shown == list(LEVELS)[list(LEVELS).index(level) :]


@pytest.fixture
def library(stream: io.StringIO) -> logging.Logger:
    """A library's logger, whose warnings are logged to the stream."""
    logger = logging.Manager(logging.RootLogger(logging.DEBUG)).getLogger("library.part")
    logger.addHandler(LibraryHandler(new_log("debug", stream=stream)))
    return logger


def test_a_warning_of_a_library_is_logged_without_its_arguments(library: logging.Logger, stream: io.StringIO) -> None:
    library.warning("cannot assume %s", SECRET)
    (line,) = lines_of(stream)
    facts = facts_of(line, "logfmt")
    assert facts["library"] == "library.part"
    assert facts["where"].startswith("test_log:")
    assert SECRET not in line


def test_an_exception_of_a_library_is_logged_as_its_type(library: logging.Logger, stream: io.StringIO) -> None:
    library.error("cannot continue", exc_info=KeyError(SECRET))
    (line,) = lines_of(stream)
    assert facts_of(line, "logfmt")["error"] == "KeyError"
    assert SECRET not in line


def test_lower_levels_of_a_library_are_not_logged(library: logging.Logger, stream: io.StringIO) -> None:
    library.info("hello")
    library.debug("hello")
    assert stream.getvalue() == ""


def test_invalid_log_calls_of_a_library_are_logged(library: logging.Logger, stream: io.StringIO) -> None:
    library.warning("%d of %d", "one")
    library.error("no exception", exc_info=(None, None, None))
    assert len(lines_of(stream)) == 2


@freeze_time("2026-11-22T05:00:00.25+01:00")
def test_logfmt_starts_with_time_in_utc_level_and_message(stream: io.StringIO) -> None:
    new_log(stream=stream).info("listening", cells=3)
    assert stream.getvalue() == "ts=2026-11-22T04:00:00.250000Z level=info msg=listening cells=3\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """A pipe: the descriptor of the reading end, and the writing end as the stream of a log."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        yield reader, stream


def test_a_full_pipe_does_not_block_and_later_lines_are_complete(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    log = new_log(stream=stream)
    for _ in range(100):
        log.info("configuration not reloaded", problems=10_000 * "x")
    first = os.read(reader, 2**20)
    log.info("configuration reloaded")
    os.set_blocking(reader, False)
    lines = (first + os.read(reader, 2**20)).decode().splitlines()
    assert len(lines) < 100
    assert facts_of(lines[-1], "logfmt")["msg"] == "configuration reloaded"
    os.close(reader)


def test_a_line_that_is_longer_than_one_write_to_a_pipe_is_complete(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    new_log(stream=stream).info("configuration not reloaded", problems=5 * select.PIPE_BUF * "x")
    facts = facts_of(os.read(reader, 2**20).decode().removesuffix("\n"), "logfmt")
    assert facts["problems"] == 5 * select.PIPE_BUF * "x"
    os.close(reader)


def test_a_pipe_without_a_reader_raises_no_error(pipe: tuple[int, TextIO]) -> None:
    reader, stream = pipe
    os.close(reader)
    new_log(stream=stream).info("listening")


def test_a_full_disk_raises_no_error() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as stream:
        new_log(stream=stream).info("listening")


def test_a_closed_standard_error_raises_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", None)
    monkeypatch.setattr("sys.stdout", None)
    new_log().info("listening")
