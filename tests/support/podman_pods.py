"""Runs the chart's pods by podman, with a network and a simulated AWS. Podman does not know StatefulSets."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.commands.simulate import environment
from tests.support.containers import LOCKED, image, inspect, log_match, output_of, podman, run_container
from tests.support.helm_chart import Document, container_of, objects_of_kind
from tests.support.repository import skip_or_fail
from tests.support.waiting import wait_until

# Podman would open the ports on this machine, where two pods cannot have the same port. It would probe with curl, which
# the container does not have. So the tests send the requests of probes.
FOR_OTHERS = ("ports", "livenessProbe", "readinessProbe", "startupProbe")


@dataclass(frozen=True, slots=True)
class Pod:
    """A running pod: its name, its address on the network, and the id of its exporter's container."""

    name: str
    address: str
    container: str


@contextmanager
def create_network(name: str) -> Iterator[str]:
    """Create a network without a route to other networks while the block runs, and yield its name."""
    made = podman("network", "create", "--internal", name)
    if made.returncode != 0:
        skip_or_fail(f"podman cannot make a network here: {made.stderr.strip()}")
    try:
        yield name
    finally:
        podman("network", "rm", "--force", name)


def address_of(container: str, network: str) -> str:
    """Return a container's address on a network."""
    return str(inspect("container", container)["NetworkSettings"]["Networks"][network]["IPAddress"])


def pods_of(stateful_set: Document) -> list[Document]:
    """Return the pods of a StatefulSet.

    Their labels, names and claims are those of Kubernetes: pkg/controller/statefulset/stateful_set_utils.go.
    """
    return [_pod(stateful_set, ordinal) for ordinal in range(stateful_set["spec"]["replicas"])]


def _pod(stateful_set: Document, ordinal: int) -> Document:
    template, metadata = deepcopy(stateful_set["spec"]["template"]), stateful_set["metadata"]
    name = f"{metadata['name']}-{ordinal}"
    labels = {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": str(ordinal)}
    named = {"name": name, "namespace": metadata["namespace"], "labels": {**template["metadata"]["labels"], **labels}}
    host = {"hostname": name, "subdomain": stateful_set["spec"]["serviceName"]}
    claims = [claim["metadata"]["name"] for claim in stateful_set["spec"].get("volumeClaimTemplates", [])]
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{name}"}} for claim in claims]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], **named},
        "spec": {**template["spec"], **host, "volumes": [*template["spec"]["volumes"], *volumes]},
    }


def playable(documents: Sequence[Document]) -> list[Document]:
    """Return the objects of a chart that podman needs to run its pods."""
    found = deepcopy([*objects_of_kind(documents, "ConfigMap"), *objects_of_kind(documents, "Deployment")])
    found += [pod for stateful_set in objects_of_kind(documents, "StatefulSet") for pod in pods_of(stateful_set)]
    for document in found:
        if document["kind"] != "ConfigMap":
            _leave_out(document["spec"].get("template", document))
    return found


def _leave_out(pod: Document) -> None:
    """Remove what podman cannot use. It limits an annotation to 63 characters, as if it were a label."""
    pod["metadata"].pop("annotations", None)
    for container in pod["spec"]["containers"]:
        for key in FOR_OTHERS:
            container.pop(key, None)


@contextmanager
def claimed_volumes(documents: Sequence[Document]) -> Iterator[list[str]]:
    """Keep the volumes of a chart's claims while the block runs, and yield their names.

    Podman creates a volume when a pod needs it.
    """
    pods = [document for document in playable(documents) if document["kind"] != "ConfigMap"]
    volumes = [volume for pod in pods for volume in pod["spec"].get("template", pod)["spec"]["volumes"]]
    names = [volume["persistentVolumeClaim"]["claimName"] for volume in volumes if "persistentVolumeClaim" in volume]
    try:
        yield names
    finally:
        podman("volume", "rm", *names)


@contextmanager
def play_pods(documents: Sequence[Document], network: str) -> Iterator[list[Pod]]:
    """Run the pods of a chart on a network while the block runs, and yield them in order."""
    text = yaml.safe_dump_all(playable(documents))
    played = podman("kube", "play", f"--network={network}", "-", given=text)
    ids = re.findall(r"^Pod:\n(\w+)$", played.stdout, re.MULTILINE)
    try:
        output_of(played)
        yield [_running_pod(id, network) for id in ids]
    finally:
        podman("kube", "down", "-", given=text)
        # Podman keeps each ConfigMap as a volume of its name.
        podman("volume", "rm", *(document["metadata"]["name"] for document in objects_of_kind(documents, "ConfigMap")))


def _running_pod(id: str, network: str) -> Pod:
    pod = inspect("pod", id)
    infra = pod["InfraContainerID"]
    (container,) = (entry["Id"] for entry in pod["Containers"] if entry["Id"] != infra)
    return Pod(pod["Name"], address_of(infra, network), container)


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart: its objects and its pods."""

    documents: list[Document]
    pods: list[Pod]

    @property
    def targets(self) -> list[str]:
        """The addresses for Prometheus."""
        (port,) = container_of(self.documents)["ports"]
        return [f"{pod.address}:{port['containerPort']}" for pod in self.pods]


@contextmanager
def run_simulated_aws(name: str, *arguments: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a simulated AWS on a new network of this name while the block runs, and yield its URL."""
    image()  # Without an image, skip the test before anything is created.
    words = ("simulate", "--listen-address=:10099", *arguments)
    with create_network(name), run_container(*words, options=(*LOCKED, f"--network={name}", *options)) as id:
        wait_until(log_match(id, "simulated on"), "the simulated AWS")
        yield f"http://{address_of(id, name)}:10099"


def values_argument(aws: str, config: Any, folder: Path) -> str:
    """Return the helm argument for values with this image, a configuration and a simulated AWS."""
    repository, _, tag = image().rpartition(":")
    variables = [{"name": name, "value": value} for name, value in environment(aws).items()]
    named = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
    file = folder / "values.json"
    file.write_text(json.dumps({"image": named, "config": config, "extraEnv": variables}))
    return f"--values={file}"
