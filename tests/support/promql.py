"""Finds metrics in PromQL, and runs promtool."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from exporter.kinds.registry import KINDS
from exporter.monitoring.records import records
from tests.support.repository import ROOT

LITERAL = re.compile(r'"[^"]*"')
MATCHERS = re.compile(r"\{[^}]*\}")
RANGE = re.compile(r"\[[^\]]*\]")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)")
WORDS = {"and", "or", "unless", "bool", "offset"}
# The supported versions of promtool: that of Debian, and one of the current major version.
PROMTOOLS = ("promtool", "promtool-3")
# With fewer garbage collections, the unit tests of the rules need a fifth less time of the processor.
GARBAGE_COLLECTION = {"GOGC": "400"}
# Metrics that Prometheus itself adds for every target.
OF_PROMETHEUS = {"up"}


def metric_names(query: str) -> set[str]:
    """Return the metric names in a query."""
    for noise in (LITERAL, MATCHERS, RANGE, GROUPING):
        query = noise.sub(" ", query)
    return set(re.findall(r"\b[a-zA-Z_:][\w:]*\b(?! *\()", query)) - WORDS


def exposed_metrics() -> set[str]:
    """Return the metrics that a query may use: the documented ones and those of Prometheus itself."""
    documented = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| *`(\w+)", documented, re.MULTILINE)) | OF_PROMETHEUS


def recorded_metrics() -> set[str]:
    """Return the names of the recording rules."""
    return {record.name for record in records(KINDS)}


@dataclass(frozen=True, slots=True)
class Promtool:
    """An installed promtool. The fixture ``promtool`` is each supported version, one after the other."""

    path: str

    def __call__(self, *arguments: str | Path, given: str = "") -> str:
        """Return promtool's output for some input. Fail with the output if promtool fails."""
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run(self, *arguments: str | Path, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run promtool with some input."""
        command = [self.path, *arguments]
        environment = os.environ | GARBAGE_COLLECTION
        return subprocess.run(
            command, input=given, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
