"""The example of two clusters in docs/monitoring.md, with its own files: helm, real exporters and both versions."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.test_live_alerts import CONFIG, NAMESPACE, NO_ENDPOINT, address
from tests.support import http_requests
from tests.support.helm_chart import Document, objects_of_kind, only_object, render, workload
from tests.support.processes import run_exporter_process, run_until_printed
from tests.support.prometheus import PROGRAMS, query_series, run_configured_prometheus
from tests.support.promql import Promtool
from tests.support.repository import ROOT, program
from tests.support.waiting import wait_until

PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.partition("### Example: two clusters")[2].partition("\n## ")[0]
RELEASES = ("prod", "staging")
CLUSTERS = dict(zip(("eu", "us"), PROGRAMS, strict=True))


def block(start: str) -> str:
    """Return the code block of the example that begins with a line."""
    (text,) = (text for text in EXAMPLE.split("```") if text.partition("\n")[2].strip().startswith(start))
    return text.partition("\n")[2].replace("\n   ", "\n").strip()


def rendered(folder: Path, release: str) -> list[Document]:
    """Return the objects of a release with the example's values."""
    values = folder / f"{release}.yaml"
    values.write_text(block(f"# {release}.yaml"))
    return render(f"--values={values}", release=release)


def rule_groups(folder: Path) -> str:
    """Return the rules of the example as a rule file."""
    return yaml.safe_dump({"groups": only_object(rendered(folder, "prod"), "PrometheusRule")["spec"]["groups"]})


@pytest.fixture
def prometheus_urls(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The URL of the Prometheus of each cluster, which scrapes four exporters and has the rules of the example."""
    (tmp_path / "rules.yaml").write_text(rule_groups(tmp_path))
    with ExitStack() as stack:
        targets: dict[str, list[str]] = {}
        for release in RELEASES:
            documents = rendered(tmp_path, release)
            pods = workload(documents)["spec"].get("replicas", 1)
            job = only_object(documents, "Service")["metadata"]["name"]
            for number in range(pods):
                folder = tmp_path / f"{release}-{number}"
                folder.mkdir()
                flags = (f"--shard.ordinal={number}", f"--shard.total={pods}")
                process = stack.enter_context(run_exporter_process(folder, CONFIG, NO_ENDPOINT, *flags))
                targets.setdefault(job, []).append(address(process))
        yield {cluster: stack.enter_context(_prometheus(tmp_path, cluster, targets)) for cluster in CLUSTERS}


def _prometheus(folder: Path, cluster: str, targets: dict[str, list[str]]) -> Any:
    jobs = [
        {"job_name": job, "static_configs": [{"targets": addresses, "labels": {"namespace": NAMESPACE}}]}
        for job, addresses in targets.items()
    ]
    own = folder / cluster
    own.mkdir()
    intervals = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {
        "global": {**intervals, "external_labels": {"cluster": cluster}},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": jobs,
    }
    return run_configured_prometheus(own, config, CLUSTERS[cluster])


def sizes(url: str, query: str) -> dict[str, int] | None:
    """Return the number of exporters by job, or None until all four are scraped."""
    by_job = {entry["metric"]["job"]: int(entry["value"][1]) for entry in query_series(url, query)}
    return by_job if sum(by_job.values()) == 4 else None


def rule_states(url: str) -> list[tuple[str, str]] | None:
    """Return the health and the error of every rule, or None if a rule has not been evaluated yet."""
    groups = http_requests.get(f"{url}/api/v1/rules").json()["data"]["groups"]
    states = [(rule["health"], rule.get("lastError", "")) for group in groups for rule in group["rules"]]
    return None if not states or "unknown" in {health for health, _ in states} else states


def test_the_example_works_in_both_clusters(prometheus_urls: dict[str, str]) -> None:
    counted, firing = block("count by").splitlines()
    for url in prometheus_urls.values():
        expected = {"prod-aws-iot-bulk-exporter-shards": 3, "staging-aws-iot-bulk-exporter": 1}
        assert wait_until(partial(sizes, url, counted), "all exporters") == expected
        assert set(wait_until(partial(rule_states, url), "the evaluation of the rules")) == {("ok", "")}
        assert query_series(url, firing.strip()) == []


def test_only_one_release_of_the_example_has_the_rules_and_it_expects_every_exporter(tmp_path: Path) -> None:
    documents = {release: rendered(tmp_path, release) for release in RELEASES}
    assert not objects_of_kind(documents["staging"], "PrometheusRule")
    pods = sum(workload(objects)["spec"].get("replicas", 1) for objects in documents.values())
    assert f"{pods} - (count(" in rule_groups(tmp_path)


def test_the_rules_of_the_example_are_valid(tmp_path: Path, promtool: Promtool) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(rule_groups(tmp_path))
    promtool("check", "rules", "--lint=all", "--lint-fatal", file)


def test_alertmanager_loads_the_configuration_of_the_example(tmp_path: Path, alertmanager_program: str) -> None:
    inhibitions = (ROOT / "monitoring" / "alertmanager-inhibitions.yaml").read_text(encoding="utf-8")
    file = tmp_path / "alertmanager.yaml"
    file.write_text(f"{block('# alertmanager.yaml')}\n{inhibitions}")
    checked = subprocess.run([program("amtool"), "check-config", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    flags = (f"--storage.path={tmp_path / 'data'}", "--web.listen-address=127.0.0.1:0", "--cluster.listen-address=")
    command = [alertmanager_program, f"--config.file={file}", *flags]
    with run_until_printed(r'msg="?Listening on"? .*address=\S+(?=\s)', command, tmp_path / "log") as line:
        status = http_requests.get(f"http://{line.rpartition('=')[2]}/api/v2/status").json()
    assert {"fleet", "default"} == {
        entry["name"] for entry in yaml.safe_load(status["config"]["original"])["receivers"]
    }
