"""Runs a Kubernetes API: etcd, kube-apiserver and kube-controller-manager, and reads it over HTTP."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from exporter.cli.drill.programs import HOST, free_port
from tests.support.certificates import Authority
from tests.support.processes import run_process
from tests.support.repository import program, skip_or_fail
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

# The programs come from a build of .ci/cluster-programs.
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")
# The cluster assigns both families, because a values file of the chart requires a Service with both.
SERVICE_NETWORKS = "10.96.0.0/16,fd00:96::/112"
# The name of the node, if there is one.
NODE = "node"
# The custom resources of the chart.
CUSTOM_RESOURCES = ("podmonitors", "prometheusrules", "servicemonitors")
# The address of the API for pods: the first one of the Services.
API_SERVICE = "10.96.0.1"
CREATED = {200, 201}
EVERY_CONTROLLER = "*"
# Without a node, no pod runs. These controllers would try to create pods again and again, and look for their addresses.
WITHOUT_PODS = f"{EVERY_CONTROLLER},-replicaset-controller,-endpoints-controller,-endpointslice-controller"
# On a busy machine, the start of a program takes minutes.
START_SECONDS = 180
# The programs that use the API: the name of the user and its group.
USERS = {
    "admin": ("admin", "system:masters"),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    "kube-proxy": ("system:kube-proxy", "system:node-proxiers"),
    "kube-scheduler": ("system:kube-scheduler", "system:kube-schedulers"),
}


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running Kubernetes API, its files, and the kubeconfig of an administrator."""

    folder: Path
    url: str
    context: ssl.SSLContext

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of an administrator."""
        return self.folder / "kubeconfig.yaml"

    @property
    def host(self) -> str:
        """The address on which the API listens."""
        return str(urlsplit(self.url).hostname)

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        """Send a request as the administrator and return the response, whatever its status."""
        return httpx.request(method, f"{self.url}{path}", verify=self.context, timeout=TIMEOUT_SECONDS, **how)

    def read(self, path: str) -> dict[str, Any]:
        """Return the object or list of a path. Raise an error if there is none."""
        found: dict[str, Any] = self.request("GET", path).raise_for_status().json()
        return found

    def create(self, path: str, document: dict[str, Any]) -> None:
        """Create an object in the collection of a path."""
        response = self.request("POST", path, json=document)
        assert response.status_code in CREATED, response.text

    def create_restricted_namespace(self, name: str) -> None:
        """Create a namespace that enforces the Pod Security level "restricted"."""
        levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        self.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": levels}})

    def refuse_pods(self, name: str) -> None:
        """Make a namespace refuse every pod."""
        quota = {"metadata": {"name": "no-pods"}, "spec": {"hard": {"pods": "0"}}}
        self.create(f"/api/v1/namespaces/{name}/resourcequotas", quota)


def on_this_machine(*command: str) -> list[str]:
    """Return a command as it is. A machine of its own changes commands, so that they run in its namespaces."""
    return [*command]


@contextmanager
def run_control_plane(
    folder: Path,
    host: str = HOST,
    inside: Callable[..., list[str]] = on_this_machine,
    controllers: str = EVERY_CONTROLLER,
) -> Iterator[ControlPlane]:
    """Run the Kubernetes API while the block runs, with the custom resources of the Prometheus Operator.

    ``host`` is its address, and ``inside`` returns the command that runs a command where this address is.
    ``controllers`` is the flag of kube-controller-manager.
    """
    paths = {name: program(name) for name in PROGRAMS}
    authority = _write_certificates(folder, host)
    plane = ControlPlane(folder, f"https://{host}:{free_port()}", authority.client(_pair(folder, "admin")))
    write_kubeconfig(plane, "admin", plane.kubeconfig)
    with ExitStack() as stack:
        store = f"http://{HOST}:{free_port()}"
        etcd = inside(paths["etcd"], *_etcd_flags(folder, store))
        stack.enter_context(run_process(etcd, folder / "etcd.log"))
        server = inside(paths["kube-apiserver"], *_server_flags(plane, store))
        stack.enter_context(run_process(server, folder / "kube-apiserver.log"))
        wait_until(lambda: _is_ready(plane) or None, "the Kubernetes API", timeout=START_SECONDS)
        create_custom_resources(plane, *CUSTOM_RESOURCES)
        manager = inside(paths["kube-controller-manager"], *_manager_flags(plane, controllers))
        stack.enter_context(run_process(manager, folder / "kube-controller-manager.log"))
        yield plane


def _pair(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.pem", folder / f"{name}.key"


def _write_certificates(folder: Path, host: str) -> Authority:
    authority = Authority(folder, "ca")
    authority.issue("server", host, "kubernetes.default.svc", API_SERVICE)
    authority.issue("accounts", "accounts")
    for name, (user, group) in USERS.items():
        authority.issue(name, name, user=user, group=group)
    return authority


def write_kubeconfig(plane: ControlPlane, name: str, file: Path) -> None:
    """Write the kubeconfig of a user to a file."""
    certificate, key = _pair(plane.folder, name)
    cluster = {"server": plane.url, "certificate-authority": str(plane.folder / "ca.pem")}
    configuration = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": name, "user": {"client-certificate": str(certificate), "client-key": str(key)}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": name}}],
        "current-context": "tests",
    }
    file.write_text(yaml.safe_dump(configuration))


def _etcd_flags(folder: Path, store: str) -> list[str]:
    peers = f"http://{HOST}:{free_port()}"
    return [
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={store}",
        f"--advertise-client-urls={store}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        # The data does not outlive the tests.
        "--unsafe-no-fsync",
    ]


def _server_flags(plane: ControlPlane, store: str) -> list[str]:
    certificate, key = _pair(plane.folder, "server")
    admin, admin_key = _pair(plane.folder, "admin")
    accounts = plane.folder / "accounts.key"
    return [
        f"--etcd-servers={store}",
        f"--bind-address={plane.host}",
        f"--secure-port={plane.url.rpartition(':')[2]}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--client-ca-file={plane.folder / 'ca.pem'}",
        f"--kubelet-client-certificate={admin}",
        f"--kubelet-client-key={admin_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={accounts}",
        f"--service-account-signing-key-file={accounts}",
        f"--service-cluster-ip-range={SERVICE_NETWORKS}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,PodSecurity",
        "--endpoint-reconciler-type=none",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _manager_flags(plane: ControlPlane, controllers: str) -> list[str]:
    return [
        f"--kubeconfig={plane.kubeconfig}",
        f"--service-account-private-key-file={plane.folder / 'accounts.key'}",
        f"--root-ca-file={plane.folder / 'ca.pem'}",
        "--use-service-account-credentials=true",
        f"--controllers={controllers}",
        "--leader-elect=false",
        f"--bind-address={HOST}",
        f"--secure-port={free_port()}",
    ]


def _is_ready(plane: ControlPlane) -> bool:
    try:
        return plane.request("GET", "/readyz").is_success
    except httpx.TransportError:
        return False


def create_custom_resources(plane: ControlPlane, *names: str) -> None:
    """Create custom resources of the Prometheus Operator, and wait until the API serves them."""
    shared = Path(program("kube-apiserver")).parents[1] / "share"
    folders = sorted(shared.glob("prometheus-operator-*"))
    if not folders:
        skip_or_fail(f"{shared} has no custom resources of the Prometheus Operator: `make cluster` copies them")
    for name in names:
        content = (folders[-1] / f"monitoring.coreos.com_{name}.yaml").read_bytes()
        path, kind = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {"Content-Type": "application/yaml"}
        response = plane.request("POST", path, content=content, headers=kind)
        assert response.status_code in CREATED, response.text
        (version,) = response.json()["spec"]["versions"]
        served = f"/apis/monitoring.coreos.com/{version['name']}/{name}"
        wait_until(partial(is_served, plane, served), served)


def is_served(plane: ControlPlane, path: str) -> bool | None:
    """Return whether the API serves a path; None as long as it does not."""
    return plane.request("GET", path).is_success or None
