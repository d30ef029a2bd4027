"""The command line: finds the command, and returns its exit status."""

import argparse
import errno
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import Any

from exporter import __version__
from exporter.cli.exit_status import ExitStatus
from exporter.cli.parser import CommandParser, suggestion
from exporter.core.errors import ConfigError, StartError, UnreachableError
from exporter.core.log import printable

PROGRAM = "aws-iot-bulk-exporter"
ABOUT = "Prometheus exporter for the bulk operations of AWS IoT. The default command is serve."
OUTPUT_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})

DEFAULT_COMMAND = "serve"
# Each command is a module of exporter.cli.commands with ``add_arguments`` and ``run``.
COMMANDS = {
    "serve": "Serve /metrics.",
    "check": "Check the configuration and, with --live, the access to AWS.",
    "watch": "Show live progress; with --until-done wait until all operations have ended.",
    "failures": "Print which items of an operation failed, and why.",
    "demo": "Serve /metrics of a simulated AWS.",
    "simulate": "Simulate the APIs of AWS.",
    "drill": "Make every alert fire and resolve on a simulated AWS.",
    "show": "Print documents, policies, rules and dashboards.",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failure at run time, 2 for bad usage or configuration."""
    # In the first process of a container the kernel ignores SIGTERM unless the process handles it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(ExitStatus.TERMINATED))
    # Python has no stream for a descriptor that is closed.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    try:
        try:
            return _run(list(sys.argv[1:] if words is None else words))
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return ExitStatus.BROKEN_PIPE
    except OSError as error:
        if error.errno not in OUTPUT_ERRORS:
            raise
        _discard_output()
        return _fail((f"standard output: {error.strerror}",), ExitStatus.OUTPUT_FAILED)
    except KeyboardInterrupt:
        return ExitStatus.INTERRUPTED


def _run(words: list[str]) -> int:
    try:
        if words and words[0] in ("-h", "--help", "--version"):
            _help_parser().parse_args(words)
        if not words or words[0].startswith("-"):
            words.insert(0, DEFAULT_COMMAND)
        if words[0] == "serve":
            # The default action of SIGHUP ends the process. It is ignored until the server handles it.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return parse_arguments(words[0], words[1:])()
    except ConfigError as error:
        return _fail(error.lines, ExitStatus.BAD_USAGE)
    except UnreachableError as error:
        return _fail((str(error),), ExitStatus.UNREACHABLE)
    except StartError as error:
        return _fail((str(error),), ExitStatus.FAILED)


def _discard_output() -> None:
    """Discard the text that is still buffered. Python flushes standard output at exit, which would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parse_arguments(command: str, words: Sequence[str]) -> Callable[[], int]:
    """Return ``run`` of a command with its arguments. Raises ConfigError with every fault in the words."""
    if command not in COMMANDS:
        raise ConfigError([f"{command}: expected one of {', '.join(COMMANDS)}{suggestion(command, COMMANDS)}"])
    values = command_parser(command).parse(words)
    return partial(_module(command).run, **values)


def command_parser(command: str) -> CommandParser:
    """Return the parser of a command."""
    parser = CommandParser(f"{PROGRAM} {command}", COMMANDS[command], COMMANDS)
    _module(command).add_arguments(parser)
    return parser


def _module(command: str) -> Any:
    return import_module(f"exporter.cli.commands.{command}")


def _help_parser() -> argparse.ArgumentParser:
    parser = CommandParser(PROGRAM, ABOUT)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=argparse.ArgumentParser)
    for command, summary in COMMANDS.items():
        commands.add_parser(command, help=summary)
    return parser


def _fail(problems: Sequence[str], status: ExitStatus) -> ExitStatus:
    for problem in problems:
        print(f"{PROGRAM}: {printable(problem)}", file=sys.stderr)
    return status
