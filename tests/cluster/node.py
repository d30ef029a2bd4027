"""Runs a whole cluster: the Kubernetes API, and a node with containerd, kubelet, kube-proxy and the image."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.archive import write_program_image
from tests.cluster.control_plane import NODE, START_SECONDS, ControlPlane, run_control_plane, write_kubeconfig
from tests.cluster.machine import Machine, run_machine
from tests.cluster.names import serve_names
from tests.support.containers import image
from tests.support.processes import run_process
from tests.support.repository import program, skip_or_fail
from tests.support.waiting import wait_until

PROGRAMS = ("conntrack", "containerd", "ctr", "iptables", "kube-proxy", "kube-scheduler", "kubelet", "runc")
PLUGINS = Path("/usr/lib/cni")
PAUSE = "localhost/pause:tests"
SOCKET = "/run/containerd/containerd.sock"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster with one node: its API, and the machine of its processes."""

    plane: ControlPlane
    machine: Machine

    def import_image(self, archive: Path) -> None:
        """Give the node the images of a docker archive, and remove the archive."""
        self.machine.run("ctr", "--namespace=k8s.io", "images", "import", str(archive))
        archive.unlink()

    def import_program(self, image: str, path: str, *arguments: str) -> None:
        """Give the node an image that runs a program of this machine."""
        archive = self.plane.folder / "program.tar"
        self.import_image(write_program_image(archive, image, Path(path), *arguments))


@contextmanager
def run_cluster(folder: Path, number: int) -> Iterator[Cluster]:
    """Run a cluster with the exporter's image while the block runs. ``number`` is that of its machine."""
    exported = image()  # Without an image, skip the tests before anything is created.
    paths = {name: program(name) for name in PROGRAMS}
    if not (PLUGINS / "bridge").exists():
        skip_or_fail(f"{PLUGINS} has no network plugins: install containernetworking-plugins")
    with ExitStack() as stack:
        machine = stack.enter_context(run_machine(number, folder / "machine.log"))
        plane = stack.enter_context(run_control_plane(folder, machine.address, machine.inside))
        stack.enter_context(serve_names(plane, machine.outside))
        cluster = Cluster(plane, machine)
        for name, arguments in _node_commands(cluster).items():
            command = machine.inside(paths[name], *arguments)
            stack.enter_context(run_process(command, folder / f"{name}.log"))
            if name == "containerd":
                _import_images(cluster, exported)
        _serve_api_to_pods(plane)
        wait_until(lambda: _is_node_ready(plane) or None, "the node", timeout=START_SECONDS)
        yield cluster


def _serve_api_to_pods(plane: ControlPlane) -> None:
    """Give the Service of the API its endpoint."""
    port = {"name": "https", "port": int(plane.url.rpartition(":")[2])}
    named = {"name": "kubernetes", "labels": {"kubernetes.io/service-name": "kubernetes"}}
    endpoints = [{"addresses": [plane.host], "conditions": {"ready": True}}]
    path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
    plane.create(path, {"metadata": named, "addressType": "IPv4", "ports": [port], "endpoints": endpoints})


def _import_images(cluster: Cluster, exported: str) -> None:
    wait_until(lambda: _is_answering(cluster) or None, "containerd", timeout=START_SECONDS)
    cluster.import_program(PAUSE, program("catatonit"), "-P")
    archive = cluster.plane.folder / "image.tar"
    subprocess.run(
        [program("podman"), "save", "--quiet", "--format=docker-archive", f"--output={archive}", exported],
        check=True,
        timeout=START_SECONDS,
    )
    cluster.import_image(archive)


def _is_answering(cluster: Cluster) -> bool:
    command = cluster.machine.inside("ctr", "version")
    return subprocess.run(command, capture_output=True, check=False, timeout=START_SECONDS).returncode == 0


def _is_node_ready(plane: ControlPlane) -> bool:
    response = plane.request("GET", f"/api/v1/nodes/{NODE}")
    conditions = response.json()["status"].get("conditions", []) if response.is_success else []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _node_commands(cluster: Cluster) -> dict[str, list[str]]:
    """Return the arguments of the node's programs, in the order of their start, after writing their files."""
    folder = cluster.plane.folder
    for name in ("kubelet", "kube-proxy", "kube-scheduler"):
        write_kubeconfig(cluster.plane, name, folder / f"{name}.kubeconfig")
    containerd = _written(folder / "containerd.toml", _containerd_settings(folder))
    _written(folder / "cni" / "10-pods.conflist", json.dumps(_pod_network(cluster.machine)))
    _written(folder / "resolv.conf", "")
    kubelet = _written(folder / "kubelet.yaml", yaml.safe_dump(_kubelet_settings(cluster)))
    scheduler = f"--kubeconfig={folder / 'kube-scheduler.kubeconfig'}"
    return {
        "containerd": [f"--config={containerd}"],
        "kubelet": [
            f"--config={kubelet}",
            f"--kubeconfig={folder / 'kubelet.kubeconfig'}",
            f"--hostname-override={NODE}",
            f"--node-ip={cluster.machine.address}",
        ],
        "kube-proxy": [
            f"--kubeconfig={folder / 'kube-proxy.kubeconfig'}",
            f"--hostname-override={NODE}",
            f"--cluster-cidr={cluster.machine.pod_network}",
            "--proxy-mode=iptables",
            "--conntrack-max-per-core=0",
            "--oom-score-adj=0",
        ],
        "kube-scheduler": [scheduler, "--leader-elect=false", "--bind-address=127.0.0.1"],
    }


def _written(file: Path, text: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def _containerd_settings(folder: Path) -> str:
    return f"""
version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{PLUGINS}"
conf_dir = "{folder / "cni"}"
"""


def _pod_network(machine: Machine) -> dict[str, Any]:
    addresses = {"type": "host-local", "ranges": [[{"subnet": machine.pod_network}]], "routes": [{"dst": "0.0.0.0/0"}]}
    bridge = {"type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return {
        "cniVersion": "1.0.0",
        "name": "pods",
        "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def _kubelet_settings(cluster: Cluster) -> dict[str, Any]:
    folder, machine = cluster.plane.folder, cluster.machine
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": machine.address,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(folder / "ca.pem")}},
        "containerRuntimeEndpoint": f"unix://{SOCKET}",
        "clusterDNS": [machine.outside],
        "clusterDomain": "cluster.local",
        "resolvConf": str(folder / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{machine.name}",
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "oomScoreAdj": 0,
        # The disk of the tests may be nearly full. The node must not evict pods or delete images for that.
        "evictionHard": {"memory.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        # The time after which a pod sees a changed ConfigMap or Secret.
        "syncFrequency": "2s",
    }


if __name__ == "__main__":
    with run_cluster(Path(sys.argv[1]), int(sys.argv[2])):
        Path(sys.argv[1], "running.log").touch()
        signal.pause()
