"""Runs releases of the chart on a node, and reads and disturbs their pods."""

import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.machine import CONTROLLERS
from tests.cluster.node import Cluster
from tests.cluster.releases import Release
from tests.support import http_requests
from tests.support.certificates import Authority
from tests.support.waiting import wait_until

Pod = dict[str, Any]
Cell = tuple[str, ...]

# On a busy machine, the start of a pod takes minutes.
START_SECONDS = 180
PORT = 10098
EXPORTERS = "app.kubernetes.io/name=aws-iot-bulk-exporter"
FINALIZER = "tests.example.com/read-the-status"
MERGE = {"Content-Type": "application/merge-patch+json"}


@dataclass(frozen=True, slots=True)
class Fleet:
    """A release on a cluster with a node, and the arguments of helm for its values."""

    cluster: Cluster
    release: Release
    values: Sequence[str]

    def upgrade(self, *arguments: str) -> None:
        """Install or upgrade the release, with more arguments than those of its values."""
        self.release.upgrade(*self.values, *arguments)

    @property
    def path(self) -> str:
        """The path of the namespace of the release."""
        return f"/api/v1/namespaces/{self.release.namespace}"

    def pods(self) -> list[Pod]:
        """Return the pods of the exporter in order, also those that end."""
        found: list[Pod] = self.cluster.plane.read(f"{self.path}/pods?labelSelector={EXPORTERS}")["items"]
        return found

    def ready_pods(self, count: int = 1, *, without: Sequence[Pod] = ()) -> list[Pod]:
        """Wait until a number of pods is ready and there is no other pod, and return them.

        ``without`` are pods that must be replaced.
        """
        old = {pod["metadata"]["uid"] for pod in without}

        def ready() -> list[Pod] | None:
            pods = self.pods()
            is_new = not old & {pod["metadata"]["uid"] for pod in pods}
            return pods if is_new and len(pods) == count and all(map(is_ready, pods)) else None

        return wait_until(ready, f"{count} ready pods", timeout=START_SECONDS)

    def wait_for_service(self) -> None:
        """Wait until kube-proxy forwards connections to the address of the Service, if it has one."""
        (spec,) = (service["spec"] for service in self.release.objects("api/v1", "services"))
        if spec["clusterIP"] == "None":
            return
        connection = f"exec 3<>/dev/tcp/{spec['clusterIP']}/{spec['ports'][0]['port']}"
        command = self.cluster.machine.inside("bash", "-c", connection)
        wait_until(lambda: subprocess.run(command, check=False).returncode == 0 or None, "the Service")

    def pod(self, name: str) -> Pod:
        """Return a pod as it is now."""
        return self.cluster.plane.read(f"{self.path}/pods/{name}")

    def delete(self, pod: Pod) -> None:
        """Begin the deletion of a pod."""
        self.cluster.plane.request("DELETE", f"{self.path}/pods/{pod['metadata']['name']}").raise_for_status()

    def set_finalizers(self, pod: Pod, *finalizers: str) -> None:
        """Set the finalizers of a pod. A pod with a finalizer remains after its end."""
        change = {"metadata": {"finalizers": finalizers}}
        path = f"{self.path}/pods/{pod['metadata']['name']}"
        self.cluster.plane.request("PATCH", path, json=change, headers=MERGE).raise_for_status()

    def kill(self, pod: Pod) -> None:
        """Kill the processes of the exporter in a pod."""
        container = exporter_status(pod)["containerID"].removeprefix("containerd://")
        # Control groups of other pods can disappear meanwhile. Unlike Path.rglob, os.walk ignores this.
        groups = (Path(path) for path, *_ in os.walk(CONTROLLERS / "memory" / self.cluster.machine.name))
        (group,) = (path for path in groups if path.name == container)
        for process in (group / "cgroup.procs").read_text().split():
            os.kill(int(process), signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """The certificate of a release's exporter in a Secret, as of cert-manager, and the authority that issued it."""

    fleet: Fleet
    authority: Authority
    name: str = "certificate"

    def create(self) -> None:
        """Create the Secret."""
        self.fleet.cluster.plane.create(f"{self.fleet.path}/secrets", self._secret())

    def rotate(self) -> None:
        """Replace the certificate and its key by new ones."""
        path = f"{self.fleet.path}/secrets/{self.name}"
        self.fleet.cluster.plane.request("PATCH", path, json=self._secret(), headers=MERGE).raise_for_status()

    def _secret(self) -> dict[str, Any]:
        files = self.authority.issue("tls", f"fleet-aws-iot-bulk-exporter.{self.fleet.release.namespace}.svc")
        contents = zip(("ca.crt", "tls.crt", "tls.key"), (self.authority.file, *files), strict=True)
        return {"metadata": {"name": self.name}, "stringData": {key: file.read_text() for key, file in contents}}

    def client(self) -> ssl.SSLContext:
        """Return the TLS context of a client that trusts the authority. Tests connect to pods, which have no names."""
        context = self.authority.client()
        context.check_hostname = False
        return context

    def served_by(self, pod: Pod) -> bytes | None:
        """Return the certificate that the exporter of a pod serves, or None."""
        with (
            suppress(ConnectionError),
            socket.create_connection((pod["status"]["podIP"], PORT)) as raw,
            self.client().wrap_socket(raw) as connection,
        ):
            return connection.getpeercert(binary_form=True)
        return None


def is_ready(pod: Pod) -> bool:
    """Return whether a pod is ready and does not end."""
    conditions = pod["status"].get("conditions", [])
    is_ending = "deletionTimestamp" in pod["metadata"]
    return not is_ending and any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def exporter_status(pod: Pod) -> dict[str, Any]:
    """Return the status of the exporter's container."""
    status: dict[str, Any]
    (status,) = (entry for entry in pod["status"]["containerStatuses"] if entry["name"] == "exporter")
    return status


def url_of(pod: Pod, path: str, scheme: str = "http") -> str:
    """Return the URL of a path of the exporter in a pod."""
    return f"{scheme}://{pod['status']['podIP']}:{PORT}{path}"


def response_of(pod: Pod, path: str) -> httpx.Response | None:
    """Return a response of the exporter in a pod, or None without a response."""
    try:
        return http_requests.get(url_of(pod, path))
    except httpx.TransportError:
        return None


def cells_of(pod: Pod, scheme: str = "http", context: ssl.SSLContext = http_requests.NO_AUTHORITY) -> set[Cell]:
    """Return the account, Region and kind of each cell that a pod reads."""
    cells = http_requests.get(url_of(pod, "/api/v1/cells", scheme), verify=context).json()["cells"]
    return {(cell["account"], cell["aws_region"], cell["kind"]) for cell in cells}
