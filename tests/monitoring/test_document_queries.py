"""Every query of the README, the pages, the runbooks and the rules runs in each supported Prometheus."""

import re

import pytest

from exporter.kinds.registry import KINDS
from exporter.monitoring.alerts import Alert
from exporter.monitoring.records import Record, without_records
from exporter.monitoring.rules import rules
from exporter.monitoring.selection import Selection
from tests.monitoring.recorded_pair import PAIR
from tests.monitoring.test_dashboard_queries import samples
from tests.support.prometheus import History
from tests.support.repository import ROOT

PAGES = (ROOT / "README.md", ROOT / "helm" / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
BLOCK = re.compile(r"^ *```promql\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
QUERIES = {
    f"{page.stem}: {line.strip()}": line.strip()
    for page in PAGES
    for block in BLOCK.findall(page.read_text(encoding="utf-8"))
    for line in block.splitlines()
    if line.strip()
}
RESOLVED = rules(KINDS).resolve()
RULES: dict[str, Record | Alert] = {
    **{record.name: record for record in RESOLVED.records},
    **{alert.name: alert for alert in RESOLVED.alerts},
}
# A value in capitals is to be replaced by the reader.
TO_REPLACE = re.compile(r'="[A-Z]+"')
NARROWED_RECORD = re.compile(r"(\w+:\w+:\w+)\{[^}]*\}")
# The history has the exporter's series, but not those that Prometheus adds.
OF_PROMETHEUS = re.compile(r"\b(up|ALERTS|scrape_duration_seconds)\b")
# A result is a fault of the exporter or of the configuration, and the history has none of these faults. It also has no
# organization.
FAULTS = re.compile(
    r"active_operations_omitted|config_last_reload_successful == 0|unknown_ids > 0|end_of_support|denied_cells"
    r'|exporter_organization_|account_error|account_accessible\) == 0|status="Unknown"|_shards\) !=|!= max by .*_shards'
)


def runnable(query: str) -> str:
    """Return a query for every value that the reader would choose, without recording rules."""
    return without_records(TO_REPLACE.sub('=~".+"', NARROWED_RECORD.sub(r"\1", query)), RESOLVED.records)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_of_the_documents_returns_data_without_a_remark_of_prometheus(history: History, query: str) -> None:
    is_expected = not OF_PROMETHEUS.search(query) and not FAULTS.search(query)
    assert bool(history.now(runnable(query))) is is_expected


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_is_evaluated_without_a_remark_of_prometheus(history: History, rule: Record | Alert) -> None:
    result = history.now(without_records(rule.query, RESOLVED.records))
    assert result or isinstance(rule, Alert)


# Each exporter makes requests of its own, and is an exporter of its own.
OF_EACH_EXPORTER = re.compile(r"_requests?_|_build_info")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_of_the_documents_counts_the_data_of_a_pair_of_exporters_once(history: History, query: str) -> None:
    assert is_same_for_one_of_a_pair(history, runnable(query)) or OF_EACH_EXPORTER.search(query)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_counts_the_data_of_a_pair_of_exporters_once(history: History, rule: Record | Alert) -> None:
    query = without_records(rule.query, RESOLVED.records)
    assert is_same_for_one_of_a_pair(history, query) or OF_EACH_EXPORTER.search(query)


def is_same_for_one_of_a_pair(history: History, query: str) -> bool:
    """Return whether a query has the same series without the second exporter, apart from those of that exporter."""
    of_pair = [series for series in history.now(query) if series["metric"].get("instance") != PAIR[1]]
    return samples(of_pair) == samples(history.now(Selection(f'instance="{PAIR[0]}"').apply(query)))
