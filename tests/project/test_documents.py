"""The commands, configurations, queries and figures in the documents are valid."""

import math
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.cli.main import PROGRAM, parse_arguments
from exporter.config.loader import parse_config
from exporter.core.errors import Reason
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.monitoring.settings import parse_settings
from tests.support.exposition_rows import metrics_with
from tests.support.generated_documents import PARTS, WHOLE, generated_text
from tests.support.processes import run_process
from tests.support.promql import Promtool
from tests.support.repository import ROOT, program
from tests.support.waiting import wait_until

README, MONITORING, PERMISSIONS, SCALING, PERFORMANCE = (
    (ROOT / page).read_text(encoding="utf-8")
    for page in ("README.md", "docs/monitoring.md", "docs/aws-permissions.md", "docs/scaling.md", "docs/performance.md")
)
WITH_LINKS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "helm/README.md")]


def blocks(language: str, *pages: str) -> list[str]:
    """Return the fenced blocks of a language on some pages."""
    pattern = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [text for page in pages for text in pattern.findall(page)]


COMMAND_LINES = [
    line
    for text in blocks("sh", README, MONITORING, PERMISSIONS, SCALING)
    for line in text.splitlines()
    if line.startswith(PROGRAM)
]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*WITH_LINKS, *ROOT.glob("docs/*.md")], ids=lambda page: page.name)
def test_every_linked_file_and_section_exists(page: Path) -> None:
    for link, anchor in re.findall(r"\]\(([^)#:]*)#?([^):]*)\)", page.read_text(encoding="utf-8")):
        target = page.parent / link if link else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), f"{link}#{anchor}"


def test_the_demo_shows_the_metrics_in_the_readme(tmp_path: Path) -> None:
    assert "make demo\n" in blocks("sh", README)[0]
    output = tmp_path / "demo.log"
    with run_process([program("make"), "demo", "ARGS=--web.listen-address=127.0.0.1:0"], output):
        match = wait_until(lambda: re.search(r"http://\S+/metrics", output.read_text()), "the demo's URL")
        names = {line.partition("{")[0] for line in blocks("text", README)[0].splitlines()}
        assert wait_until(lambda: metrics_with(match[0], *names), "the metrics in the README")


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_every_command_is_valid(line: str) -> None:
    _, command, *words = shlex.split(line, comments=True)
    assert callable(parse_arguments(command, words))


@pytest.mark.parametrize(
    ("page", "accounts"),
    [(README, [2]), (PERMISSIONS, [1, 2]), (SCALING, [])],
    ids=["readme", "permissions", "scaling"],
)
def test_every_configuration_is_valid(page: str, accounts: list[int]) -> None:
    configurations = [text for text in blocks("yaml", page) if "accounts:" in text]
    assert [len(parse_config(text, KINDS).accounts) for text in configurations] == accounts


def test_the_alert_settings_are_valid() -> None:
    (settings,) = [text for text in blocks("yaml", MONITORING) if "\nrunbooks:" in text]
    assert parse_settings(settings, KINDS).alerts["AwsIotBulkFailureRatioHigh"].threshold == 0.1


@pytest.mark.parametrize("page", [README, SCALING], ids=["readme", "scaling"])
def test_the_scrape_configuration_is_valid(page: str, tmp_path: Path, promtool: Promtool) -> None:
    (text,) = [text for text in blocks("yaml", page) if "scrape_configs:" in text]
    file = tmp_path / "prometheus.yml"
    file.write_text(text)
    promtool("check", "config", file)


def test_every_query_in_the_readme_is_valid(tmp_path: Path, promtool: Promtool) -> None:
    queries = [line for text in blocks("promql", README) for line in text.splitlines()]
    file = tmp_path / "rules.yml"
    rules = [{"record": f"readme:{number}", "expr": query} for number, query in enumerate(queries)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "readme", "rules": rules}]}))
    promtool("check", "rules", file)


