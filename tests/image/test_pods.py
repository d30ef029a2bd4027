"""The chart's pods really run: the image, a simulated AWS, and a Prometheus that scrapes whole and shards."""

from __future__ import annotations

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
from tests.support.containers import (
    GRACE_SECONDS,
    done,
    inside,
    inspected,
    podman,
    printed,
)
from tests.support.exposition_rows import STATUS
from tests.support.helm_chart import container_of, one, render
from tests.support.podman_pods import playing, pods_of
from tests.support.podman_releases import Release, simulated_aws, values
from tests.support.prometheus import prometheus, query
from tests.support.waiting import until

SHARDS = 3
NETWORK = f"exporter-{os.getpid()}"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The URL of a simulated AWS, a container on the network of the pods."""
    with simulated_aws(NETWORK) as url:
        yield url


def demo_values(aws: str, folder: Path) -> str:
    """The argument that takes the demo's configuration."""
    return values(aws, yaml.safe_load(demo_config()), folder)


@pytest.fixture(scope="module")
def whole(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release of one pod that watches everything."""
    documents = render(demo_values(aws, tmp_path_factory.mktemp("values")), release=f"whole-{os.getpid()}")
    with playing(documents, NETWORK) as pods:
        yield Release(documents, pods)


@pytest.fixture(scope="module")
def sharded(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release whose shards share the same."""
    arguments = (demo_values(aws, tmp_path_factory.mktemp("values")), f"--set=shards={SHARDS}")
    documents = render(*arguments, release=f"sharded-{os.getpid()}")
    with playing(documents, NETWORK) as pods:
        yield Release(documents, pods)


@pytest.fixture(scope="module")
def prometheus_url(whole: Release, sharded: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus that scrapes all pods, and has read every cell of both releases."""
    targets = [
        {"targets": release.targets, "labels": {"release": name}}
        for name, release in (("whole", whole), ("sharded", sharded))
    ]
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(folder, f"http://{whole.targets[0]}/metrics", static_configs=targets) as url:
        answered = f"count(aws_iot_bulk_exporter_up == 1) == {2 * len(configured_cells())}"
        until(lambda: query(url, answered) or None, "a scrape of every cell by both releases")
        yield url


def configured_cells() -> set[tuple[str, ...]]:
    """The account, Region and kind of everything that the configuration names."""
    return {
        (account["name"], region, watched["kind"])
        for account in yaml.safe_load(demo_config())["accounts"]
        for region in account["regions"]
        for watched in account["watch"]
    }


def served(url: str, metric: str, labels: tuple[str, ...], release: str) -> Counter[tuple[str, ...]]:
    """How many pods of a release serve what has these labels."""
    series = (one["metric"] for one in query(url, f'{metric}{{release="{release}"}}'))
    pods = {(*(one[label] for label in labels), one["instance"]) for one in series}
    return Counter(which[:-1] for which in pods)


def by_instance(url: str, metric: str) -> dict[str, int]:
    """The value that each shard has of a metric."""
    return {one["metric"]["instance"]: int(one["value"][1]) for one in query(url, f'{metric}{{release="sharded"}}')}


def test_pods_are_made_of_a_stateful_set_as_kubernetes_makes_them() -> None:
    stateful_set = one(render(f"--set=shards={SHARDS},persistence.enabled=true"), "StatefulSet")
    pods = pods_of(stateful_set)
    for ordinal, pod in enumerate(pods):
        kubernetes_validate.validate(pod, "1.34", strict=True)
        assert pod["metadata"]["name"] == pod["spec"]["hostname"] == f"{stateful_set['metadata']['name']}-{ordinal}"
        assert stateful_set["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert pod["spec"]["containers"] == stateful_set["spec"]["template"]["spec"]["containers"]
        claims = [volume["persistentVolumeClaim"] for volume in pod["spec"]["volumes"] if volume["name"] == "state"]
        assert claims == [{"claimName": f"state-{stateful_set['metadata']['name']}-{ordinal}"}]
    assert len(pods) == SHARDS


def test_the_pods_have_no_privilege_and_only_tmp_to_write_to(whole: Release, sharded: Release) -> None:
    for pod in (*whole.pods, *sharded.pods):
        status = done(inside(pod.container, "cat", "/proc/1/status"))
        for line in ("Uid:\t65532\t", "Gid:\t65532\t", f"CapBnd:\t{0:016}\n", "NoNewPrivs:\t1\n", "Seccomp:\t2\n"):
            assert line in status
        assert "Read-only file system" in inside(pod.container, "touch", "/file").stderr
        done(inside(pod.container, "touch", "/tmp/file"))


def test_a_node_finds_them_alive_and_ready(whole: Release, sharded: Release) -> None:
    for release in (whole, sharded):
        probes = [container_of(release.documents)[key]["httpGet"] for key in ("livenessProbe", "readinessProbe")]
        urls = [f"http://{target}{probe['path']}" for target in release.targets for probe in probes]
        assert {until(partial(status, url), url) for url in urls} == {200}


def status(url: str) -> int | None:
    """What a URL answers with, None while nobody does."""
    try:
        return http_requests.get(url).status_code
    except httpx.TransportError:
        return None


def test_each_shard_knows_its_number_by_its_host_name(sharded: Release, prometheus_url: str) -> None:
    ordinals = by_instance(prometheus_url, "aws_iot_bulk_exporter_shard_ordinal")
    assert [ordinals[target] for target in sharded.targets] == [*range(SHARDS)]
    assert {*by_instance(prometheus_url, "aws_iot_bulk_exporter_shard_total").values()} == {SHARDS}


def test_shards_serve_the_whole_without_overlap(prometheus_url: str) -> None:
    whole, sharded = (
        served(prometheus_url, "aws_iot_bulk_exporter_up", ("account", "aws_region", "kind"), release)
        for release in ("whole", "sharded")
    )
    assert whole.keys() == configured_cells()
    assert sharded == whole
    assert {*sharded.values()} == {1}


def test_a_scope_is_one_shard_s_and_no_shard_has_them_all(prometheus_url: str) -> None:
    scopes = served(prometheus_url, "aws_iot_bulk_exporter_up", ("account", "aws_region"), "sharded")
    assert {*scopes.values()} == {1}
    assert len(served(prometheus_url, "aws_iot_bulk_exporter_up", ("instance",), "sharded")) > 1


def test_both_tell_the_same_operations(prometheus_url: str) -> None:
    def same() -> Counter[tuple[str, ...]] | None:
        found = [served(prometheus_url, STATUS, IDENTITY, release) for release in ("whole", "sharded")]
        return found[0] if found[0] == found[1] else None

    operations = until(same, "the same operations")
    assert {*operations.values()} == {1}
    assert {kind for *_, kind, _ in operations} == {kind for *_, kind in configured_cells()}


def test_a_pod_that_is_told_to_go_ends_well(aws: str, tmp_path: Path) -> None:
    with playing(render(demo_values(aws, tmp_path), release=f"short-{os.getpid()}"), NETWORK) as (pod,):
        until(printed(pod.container, "listening"), "the exporter")
        done(podman("stop", f"--time={GRACE_SECONDS}", pod.container))
        assert inspected("container", pod.container)["State"]["ExitCode"] == 0
