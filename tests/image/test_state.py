"""The state file in the chart's pods: what has ended is kept in the volume, and is asked of AWS once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.containers import output_of, podman, run_image, run_in_container
from tests.support.exposition_rows import Scrape
from tests.support.helm_chart import Document, container_of, render
from tests.support.podman_pods import Pod, Release, claimed_volumes, play_pods, run_simulated_aws, values_argument
from tests.support.waiting import wait_until

NETWORK = f"exporter-state-{os.getpid()}"
FOLDER = "/var/lib/aws-iot-bulk-exporter"
REGIONS = ("eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2", "sa-east-1")
IN_EACH = 4
CONFIG = {
    "accounts": [{"regions": [*REGIONS], "watch": [{"kind": "thing_registration_task", "discover": True}]}],
    "refresh": {"min_age": "1s"},
}
ENDED = "[{at: 0s, status: InProgress}, {at: 30m, status: Completed, done: 1.0, failed: 0.1}]"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a simulated AWS where everything has ended an hour ago."""
    folder = tmp_path_factory.mktemp("scenario")
    folder.chmod(0o755)
    tasks = f"kind: thing_registration_task, count: {IN_EACH}, created: -90m, items: 1000, timeline: {ENDED}"
    operations = "".join(f"  - {{region: {region}, {tasks}}}\n" for region in REGIONS)
    (folder / "ended.yaml").write_text(f'accounts: ["111122223333"]\noperations:\n{operations}')
    options = (f"--volume={folder}:/scenario:ro",)
    with run_simulated_aws(NETWORK, "--scenario=/scenario/ended.yaml", options=options) as url:
        yield url


def release_of(aws: str, folder: Path, name: str, *arguments: str) -> list[Document]:
    """What the chart makes with persistence and these arguments."""
    on = "--set=persistence.enabled=true"
    return render(values_argument(aws, CONFIG, folder), on, *arguments, release=f"{name}-{os.getpid()}")


def scraped(target: str) -> Scrape | None:
    """What a pod answers; nothing while it does not."""
    try:
        return Scrape(httpx.get(f"http://{target}/metrics", timeout=30).text)
    except httpx.TransportError:
        return None


def failed_things(release: Release) -> dict[str, float] | None:
    """The failed things of all operations, as soon as all pods together tell every one."""
    exposed = [scraped(target) for target in release.targets]
    found = [one.by("id", "aws_iot_thing_registration_task_failed_things") for one in exposed if one]
    together = {id: value for by_id in found for id, value in by_id.items()}
    return together if len(together) == len(REGIONS) * IN_EACH else None


def described(release: Release) -> float:
    """How many calls the pods have made since they started to have an operation described."""
    metric, api = "aws_iot_bulk_exporter_api_requests_total", "DescribeThingRegistrationTask"
    exposed = [wait_until(partial(scraped, target), target) for target in release.targets]
    return sum(value for one in exposed for _, value in one.rows(metric, api=api))


def kept(pod: Pod) -> list[str]:
    """The mode, the owner and the name of each file in the folder of a pod's state."""
    return output_of(
        run_in_container(pod.container, "find", FOLDER, "-type", "f", "-printf", "%m %U %f\n")
    ).splitlines()


def written(pods: list[Pod]) -> int:
    """How many ended operations pods have in their state files: podman does not wait for the end of a pod's process."""
    asked = [run_in_container(pod.container, "grep", "-a", "-o", "Completed", f"{FOLDER}/state.db") for pod in pods]
    return sum(len(one.stdout.splitlines()) for one in asked)


@pytest.mark.parametrize("shards", [1, 2])
def test_the_pods_after_them_ask_for_nothing_that_had_ended(aws: str, tmp_path: Path, shards: int) -> None:
    documents = release_of(aws, tmp_path, f"claim-{shards}", f"--set=shards={shards}")
    with claimed_volumes(documents) as names:
        assert len(names) == shards
        with play_pods(documents, NETWORK) as pods:
            first = Release(documents, pods)
            told = wait_until(partial(failed_things, first), "every operation")
            assert described(first) >= len(told)
            wait_until(lambda: written(pods) >= len(told) or None, "the state files")
            assert [kept(pod) for pod in pods] == [["600 65532 state.db"]] * shards
        with play_pods(documents, NETWORK) as pods:
            second = Release(documents, pods)
            assert wait_until(partial(failed_things, second), "every operation again") == told
            assert described(second) == 0


@pytest.fixture(scope="module")
def temporary(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release of one pod with an empty directory for its state."""
    documents = release_of(aws, tmp_path_factory.mktemp("values"), "temporary", "--set=persistence.type=emptyDir")
    with play_pods(documents, NETWORK) as pods:
        yield Release(documents, pods)


def test_the_rest_of_the_pod_stays_read_only(temporary: Release) -> None:
    (pod,) = temporary.pods
    status = output_of(run_in_container(pod.container, "cat", "/proc/1/status"))
    for line in ("Uid:\t65532\t", f"CapBnd:\t{0:016}\n", "NoNewPrivs:\t1\n"):
        assert line in status
    assert "Read-only file system" in run_in_container(pod.container, "touch", "/var/lib/file").stderr
    output_of(run_in_container(pod.container, "touch", f"{FOLDER}/file"))


def test_a_container_that_its_node_restarts_finds_the_state_in_an_empty_dir(temporary: Release) -> None:
    told = wait_until(partial(failed_things, temporary), "every operation")
    assert described(temporary) >= len(told)
    # Its own process ends, since podman stops the whole pod when somebody else stops its only container.
    output_of(run_in_container(temporary.pods[0].container, "python", "-c", "import os; os.kill(1, 15)"))
    wait_until(lambda: described(temporary) == 0 or None, "a process that describes nothing")
    assert wait_until(partial(failed_things, temporary), "every operation again") == told


def test_the_folder_of_the_volume_is_the_one_of_the_image() -> None:
    (mount,) = [
        one for one in container_of(render("--set=persistence.enabled=true"))["volumeMounts"] if one["name"] == "state"
    ]
    assert mount["mountPath"] == FOLDER
    assert output_of(run_image("-c", "%a %u %g", FOLDER, options=("--entrypoint=stat",))) == "700 65532 65532"


def test_a_new_named_volume_is_the_exporter_s_to_write_to() -> None:
    volume = f"state-{os.getpid()}"
    options = ("--read-only", "--cap-drop=ALL", f"--volume={volume}:{FOLDER}", "--entrypoint=touch")
    try:
        output_of(run_image(f"{FOLDER}/file", options=options))
    finally:
        podman("volume", "rm", volume)
