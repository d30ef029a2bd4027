"""What the pages on permissions and scaling show can be run, and their figures are those that were measured."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter.cli.main import COMMANDS, PROGRAM
from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from tests.support.repository import ROOT
from tests.support.required_programs import program

PAGES = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("aws-permissions.md", "scaling.md")]
SCALING = PAGES[1]
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of one language on all pages."""
    found = rf"^```{language}\n(.*?)^```$"
    return [text for page in PAGES for text in re.findall(found, page, re.MULTILINE | re.DOTALL)]


@pytest.mark.parametrize(
    "line", [line for text in blocks("sh") for line in text.splitlines() if line.startswith(PROGRAM)]
)
def test_every_command_word_and_flag_exists(line: str) -> None:
    _, name, *rest = line.split()
    (command,) = [command for command in COMMANDS if command.name == name]
    flags = {flag.name: flag for flag in command.flags}
    assert [word for word in rest if not word.startswith("--") and word not in command.words] == []
    for word in rest:
        flag, _, value = word.partition("=")
        assert not word.startswith("--") or flags[flag].is_switch or flags[flag].read(value) is not None


def test_every_configuration_is_right() -> None:
    configurations = [text for text in blocks("yaml") if "accounts:" in text]
    assert [len(parse_config(text, KINDS).accounts) for text in configurations] == [1, 2]


def test_the_scrape_configuration_is_right(tmp_path: Path) -> None:
    (text,) = [text for text in blocks("yaml") if "scrape_configs:" in text]
    file = tmp_path / "prometheus.yml"
    file.write_text(text)
    subprocess.run([program("promtool"), "check", "config", file], check=True, capture_output=True)


def test_the_queries_find_a_shard_that_is_missing_or_of_another_total(tmp_path: Path) -> None:
    queries = [line for text in blocks("promql") for line in text.splitlines()]
    names = {name for query in queries for name in re.findall(r"\baws_\w+", query)}
    assert [name for name in names if f"`{name}`" not in metrics_document(KINDS)] == []
    totals = {"mixed": (3, 3, 2), "missing": (4, 4, 4), "fine": (3, 3, 3)}
    found = {case: [found_by(query, case, totals[case], tmp_path) for query in queries] for case in totals}
    assert found == {"mixed": [True, False], "missing": [False, True], "fine": [False, False]}


def found_by(query: str, case: str, totals: tuple[int, ...], folder: Path) -> bool:
    """Tell whether a query finds something in shards that expose these totals."""
    series = [
        {"series": f'aws_iot_bulk_exporter_shard_{name}{{instance="{ordinal}"}}', "values": str(value)}
        for ordinal, total in enumerate(totals)
        for name, value in (("ordinal", ordinal), ("total", total))
    ]
    expected = {"expr": f"count({query}) > 0", "eval_time": "0s"}
    rules, test = folder / "rules.yml", folder / f"{case}.yml"
    rules.write_text("groups: []")
    nothing = {**expected, "exp_samples": []}
    test.write_text(
        yaml.safe_dump({"rule_files": [str(rules)], "tests": [{"input_series": series, "promql_expr_test": [nothing]}]})
    )
    done = subprocess.run([program("promtool"), "test", "rules", test], check=False, capture_output=True, text=True)
    assert done.returncode == 0 or "got:" in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode != 0


def test_every_figure_is_one_that_was_measured() -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `python -m benchmarks (\w+)` \|$", SCALING, re.MULTILINE)
    assert len(rows) == 8
    for figure, name in rows:
        (section,) = re.findall(rf"^## [^\n]*\(`{name}`\)\n(.*?)(?=^## |\Z)", PERFORMANCE, re.MULTILINE | re.DOTALL)
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.])", section), figure
    assert "9 shards of 1,889 scopes" in SCALING
    assert "9 shards of 1,889 scopes" in PERFORMANCE
