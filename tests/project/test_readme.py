"""What the README tells a stranger to do works."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from exporter.cli.main import COMMANDS, PROGRAM
from exporter.config.loader import parse_config
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.monitoring.settings import parse_settings
from tests.support.exposition_rows import metrics_with
from tests.support.generated_documents import PARTS, WHOLE, generated_text
from tests.support.processes import run_process
from tests.support.repository import ROOT
from tests.support.required_programs import program
from tests.support.waiting import wait_until

README = (ROOT / "README.md").read_text()
MONITORING = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / "monitoring.md").read_text(), re.MULTILINE | re.DOTALL)
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [text for name, text in BLOCKS if name == language]


def test_every_file_that_is_linked_exists() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "SECURITY.md",
        ROOT / "helm" / "README.md",
        *ROOT.glob("docs/*.md"),
    ]
    for page in pages:
        links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
        assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_demo_answers_as_the_readme_says(tmp_path: Path) -> None:
    assert "make demo\n" in blocks("sh")[0]
    output = tmp_path / "demo.log"
    with run_process([program("make"), "demo", "ARGS=--web.listen-address=127.0.0.1:0"], output):
        found = wait_until(lambda: re.search(r"http://\S+/metrics", output.read_text()), "the demo's URL")
        shown = {line.partition("{")[0] for line in blocks("text")[0].splitlines()}
        assert wait_until(lambda: metrics_with(found[0], *shown), "the rows that are shown")


def test_every_configuration_is_right() -> None:
    configurations = [text for text in blocks("yaml") if "accounts:" in text]
    assert len(configurations) == 1
    assert len(parse_config(configurations[0], KINDS).accounts) == 2


def test_the_settings_of_alerts_that_are_shown_are_right() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text()
    (shown,) = re.findall(r"^```yaml\n(runbooks:.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert parse_settings(shown).alerts["AwsIotBulkFailureRatioHigh"].threshold == 0.1


def test_the_scrape_configuration_is_right(tmp_path: Path) -> None:
    (text,) = [text for text in blocks("yaml") if "scrape_configs:" in text]
    file = tmp_path / "prometheus.yml"
    file.write_text(text)
    subprocess.run([program("promtool"), "check", "config", file], check=True, capture_output=True)


def test_every_query_is_one_that_prometheus_understands(tmp_path: Path) -> None:
    queries = [line for text in blocks("promql") for line in text.splitlines()]
    file = tmp_path / "rules.yml"
    rules = [{"record": f"readme:{number}", "expr": query} for number, query in enumerate(queries)]
    file.write_text(yaml.safe_dump({"groups": [{"name": "readme", "rules": rules}]}))
    subprocess.run([program("promtool"), "check", "rules", file], check=True, capture_output=True)
    named = {name for query in queries for name in re.findall(r"aws_\w+(?=[\[{ )<])", query)}
    documented = metrics_document(KINDS)
    labels = {"aws_account_id", "aws_region"}
    assert [name for name in named - labels if f"`{name}`" not in documented] == []


@pytest.mark.parametrize(
    "line", [line for text in blocks("sh") + MONITORING for line in text.splitlines() if line.startswith(PROGRAM)]
)
def test_every_command_and_flag_exists(line: str) -> None:
    words = line.split()
    (command,) = [command for command in COMMANDS if command.name == words[1]]
    flags = {flag.name: flag for flag in command.flags}
    for word in (word for word in words[2:] if word not in command.words):
        name, _, value = word.partition("=")
        assert flags[name].is_switch or flags[name].read(value) is not None


@pytest.mark.parametrize("file", [*PARTS, *WHOLE], ids=lambda file: file.name)
def test_what_is_generated_is_that_of_the_code(file: Path) -> None:
    assert file.read_text(encoding="utf-8") == generated_text(file)


def test_every_kind_is_in_the_readme_once() -> None:
    for kind in KINDS:
        assert README.count(f"| `{kind.name}` |") == 1


def test_the_image_that_is_built_is_the_one_that_the_chart_runs() -> None:
    made = subprocess.run(
        [program("make"), "--dry-run", "image", "ENGINE=docker"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert "make image\n" in README
    assert f"--tag aws-iot-bulk-exporter:{__version__} " in made.stdout
