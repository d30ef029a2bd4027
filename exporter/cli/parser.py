"""The argument parser of the commands: argparse that reports all faults at once."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from exporter.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class _InvalidValue:
    """Replaces a value that its type refuses, so that argparse reads the remaining arguments too."""

    reason: str


class CommandParser(argparse.ArgumentParser):
    """Parses the arguments of a command. The result has no entry for a flag that is not given."""

    def __init__(self, program: str, description: str) -> None:
        super().__init__(program, description=description, allow_abbrev=False, argument_default=argparse.SUPPRESS)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        """Add an argument as argparse does; its type raises ValueError with what was expected."""
        if "type" in options:
            options["type"] = _value_or_invalid(options["type"])
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError with a fault that argparse found itself, such as a missing value."""
        raise ConfigError([message.removeprefix("argument ")])

    def parse(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the values by destination. Raises ConfigError with every unknown word and every invalid value."""
        namespace, unknown = self.parse_known_args(words)
        values = vars(namespace)
        labels = {action.dest: (*action.option_strings, action.metavar)[0] for action in self._actions}
        problems = [self._unknown(word.partition("=")[0]) for word in unknown]
        for action in self._actions:
            problems += _invalid_values(str(labels[action.dest]), values.get(action.dest))
        if problems:
            raise ConfigError(problems)
        return values

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"unexpected argument {word}"
        nearest = difflib.get_close_matches(word, self._option_string_actions, n=1)
        return f"unknown flag {word}" + (f"; did you mean {nearest[0]}?" if nearest else "")


def _value_or_invalid(type: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return type(text)
        except ValueError as error:
            return _InvalidValue(str(error))

    return read


def _invalid_values(label: str, value: Any) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    for number, entry in enumerate(values):
        if isinstance(entry, _InvalidValue):
            yield f"{label}{f'[{number}]' if len(values) > 1 else ''}: {entry.reason}"
