"""Releases of the chart that podman plays, on a simulated AWS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.cli.commands.simulate import environment
from tests.support.containers import LOCKED, image, log_match, run_container
from tests.support.helm_chart import Document, container_of
from tests.support.podman_pods import Pod, address_of, create_network
from tests.support.waiting import wait_until


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart: what it rendered, and its pods."""

    documents: list[Document]
    pods: list[Pod]

    @property
    def targets(self) -> list[str]:
        """Where Prometheus finds them, as it would by the container's port."""
        (port,) = container_of(self.documents)["ports"]
        return [f"{pod.address}:{port['containerPort']}" for pod in self.pods]


@contextmanager
def run_simulated_aws(name: str, *arguments: str, options: tuple[str, ...] = ()) -> Iterator[str]:
    """Run a simulated AWS on a network of this name while the block runs; give its URL."""
    image()  # asked first: without one nothing is made
    words = ("simulate", "--listen-address=:10099", *arguments)
    with create_network(name), run_container(*words, options=(*LOCKED, f"--network={name}", *options)) as id:
        wait_until(log_match(id, "simulated on"), "the simulated AWS")
        yield f"http://{address_of(id, name)}:10099"


def values_argument(aws: str, config: Any, folder: Path) -> str:
    """Return the argument that takes the values: this image, a configuration and a simulated AWS."""
    repository, _, tag = image().rpartition(":")
    variables = [{"name": name, "value": value} for name, value in environment(aws).items()]
    named = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
    file = folder / "values.json"
    file.write_text(json.dumps({"image": named, "config": config, "extraEnv": variables}))
    return f"--values={file}"
