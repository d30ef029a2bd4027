"""Pods of the chart on a real node, in restricted namespaces, with a simulated AWS."""

import json
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import yaml

from exporter.cli.commands.demo import demo_config
from tests.cluster.aws import HeldAws
from tests.cluster.conftest import NewFleet
from tests.cluster.pods import FINALIZER, Cell, Fleet, Pod, ServedCertificate, cells_of, exporter_status, response_of
from tests.cluster.prometheus_operator import RELOADER_IMAGE
from tests.cluster.releases import HELMS
from tests.support.certificates import Authority
from tests.support.repository import program
from tests.support.waiting import wait_until

SHARDS = 3
BUDGET = "--set=podDisruptionBudget.enabled=true"
# A configuration with one of the demo's cells.
ACCOUNT = {"name": "factory", "regions": ["us-east-1"], "watch": [{"kind": "iot_job", "discover": True}]}
SMALLER_CELLS = {("factory", "us-east-1", "iot_job")}
SMALLER = f"--set-json=config.accounts={json.dumps([ACCOUNT])}"
REPOSITORY, _, TAG = RELOADER_IMAGE.removeprefix("localhost/").partition(":")
SIDECAR = [
    "--set=reload.mode=sidecar,reload.image.pullPolicy=Never,reload.image.registry=localhost",
    f"--set=reload.image.repository={REPOSITORY},reload.image.tag={TAG}",
    "--set=web.certificateSecret=certificate",
    "--set=web.config.tls_server_config.cert_file=tls.crt,web.config.tls_server_config.key_file=tls.key",
]
# The folder of volumes on the node.
VOLUMES = "/var/lib/tests"
PERSISTENT = "--set=persistence.enabled=true,persistence.storageClassName=-,shards=2"


@pytest.fixture(scope="module")
def fleet(new_fleet: NewFleet) -> Fleet:
    """Install a release with several shards."""
    created = new_fleet()
    created.upgrade(f"--set=shards={SHARDS}", BUDGET)
    created.ready_pods(SHARDS)
    return created


def configured_cells() -> set[tuple[str, ...]]:
    """Return the account, Region and kind of each cell of the demo."""
    return {
        (account["name"], region, watch["kind"])
        for account in yaml.safe_load(demo_config())["accounts"]
        for region in account["regions"]
        for watch in account["watch"]
    }


def test_each_cell_belongs_to_one_shard(fleet: Fleet) -> None:
    shards = [cells_of(pod) for pod in fleet.ready_pods(SHARDS)]
    assert set.union(*shards) == configured_cells()
    assert sum(map(len, shards)) == len(configured_cells())
    scopes = [{cell[:2] for cell in cells} for cells in shards]
    assert sum(map(len, scopes)) == len(set.union(*scopes))


