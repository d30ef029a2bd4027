"""``--alerts.file`` of commands that rank operations: the thresholds that the rules have, too."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.cli import flags
from exporter.cli.parser import CommandParser
from exporter.kinds.kind import Kind


def add_alerts_file(parser: CommandParser) -> None:
    """Add ``--alerts.file``."""
    help = "The settings file of the rules, whose thresholds rank the operations; default thresholds if omitted."
    parser.add_value("--alerts.file", flags.file_path, "PATH", help)


def with_alerts_file(kinds: Sequence[Kind[Any]], file: Path | None) -> Sequence[Kind[Any]]:
    """Return the kinds with the thresholds of a file, or the same kinds without a file. Raises ConfigError."""
    if file is None:
        return kinds
    # The module loads all rules, which need memory.
    from exporter.monitoring.settings import read_settings, with_thresholds

    return with_thresholds(kinds, read_settings(file, kinds))
