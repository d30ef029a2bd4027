"""The state file in the pods of the chart: the volume keeps finished operations, which are read from AWS once."""

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
IN_EACH_REGION = 4
CONFIG = {
    "accounts": [{"regions": [*REGIONS], "watch": [{"kind": "thing_registration_task", "discover": True}]}],
    "refresh": {"min_age": "1s"},
}
ENDED = "[{at: 0s, status: InProgress}, {at: 30m, status: Completed, done: 1.0, failed: 0.1}]"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a simulated AWS with operations that ended an hour ago, and give its URL."""
    folder = tmp_path_factory.mktemp("scenario")
    folder.chmod(0o755)
    tasks = f"kind: thing_registration_task, count: {IN_EACH_REGION}, created: -90m, items: 1000, timeline: {ENDED}"
    operations = "".join(f"  - {{region: {region}, {tasks}}}\n" for region in REGIONS)
    (folder / "ended.yaml").write_text(f'accounts: ["111122223333"]\noperations:\n{operations}')
    options = (f"--volume={folder}:/scenario:ro",)
    with run_simulated_aws(NETWORK, "--scenario=/scenario/ended.yaml", options=options) as url:
        yield url


def release_documents(aws: str, folder: Path, name: str, *arguments: str) -> list[Document]:
    """Return the documents of a release with persistence."""
    on = "--set=persistence.enabled=true"
    return render(values_argument(aws, CONFIG, folder), on, *arguments, release=f"{name}-{os.getpid()}")


def pod_scrape(target: str) -> Scrape | None:
    """Return the scrape of a pod, or None without a response."""
    try:
        return Scrape(httpx.get(f"http://{target}/metrics", timeout=30).text)
    except httpx.TransportError:
        return None


def failed_things(release: Release) -> dict[str, float] | None:
    """Return the failed things of all operations, or None until the pods together export every operation."""
    scrapes = [pod_scrape(target) for target in release.targets]
    by_pod = [scrape.by("id", "aws_iot_thing_registration_task_failed_things") for scrape in scrapes if scrape]
    by_operation = {id: value for by_id in by_pod for id, value in by_id.items()}
    return by_operation if len(by_operation) == len(REGIONS) * IN_EACH_REGION else None


def describe_calls(release: Release) -> float:
    """Return the number of describe calls of the pods since their start."""
    metric, api = "aws_iot_bulk_exporter_api_requests_total", "DescribeThingRegistrationTask"
    scrapes = [wait_until(partial(pod_scrape, target), target) for target in release.targets]
    return sum(value for scrape in scrapes for _, value in scrape.rows(metric, api=api))


def state_files(pod: Pod) -> list[str]:
    """Return the mode, owner and name of each file in the state folder of a pod."""
    listing = run_in_container(pod.container, "find", FOLDER, "-type", "f", "-printf", "%m %U %f\n")
    return output_of(listing).splitlines()


def stored_operations(pods: list[Pod]) -> int:
    """Return the number of operations in the state files. Podman does not wait until the process of a pod ends."""
    results = [run_in_container(pod.container, "grep", "-a", "-o", "Completed", f"{FOLDER}/state.db") for pod in pods]
    return sum(len(result.stdout.splitlines()) for result in results)


@pytest.mark.parametrize("shards", [1, 2])
def test_new_pods_do_not_describe_finished_operations_again(aws: str, tmp_path: Path, shards: int) -> None:
    documents = release_documents(aws, tmp_path, f"claim-{shards}", f"--set=shards={shards}")
    with claimed_volumes(documents) as names:
        assert len(names) == shards
        with play_pods(documents, NETWORK) as pods:
            first = Release(documents, pods)
            failed = wait_until(partial(failed_things, first), "every operation")
            assert describe_calls(first) >= len(failed)
            wait_until(lambda: stored_operations(pods) >= len(failed) or None, "the state files")
            assert [state_files(pod) for pod in pods] == [["600 65532 state.db"]] * shards
        with play_pods(documents, NETWORK) as pods:
            second = Release(documents, pods)
            assert wait_until(partial(failed_things, second), "every operation again") == failed
            assert describe_calls(second) == 0


@pytest.fixture(scope="module")
def temporary(aws: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Run a release with one pod and an ``emptyDir`` for its state."""
    folder = tmp_path_factory.mktemp("values")
    documents = release_documents(aws, folder, "temporary", "--set=persistence.type=emptyDir")
    with play_pods(documents, NETWORK) as pods:
        yield Release(documents, pods)


def test_the_other_folders_of_the_pod_are_read_only(temporary: Release) -> None:
    (pod,) = temporary.pods
    status = output_of(run_in_container(pod.container, "cat", "/proc/1/status"))
    for line in ("Uid:\t65532\t", f"CapBnd:\t{0:016}\n", "NoNewPrivs:\t1\n"):
        assert line in status
    assert "Read-only file system" in run_in_container(pod.container, "touch", "/var/lib/file").stderr
    output_of(run_in_container(pod.container, "touch", f"{FOLDER}/file"))


def test_a_restarted_container_uses_the_state_in_the_empty_dir(temporary: Release) -> None:
    failed = wait_until(partial(failed_things, temporary), "every operation")
    assert describe_calls(temporary) >= len(failed)
    # The process ends itself, because ``podman stop`` of the only container would stop the whole pod. The command often
    # has no status: it ends with its container, sometimes before podman has read the status.
    run_in_container(temporary.pods[0].container, "python", "-c", "import os; os.kill(1, 15)")
    wait_until(lambda: describe_calls(temporary) == 0 or None, "a new process without describe calls")
    assert wait_until(partial(failed_things, temporary), "every operation again") == failed


def test_the_volume_is_mounted_at_the_folder_of_the_image() -> None:
    container = container_of(render("--set=persistence.enabled=true"))
    assert [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "state"] == [FOLDER]
    assert output_of(run_image("-c", "%a %u %g", FOLDER, options=("--entrypoint=stat",))) == "700 65532 65532"


def test_the_exporter_can_write_to_a_new_named_volume() -> None:
    volume = f"state-{os.getpid()}"
    options = ("--read-only", "--cap-drop=ALL", f"--volume={volume}:{FOLDER}", "--entrypoint=touch")
    try:
        output_of(run_image(f"{FOLDER}/file", options=options))
    finally:
        podman("volume", "rm", volume)