def test_the_shards_read_their_cells(fleet: Fleet) -> None:
    for pod in fleet.ready_pods(SHARDS):

        def are_up(pod: dict[str, Any] = pod) -> bool:
            response = response_of(pod, "/metrics")
            assert response
            rows = [row for row in response.text.splitlines() if row.startswith("aws_iot_bulk_exporter_up{")]
            return len(rows) == len(cells_of(pod)) and all(row.endswith(" 1.0") for row in rows)

        wait_until(lambda: are_up() or None, "successful refreshes")


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize("shards", [1, SHARDS])
def test_helm_test_scrapes_every_pod(new_fleet: NewFleet, helm: str, shards: int) -> None:
    fleet = new_fleet(helm)
    fleet.upgrade(f"--set=shards={shards}")
    fleet.ready_pods(shards)
    fleet.wait_for_service()
    done = fleet.release.run("test", "fleet", "--logs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("status 200") == shards


def test_a_killed_exporter_starts_again_in_the_same_pod(fleet: Fleet) -> None:
    pod, *_ = before = fleet.ready_pods(SHARDS)
    restarts, cells = exporter_status(pod)["restartCount"], cells_of(pod)
    fleet.kill(pod)

    def restarted() -> int | None:
        status = exporter_status(fleet.pod(pod["metadata"]["name"]))
        return status["lastState"]["terminated"]["exitCode"] if status["restartCount"] > restarts else None

    assert wait_until(restarted, "a restart") == 128 + 9
    after = fleet.ready_pods(SHARDS)
    assert [entry["metadata"]["uid"] for entry in after] == [entry["metadata"]["uid"] for entry in before]
    assert cells_of(after[0]) == cells


def evict(fleet: Fleet, pod: dict[str, Any]) -> int:
    """Request the eviction of a pod, and return the status of the response."""
    name = pod["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    return fleet.cluster.plane.request("POST", f"{fleet.path}/pods/{name}/eviction", json=eviction).status_code


def wait_for_allowed_disruptions(fleet: Fleet, number: int) -> None:
    """Wait until Kubernetes has counted the pods for the current PodDisruptionBudget."""

    def is_allowed() -> bool:
        (budget,) = fleet.release.objects("apis/policy/v1", "poddisruptionbudgets")
        status = budget.get("status", {})
        is_current = status.get("observedGeneration") == budget["metadata"]["generation"]
        return is_current and bool(status["disruptionsAllowed"] == number)

    wait_until(lambda: is_allowed() or None, f"{number} allowed disruptions", timeout=180)


def test_an_evicted_shard_comes_back_and_the_budget_protects_all_shards(fleet: Fleet) -> None:
    *_, last = before = fleet.ready_pods(SHARDS)
    cells = cells_of(last)
    fleet.upgrade(f"--set=shards={SHARDS}", BUDGET, f"--set=podDisruptionBudget.minAvailable={SHARDS}")
    wait_for_allowed_disruptions(fleet, 0)
    assert evict(fleet, last) == 429
    fleet.upgrade(f"--set=shards={SHARDS}", BUDGET)
    wait_for_allowed_disruptions(fleet, 1)
    assert evict(fleet, last) == 201
    after = fleet.ready_pods(SHARDS, without=[last])
    assert [pod["metadata"]["uid"] for pod in after[:-1]] == [pod["metadata"]["uid"] for pod in before[:-1]]
    assert cells_of(after[-1]) == cells


def test_a_scrape_in_flight_is_completed_at_the_end_of_a_pod(new_fleet: NewFleet, aws: HeldAws) -> None:
    fleet = new_fleet()
    with aws.hold_responses():
        fleet.upgrade()
        (pod,) = fleet.ready_pods()
        fleet.set_finalizers(pod, FINALIZER)
        with ThreadPoolExecutor() as executor:
            scrape = executor.submit(response_of, pod, "/metrics")
            aws.wait_for_request()
            fleet.delete(pod)
            # On a busy machine, SIGTERM may come after the end of the scrape, which waits only some seconds for AWS.
            wait_until(lambda: has_begun_to_end(pod) or scrape.done() or None, "SIGTERM", timeout=180)
            aws.is_holding = False
            response = scrape.result()
    assert response
    assert response.status_code == 200
    assert "\naws_iot_bulk_exporter_up{" in response.text
    name = pod["metadata"]["name"]
    ended = wait_until(lambda: exporter_status(fleet.pod(name))["state"].get("terminated"), "the end of the exporter")
    fleet.set_finalizers(pod)
    assert ended["exitCode"] == 0
    fleet.ready_pods(without=[pod])


def has_begun_to_end(pod: dict[str, Any]) -> bool:
    """Return whether the exporter of a pod has received SIGTERM."""
    response = response_of(pod, "/-/ready")
    return response is not None and response.status_code == 503


def test_a_changed_configuration_restarts_the_pod(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    fleet.upgrade()
    (old,) = fleet.ready_pods()
    assert cells_of(old) == configured_cells()
    fleet.upgrade(SMALLER)
    (new,) = fleet.ready_pods(without=[old])
    assert cells_of(new) == SMALLER_CELLS


@dataclass(frozen=True, slots=True)
class SecuredFleet:
    """A release with TLS and the sidecar that reloads the configuration, and its certificate."""

    fleet: Fleet
    certificate: ServedCertificate

    def upgrade(self, *arguments: str) -> None:
        """Install or upgrade the release."""
        self.fleet.upgrade(*SIDECAR, *arguments)

    def cells(self, pod: Pod) -> set[Cell]:
        """Return the cells that a pod reads."""
        return cells_of(pod, "https", context=self.certificate.client())


def has_cells(fleet: SecuredFleet, pod: Pod, expected: AbstractSet[Cell]) -> bool | None:
    """Return whether a pod reads exactly these cells; None as long as it does not."""
    return fleet.cells(pod) == expected or None


@pytest.fixture(scope="module")
def secured(new_fleet: NewFleet, tmp_path_factory: pytest.TempPathFactory) -> SecuredFleet:
    """Install a release with TLS and the sidecar that reloads the configuration."""
    fleet = new_fleet()
    fleet.cluster.import_program(RELOADER_IMAGE, program("prometheus-config-reloader"))
    certificate = ServedCertificate(fleet, Authority(tmp_path_factory.mktemp("certificates"), "ca"))
    certificate.create()
    created = SecuredFleet(fleet, certificate)
    created.upgrade()
    fleet.ready_pods()
    return created


def test_the_sidecar_reloads_a_changed_configuration(secured: SecuredFleet) -> None:
    (before,) = secured.fleet.ready_pods()
    for arguments, expected in (([SMALLER], SMALLER_CELLS), ([], configured_cells())):
        secured.upgrade(*arguments)
        wait_until(partial(has_cells, secured, before, expected), "the cells", timeout=180)
    (after,) = secured.fleet.ready_pods()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert exporter_status(after)["restartCount"] == 0


def test_a_rotated_certificate_is_served_without_a_restart(secured: SecuredFleet) -> None:
    (before,) = secured.fleet.ready_pods()
    old = secured.certificate.served_by(before)
    assert old
    secured.certificate.rotate()
    wait_until(lambda: secured.certificate.served_by(before) not in (None, old) or None, "the certificate", timeout=180)
    (after,) = secured.fleet.ready_pods()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert exporter_status(after)["restartCount"] == 0


def test_helm_test_verifies_the_certificate(secured: SecuredFleet) -> None:
    secured.fleet.wait_for_service()
    done = secured.fleet.release.run("test", "fleet", "--logs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("status 200") == 1


def create_volumes(fleet: Fleet, number: int) -> None:
    """Create volumes on the node that every user can write, and that claims without a class can use."""
    for name in (f"{fleet.release.namespace}-{ordinal}" for ordinal in range(number)):
        path = f"{VOLUMES}/{name}"
        fleet.cluster.machine.run("install", "--directory", "--mode=777", path)
        space = {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": path}}
        fleet.cluster.plane.create("/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": space})


def test_only_claims_and_the_pod_of_the_test_remain_after_the_uninstallation(new_fleet: NewFleet) -> None:
    fleet = new_fleet()
    create_volumes(fleet, 2)
    before = fleet.release.everything()
    fleet.upgrade(PERSISTENT, BUDGET, "--set=networkPolicy.enabled=true,serviceMonitor.enabled=true")
    fleet.ready_pods(2)
    assert fleet.release.run("test", "fleet").returncode == 0
    fleet.release.uninstall()
    name = "fleet-aws-iot-bulk-exporter"
    expected = {f"persistentvolumeclaims/state-{name}-{ordinal}" for ordinal in range(2)} | {f"pods/{name}-test"}
    wait_until(lambda: fleet.release.everything() - before == expected or None, "the end of all objects", timeout=180)
