"""Each supported Prometheus scrapes the exporter with every format that it can request, and has nothing to remark."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.recorded_pair import CONFIG, SCENARIO
from tests.support import http_requests
from tests.support.exporter_server import serve_simulation
from tests.support.prometheus import query_series, run_configured_prometheus
from tests.support.repository import ROOT, program
from tests.support.waiting import wait_until

FORMATS = (
    "PrometheusProto",
    "OpenMetricsText1.0.0",
    "OpenMetricsText0.0.1",
    "PrometheusText1.0.0",
    "PrometheusText0.0.4",
)
# The settings of a scrape that change its headers, by the name of the job. Version 2.42 has none.
JOBS: dict[str, dict[str, dict[str, Any]]] = {
    "prometheus": {"default": {}},
    "prometheus-3": {
        "default": {},
        "native histograms": {"scrape_native_histograms": True, "always_scrape_classic_histograms": True},
        "every format": {"scrape_protocols": [*FORMATS]},
        "every format, text first": {"scrape_protocols": [*reversed(FORMATS)]},
        **{f"only {format}": {"scrape_protocols": [format]} for format in (*FORMATS, "OpenMetricsText2.0.0")},
        **{
            f"escaping {scheme}": {"metric_name_escaping_scheme": scheme}
            for scheme in ("allow-utf-8", "underscores", "dots", "values")
        },
        "legacy names": {"metric_name_validation_scheme": "legacy", "metric_name_escaping_scheme": "underscores"},
        "without compression": {"enable_compression": False},
    },
}
# The feature flags that change how samples are requested, parsed or queried.
FEATURES = {
    "prometheus": ("exemplar-storage", "extra-scrape-metrics", "native-histograms", "promql-per-step-stats"),
    "prometheus-3": (
        "created-timestamp-zero-ingestion",
        "exemplar-storage",
        "histograms-st-encoding",
        "metadata-wal-records",
        "openmetrics2",
        "promql-delayed-name-removal",
        "promql-experimental-functions",
        "st-storage",
        "type-and-unit-labels",
        "use-start-timestamps",
        "zstd-scrape",
    ),
}
# Every job has scraped twice, and the last scrapes of all jobs have the same number of samples.
EQUAL_SCRAPES = (
    "count(sum_over_time(up[1h]) >= 2) == {jobs} and sum(up) == {jobs}"
    " and count(count_values('n', scrape_samples_scraped)) == 1"
)
REMARK = re.compile(r".*\blevel=(?!debug|info).*", re.IGNORECASE)


@pytest.fixture(scope="module")
def target() -> Iterator[str]:
    """The address of an exporter with operations of every kind, whose clock does not move."""
    with serve_simulation(CONFIG, SCENARIO) as simulation:
        yield simulation.exporter.url.removeprefix("http://")


@pytest.mark.parametrize("features", [False, True], ids=["default", "features"])
@pytest.mark.parametrize("name", JOBS)
def test_every_format_is_scraped_and_every_rule_is_evaluated_without_a_remark(
    target: str, name: str, features: bool, tmp_path: Path
) -> None:
    program(name)
    config = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "2s"},
        "rule_files": [str(ROOT / "monitoring" / "prometheus-rules.yaml")],
        "scrape_configs": [
            {"job_name": f"aws-iot-bulk, {job}", "static_configs": [{"targets": [target]}], **settings}
            for job, settings in JOBS[name].items()
        ],
    }
    with run_configured_prometheus(tmp_path, config, name, FEATURES[name] if features else ()) as url:
        equal = EQUAL_SCRAPES.format(jobs=len(JOBS[name]))
        wait_until(lambda: query_series(url, equal) or None, "scrapes of every job with the same samples")
        wait_until(lambda: evaluated_rules(url) or None, "an evaluation of every rule")
        assert remarks_on_rules(url) == []
        log = (tmp_path / "prometheus.log").read_text(encoding="utf-8")
    assert "Listening on" in log
    assert REMARK.findall(log) == []


def rules_of(url: str) -> list[dict[str, Any]]:
    """Return the rules that a Prometheus has loaded, with the state of their last evaluation."""
    groups = http_requests.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def evaluated_rules(url: str) -> bool:
    """Return whether each rule has been evaluated."""
    return all(rule["health"] != "unknown" for rule in rules_of(url))


def remarks_on_rules(url: str) -> list[str]:
    """Return the errors of the rules, and the warnings and infos that their queries cause."""
    remarks = [f"{rule['name']}: {rule['lastError']}" for rule in rules_of(url) if rule["health"] != "ok"]
    for rule in rules_of(url):
        response = http_requests.get(f"{url}/api/v1/query", params={"query": rule["query"]}).json()
        found = [*response.get("warnings", ()), *response.get("infos", ())]
        remarks += [f"{rule['name']}: {remark}" for remark in found]
    return remarks