@pytest.mark.parametrize("page", [README, SCALING], ids=["readme", "scaling"])
def test_queries_use_documented_metrics_only(page: str) -> None:
    names = {name for query in blocks("promql", page) for name in re.findall(r"\baws_\w+", query)}
    documented, labels = metrics_document(KINDS), {"aws_account_id", "aws_region"}
    assert names
    assert [name for name in names - labels if f"`{name}`" not in documented] == []


def test_the_queries_find_a_missing_shard_and_a_shard_of_another_total(tmp_path: Path) -> None:
    queries = [line for text in blocks("promql", SCALING) for line in text.splitlines()]
    totals = {"mixed": (3, 3, 2), "missing": (4, 4, 4), "complete": (3, 3, 3)}
    found = {case: [has_result(query, case, totals[case], tmp_path) for query in queries] for case in totals}
    assert found == {"mixed": [True, False], "missing": [False, True], "complete": [False, False]}


def has_result(query: str, case: str, totals: tuple[int, ...], folder: Path) -> bool:
    """Return whether a query has a result if the shards expose these totals."""
    series = [
        {"series": f'aws_iot_bulk_exporter_{name}{{instance="{ordinal}"}}', "values": str(value)}
        for ordinal, total in enumerate(totals)
        for name, value in (("shard_ordinal", ordinal), ("shards", total))
    ]
    nothing = {"expr": f"count({query}) > 0", "eval_time": "0s", "exp_samples": []}
    rules, test = folder / "rules.yml", folder / f"{case}.yml"
    rules.write_text("groups: []")
    test.write_text(
        yaml.safe_dump({"rule_files": [str(rules)], "tests": [{"input_series": series, "promql_expr_test": [nothing]}]})
    )
    done = subprocess.run([program("promtool"), "test", "rules", test], check=False, capture_output=True, text=True)
    assert done.returncode == 0 or "got:" in done.stdout + done.stderr, done.stdout + done.stderr
    return done.returncode != 0


def test_every_figure_was_measured() -> None:
    rows = re.findall(r"^\| [^|]+ \| ([^|]+) \| `python -m benchmarks (\w+)` \|$", SCALING, re.MULTILINE)
    assert len(rows) == 11
    for figure, name in rows:
        (section,) = re.findall(rf"^## [^\n]*\(`{name}`\)\n(.*?)(?=^## |\Z)", PERFORMANCE, re.MULTILINE | re.DOTALL)
        assert re.search(rf"(?<![\d.]){re.escape(figure)}(?![\d.])", section), figure
    assert "5 shards of 3,400 scopes" in SCALING
    assert "5 shards of 3,400 scopes" in PERFORMANCE


@pytest.mark.parametrize(("active", "idle", "number"), [(17_000, 0, 5), (200, 16_800, 1)])
def test_the_examples_of_shards_follow_from_the_formula(active: int, idle: int, number: int) -> None:
    [(cpu, idle_cpu)] = re.findall(r"shards = \(n x ([\d.]+) ms / T \+ i x ([\d.]+) ms / 30 s\) / u", SCALING)
    assert f"| {cpu} ms |" in SCALING
    assert f"| {idle_cpu} ms |" in SCALING
    load = (active * float(cpu) + idle * float(idle_cpu)) / 1e3 / 30
    assert math.ceil(load / 0.7) == number


@pytest.mark.parametrize("file", [*PARTS, *WHOLE], ids=lambda file: file.name)
def test_generated_parts_are_up_to_date(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == generated_text(file)


def test_the_page_about_failures_has_every_reason_of_a_cell() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", page, re.MULTILINE)
    assert sorted(reasons) == sorted(set(Reason) - {Reason.NOT_FOUND})


def test_the_readme_has_every_kind_once() -> None:
    for kind in KINDS:
        assert README.count(f"| `{kind.name}` |") == 1


def test_make_image_builds_the_image_of_the_chart() -> None:
    made = subprocess.run(
        [program("make"), "--dry-run", "image", "ENGINE=docker"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "make image\n" in README
    assert f"--tag aws-iot-bulk-exporter:{__version__} " in made.stdout
