"""The pods of the chart as containers, with a simulated AWS and a Prometheus that scrapes a single pod and shards."""

import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import kubernetes_validate
import pytest
import yaml

from exporter.cli.commands.demo import demo_config
from exporter.kinds.metric import IDENTITY
from tests.support import http_requests
from tests.support.containers import GRACE_SECONDS, inspect, log_match, output_of, podman, run_in_container
from tests.support.exposition_rows import STATUS
from tests.support.helm_chart import container_of, only_object, render
from tests.support.podman_pods import Release, play_pods, pods_of, run_simulated_aws, values_argument
from tests.support.prometheus import query_series, run_prometheus
from tests.support.waiting import wait_until

SHARDS = 3
NETWORK = f"exporter-{os.getpid()}"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Run a simulated AWS on the network of the pods, and give its URL."""
    with run_simulated_aws(NETWORK) as url:
        yield url


def demo_values(aws: str, folder: Path) -> str:
    """Return the argument with the configuration of the demo."""
    return values_argument(aws, yaml.safe_load(demo_config()), folder)


@pytest.fixture(scope="module")
def whole(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Run a release with one pod that watches everything."""
    documents = render(demo_values(aws, tmp_path_factory.mktemp("values")), release=f"whole-{os.getpid()}")
    with play_pods(documents, NETWORK) as pods:
        yield Release(documents, pods)


@pytest.fixture(scope="module")
def sharded(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Run a release whose shards watch the same cells together."""
    arguments = (demo_values(aws, tmp_path_factory.mktemp("values")), f"--set=shards={SHARDS}")
    documents = render(*arguments, release=f"sharded-{os.getpid()}")
    with play_pods(documents, NETWORK) as pods:
        yield Release(documents, pods)


@pytest.fixture(scope="module")
def prometheus_url(whole: Release, sharded: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a Prometheus that scrapes all pods, and give its URL when it has the cells of both releases."""
    targets = [
        {"targets": release.targets, "labels": {"release": name}}
        for name, release in (("whole", whole), ("sharded", sharded))
    ]
    folder = tmp_path_factory.mktemp("prometheus")
    with run_prometheus(folder, f"http://{whole.targets[0]}/metrics", static_configs=targets) as url:
        complete = f"count(aws_iot_bulk_exporter_up == 1) == {2 * len(configured_cells())}"
        wait_until(lambda: query_series(url, complete) or None, "a scrape of every cell by both releases")
        yield url


def configured_cells() -> set[tuple[str, ...]]:
    """Return the account, Region and kind of each configured cell."""
    return {
        (account["name"], region, watch["kind"])
        for account in yaml.safe_load(demo_config())["accounts"]
        for region in account["regions"]
        for watch in account["watch"]
    }


def pod_counts(url: str, metric: str, labels: tuple[str, ...], release: str) -> Counter[tuple[str, ...]]:
    """Return the number of pods of a release that export each combination of labels."""
    series = (sample["metric"] for sample in query_series(url, f'{metric}{{release="{release}"}}'))
    pods = {(*(sample[label] for label in labels), sample["instance"]) for sample in series}
    return Counter(labels_and_pod[:-1] for labels_and_pod in pods)


def values_by_instance(url: str, metric: str) -> dict[str, int]:
    """Return the value of a metric for each shard."""
    return {
        sample["metric"]["instance"]: int(sample["value"][1])
        for sample in query_series(url, f'{metric}{{release="sharded"}}')
    }


def test_the_test_derives_pods_from_a_stateful_set_as_kubernetes_does() -> None:
    stateful_set = only_object(render(f"--set=shards={SHARDS},persistence.enabled=true"), "StatefulSet")
    pods = pods_of(stateful_set)
    for ordinal, pod in enumerate(pods):
        kubernetes_validate.validate(pod, "1.34", strict=True)
        assert pod["metadata"]["name"] == pod["spec"]["hostname"] == f"{stateful_set['metadata']['name']}-{ordinal}"
        assert stateful_set["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert pod["spec"]["containers"] == stateful_set["spec"]["template"]["spec"]["containers"]
        claims = [volume["persistentVolumeClaim"] for volume in pod["spec"]["volumes"] if volume["name"] == "state"]
        assert claims == [{"claimName": f"state-{stateful_set['metadata']['name']}-{ordinal}"}]
    assert len(pods) == SHARDS


def test_the_pods_have_no_privileges_and_can_write_only_to_tmp(whole: Release, sharded: Release) -> None:
    for pod in (*whole.pods, *sharded.pods):
        status = output_of(run_in_container(pod.container, "cat", "/proc/1/status"))
        for line in ("Uid:\t65532\t", "Gid:\t65532\t", f"CapBnd:\t{0:016}\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"):
            assert line in status
        assert "Read-only file system" in run_in_container(pod.container, "touch", "/file").stderr
        output_of(run_in_container(pod.container, "touch", "/tmp/file"))


def test_the_probes_of_the_pods_succeed(whole: Release, sharded: Release) -> None:
    for release in (whole, sharded):
        probes = [container_of(release.documents)[key]["httpGet"] for key in ("livenessProbe", "readinessProbe")]
        urls = [f"http://{target}{probe['path']}" for target in release.targets for probe in probes]
        assert {wait_until(partial(status, url), url) for url in urls} == {200}


def status(url: str) -> int | None:
    """Return the status of a response, or None without a response."""
    try:
        return http_requests.get(url).status_code
    except httpx.TransportError:
        return None


def test_each_shard_reads_its_ordinal_from_its_host_name(sharded: Release, prometheus_url: str) -> None:
    ordinals = values_by_instance(prometheus_url, "aws_iot_bulk_exporter_shard_ordinal")
    assert [ordinals[target] for target in sharded.targets] == [*range(SHARDS)]
    assert {*values_by_instance(prometheus_url, "aws_iot_bulk_exporter_shards").values()} == {SHARDS}


def test_the_shards_export_all_cells_without_overlap(prometheus_url: str) -> None:
    whole, sharded = (
        pod_counts(prometheus_url, "aws_iot_bulk_exporter_up", ("account", "aws_region", "kind"), release)
        for release in ("whole", "sharded")
    )
    assert whole.keys() == configured_cells()
    assert sharded == whole
    assert {*sharded.values()} == {1}


def test_each_scope_belongs_to_one_shard_and_the_shards_differ(prometheus_url: str) -> None:
    scopes = pod_counts(prometheus_url, "aws_iot_bulk_exporter_up", ("account", "aws_region"), "sharded")
    assert {*scopes.values()} == {1}
    assert len(pod_counts(prometheus_url, "aws_iot_bulk_exporter_up", ("instance",), "sharded")) > 1


def test_both_releases_export_the_same_operations(prometheus_url: str) -> None:
    def common_operations() -> Counter[tuple[str, ...]] | None:
        counts = [pod_counts(prometheus_url, STATUS, IDENTITY, release) for release in ("whole", "sharded")]
        return counts[0] if counts[0] == counts[1] else None

    operations = wait_until(common_operations, "the same operations")
    assert {*operations.values()} == {1}
    assert {kind for *_, kind, _ in operations} == {kind for *_, kind in configured_cells()}


def test_a_stopped_pod_exits_with_0(aws: str, tmp_path: Path) -> None:
    with play_pods(render(demo_values(aws, tmp_path), release=f"short-{os.getpid()}"), NETWORK) as (pod,):
        wait_until(log_match(pod.container, "listening"), "the exporter")
        output_of(podman("stop", f"--time={GRACE_SECONDS}", pod.container))
        assert inspect("container", pod.container)["State"]["ExitCode"] == 0
