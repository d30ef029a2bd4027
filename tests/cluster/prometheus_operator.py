"""Runs the Prometheus Operator, and a Prometheus in a pod that the operator configures."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.cluster.control_plane import create_custom_resources
from tests.cluster.node import Cluster
from tests.cluster.pods import START_SECONDS, is_ready
from tests.support.processes import run_process
from tests.support.repository import program
from tests.support.waiting import wait_until

# The custom resources that the operator needs beside those of the chart.
CUSTOM_RESOURCES = (
    "alertmanagerconfigs",
    "alertmanagers",
    "probes",
    "prometheusagents",
    "prometheuses",
    "scrapeconfigs",
    "thanosrulers",
)
NAMESPACE = "monitoring"
NAME = "prometheus"
IMAGE = "localhost/prometheus:tests"
RELOADER_IMAGE = "localhost/prometheus-config-reloader:tests"
PORT = 9090
RBAC = "rbac.authorization.k8s.io"
# What the Prometheus in a cluster reads: https://prometheus-operator.dev/docs/platform/rbac/
RULES = [
    {"apiGroups": [""], "resources": ["services", "endpoints", "pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"]},
]


# The Pod Security level "restricted" requires these settings.
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "fsGroup": 2000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


@contextmanager
def run_prometheus_operator(cluster: Cluster) -> Iterator[None]:
    """Run the operator while the block runs."""
    plane = cluster.plane
    create_custom_resources(plane, *CUSTOM_RESOURCES)
    cluster.import_program(IMAGE, program("prometheus-3"))
    cluster.import_program(RELOADER_IMAGE, program("prometheus-config-reloader"))
    command = cluster.machine.inside(
        program("prometheus-operator"),
        f"--apiserver={plane.url}",
        f"--ca-file={plane.folder / 'ca.pem'}",
        f"--cert-file={plane.folder / 'admin.pem'}",
        f"--key-file={plane.folder / 'admin.key'}",
        f"--prometheus-config-reloader={RELOADER_IMAGE}",
    )
    with run_process(command, plane.folder / "prometheus-operator.log"):
        yield


def start_prometheus(cluster: Cluster) -> str:
    """Create a Prometheus that selects all rules and monitors, and return its URL when it is ready."""
    plane = cluster.plane
    plane.create_restricted_namespace(NAMESPACE)
    _allow_discovery(cluster)
    plane.create(f"/apis/monitoring.coreos.com/v1/namespaces/{NAMESPACE}/prometheuses", _prometheus())
    path = f"/api/v1/namespaces/{NAMESPACE}/pods?labelSelector=app.kubernetes.io/name=prometheus"

    def ready() -> str | None:
        pods = plane.read(path)["items"]
        return pods[0]["status"]["podIP"] if pods and is_ready(pods[0]) else None

    return f"http://{wait_until(ready, 'the pod of Prometheus', timeout=START_SECONDS)}:{PORT}"


def _prometheus() -> dict[str, Any]:
    everything: dict[str, Any] = {
        f"{kind}{selector}": {}
        for kind in ("podMonitor", "rule", "serviceMonitor")
        for selector in ("Selector", "NamespaceSelector")
    }
    intervals = {"scrapeInterval": "5s", "scrapeTimeout": "5s", "evaluationInterval": "5s"}
    named = {"image": IMAGE, "version": _version(), "serviceAccountName": NAME, "securityContext": RESTRICTED}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "Prometheus",
        "metadata": {"name": NAME},
        "spec": {**named, **intervals, **everything},
    }


def _version() -> str:
    """Return the version of Prometheus. The operator writes a configuration for its version."""
    shown = subprocess.run([program("prometheus-3"), "--version"], capture_output=True, text=True, check=True).stdout
    return f"v{shown.split()[2]}"


def _allow_discovery(cluster: Cluster) -> None:
    """Create the service account of Prometheus, with the role that it needs."""
    named = {"metadata": {"name": NAME}}
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}
    binding = {"roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": NAME}, "subjects": [account]}
    cluster.plane.create(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", named)
    cluster.plane.create(f"/apis/{RBAC}/v1/clusterroles", {**named, "rules": RULES})
    cluster.plane.create(f"/apis/{RBAC}/v1/clusterrolebindings", {**named, **binding})
