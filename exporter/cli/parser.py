"""The argument parser of the commands: argparse that reports all faults at once."""

import argparse
import difflib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from exporter.core.errors import ConfigError


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the most similar known word, or an empty text."""
    nearest = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag or a word of a command: its name, the name of its value, its default and its help.

    ``words`` are the possible values, if they are known.
    """

    name: str
    value: str
    default: str
    help: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OneOf:
    """A type that accepts only these words."""

    words: tuple[str, ...]

    def __call__(self, text: str) -> str:
        """Return the word. Raises ValueError."""
        if text not in self.words:
            raise ValueError(f"expected one of {', '.join(self.words)}{suggestion(text, self.words)}")
        return text


class CommandParser(argparse.ArgumentParser):
    """Parses the arguments of a command. ``commands`` are the names of all commands."""

    def __init__(self, program: str, description: str, commands: Collection[str] = ()) -> None:
        super().__init__(program, description=description, allow_abbrev=False)
        self._commands = commands
        self._words: dict[str, tuple[str, ...]] = {}

    def print_help(self, file: Any = None) -> None:
        """Print the help. Raises OSError, which argparse ignores."""
        print(self.format_help(), end="", file=file)

    def add_value(
        self, name: str, type: Callable[[str], Any], metavar: str, help: str, default: str | None = None, **options: Any
    ) -> None:
        """Add a flag or a word with a value. ``type`` raises ValueError with what was expected."""
        help += " (default: %(default)s)" if default else ""
        read = _value_or_error(type)
        action = self.add_argument(name, type=read, metavar=metavar, help=help, default=default, **options)
        self._words[action.dest] = type.words if isinstance(type, OneOf) else ()

    def flags(self) -> Iterator[Flag]:
        """Yield the flags and words of the command, without ``--help``."""
        for action in self._actions:
            name = (*action.option_strings, str(action.metavar))[0]
            if name == "-h":
                continue
            text = (action.help or "") % vars(action)
            help, _, default = text.removesuffix(")").partition(" (default: ")
            value = str(action.metavar or "") if action.option_strings else ""
            words = self._words.get(action.dest, ())
            yield Flag(name, value, f"`{default}`" if default else "", help, words)

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError with a fault that argparse found itself, such as a missing value."""
        names, _, fault = message.removeprefix("argument ").partition(": ")
        name = names.rpartition("/")[2]
        action = self._option_string_actions.get(name)
        if action and fault.startswith("ignored explicit argument"):
            fault = f"takes no value; use only {name}"
        elif action and fault == "expected one argument":
            fault = f"is without its value; use {name}={action.metavar}"
        raise ConfigError([f"{name}: {fault}" if fault else name])

    def parse(self, words: Sequence[str]) -> dict[str, Any]:
        """Return the values by name, such as ``config_file``; None for a flag that has no default and is not given.

        Raises ConfigError with every unknown word and every invalid value.
        """
        namespace, unknown = self.parse_known_args(words)
        values = vars(namespace)
        # The word that ends the flags is no argument.
        problems = [self._unknown(word.partition("=")[0]) for word in unknown if word != "--"]
        for action in self._actions:
            problems += _invalid_values(action, values.get(action.dest))
        if problems:
            raise ConfigError(problems)
        return {name.replace(".", "_"): value for name, value in values.items()}

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            cure = "; the command comes first, before its flags" if word in self._commands else ""
            return f"unexpected argument {word}{cure}"
        return f"unknown flag {word}{suggestion(word, self._option_string_actions)}"


def _value_or_error(type: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a type that returns its error as the value, so that argparse reads the remaining arguments too."""

    def read(text: str) -> Any:
        try:
            return type(text)
        except ValueError as error:
            return error

    return read


def _invalid_values(action: argparse.Action, value: Any) -> Iterator[str]:
    values = value if isinstance(value, list) else [value]
    for number, entry in enumerate(values):
        if isinstance(entry, ValueError):
            index = f"[{number}]" if len(values) > 1 else ""
            yield f"{(*action.option_strings, action.metavar)[0]}{index}: {entry}"
