"""Finds metrics in PromQL, and runs promtool."""

import re
import subprocess
from pathlib import Path

from exporter.kinds.registry import KINDS
from exporter.monitoring.records import records
from tests.support.repository import ROOT, program

LITERAL = re.compile(r'"[^"]*"')
MATCHERS = re.compile(r"\{[^}]*\}")
RANGE = re.compile(r"\[[^\]]*\]")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)")
WORDS = {"and", "or", "unless", "bool", "offset"}
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


def promtool(*arguments: str | Path, given: str = "") -> str:
    """Return promtool's output for some input. Fail with the output if promtool fails."""
    command = [program("promtool"), *arguments]
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
