"""Command-line flags as Prometheus programs write them, every wrong one reported at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from exporter.config.duration import parse_duration
from exporter.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. ``read`` turns its text into a value and raises ValueError with what was expected.

    The value of a flag that is repeatable is a tuple: of its default, if it has one, where it is not given.
    """

    name: str
    help: str
    read: Callable[[str], Any]
    default: str | None = None
    placeholder: str = "TEXT"
    is_switch: bool = False
    is_repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its flags, at most one positional word out of a few, and what runs with their values."""

    name: str
    help: str
    run: Callable[[Mapping[str, Any]], int]
    flags: tuple[Flag, ...] = ()
    words: tuple[str, ...] = ()


class _Parser(argparse.ArgumentParser):
    """argparse, whose own complaints are told as every other one: a line that begins with the flag."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError([message.removeprefix("argument ")])


def parser_of(program: str, about: str, commands: Sequence[Command], version: str) -> argparse.ArgumentParser:
    """Return the parser that prints help and tells the commands apart. It raises ConfigError."""
    parser = _Parser(program, description=about, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"%(prog)s {version}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands:
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help, allow_abbrev=False)
        for flag in command.flags:
            _add(sub, flag)
        if command.words:
            sub.add_argument("word", metavar="|".join(command.words), nargs="?")
    return parser


def values_of(command: Command, parsed: argparse.Namespace, unknown: Sequence[str]) -> dict[str, Any]:
    """Return the value of each flag. Raises ConfigError with every flag that is wrong."""
    values: dict[str, Any] = {}
    problems = [f"{text.partition('=')[0]}: {command.name} knows no such flag or word" for text in unknown]
    for flag in command.flags:
        try:
            values[flag.name] = _value(flag, getattr(parsed, flag.name))
        except ConfigError as error:
            problems += error.problems
    if command.words:
        values["word"] = parsed.word
        if parsed.word not in command.words:
            problems.append(f"{command.name}: expected one of {', '.join(command.words)}")
    if problems:
        raise ConfigError(problems)
    return values


def _value(flag: Flag, given: Any) -> Any:
    if flag.is_repeatable:
        return _values(flag, given or ([] if flag.default is None else [flag.default]))
    return _values(flag, [given])[0] if isinstance(given, str) else given


def _values(flag: Flag, texts: Sequence[str]) -> tuple[Any, ...]:
    values, problems = [], []
    for number, text in enumerate(texts):
        try:
            values.append(flag.read(text))
        except ValueError as error:
            problems.append(f"{flag.name}{f'[{number}]' if len(texts) > 1 else ''}: {error}")
    if problems:
        raise ConfigError(problems)
    return tuple(values)


def _add(parser: argparse.ArgumentParser, flag: Flag) -> None:
    if flag.is_switch:
        parser.add_argument(flag.name, dest=flag.name, help=flag.help, action="store_true")
        return
    help = flag.help + (f" (default: {flag.default})" if flag.default else "")
    # To a default of its own argparse would add what is given, instead of replacing it.
    action, default = ("append", None) if flag.is_repeatable else ("store", flag.default)
    parser.add_argument(flag.name, dest=flag.name, help=help, action=action, default=default, metavar=flag.placeholder)


def one_of(*words: str) -> Callable[[str], str]:
    """Return a reader that accepts only these words."""

    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"expected one of {', '.join(words)}")
        return text

    return read


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return a reader of whole numbers from ``least`` to ``most``."""

    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ValueError(f"expected a whole number from {least} to {most}")
        return int(text)

    return read


def duration(text: str) -> float:
    """Return a duration in seconds. Raises ValueError."""
    try:
        length = parse_duration(text)
    except ValueError:
        length = 0.0
    if length <= 0:
        raise ValueError("expected a duration such as 10s, 5m or 7d")
    return length


def word(text: str) -> str:
    """Return a text. Raises ValueError for an empty one."""
    if not text:
        raise ValueError("is empty")
    return text


def file_path(text: str) -> Path:
    """Return a path. Raises ValueError for an empty one."""
    if not text:
        raise ValueError("expected the path of a file")
    return Path(text)


def url_path(text: str) -> str:
    """Return the path of a URL. Raises ValueError."""
    if text.startswith("/-/"):
        raise ValueError("/-/ is the beginning of other paths")
    if not text.startswith("/") or not text.isprintable() or set(text) & set(" {}?#\"'<>\\"):
        raise ValueError("expected a path such as /metrics")
    return text
