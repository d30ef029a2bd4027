"""Installs, upgrades and rolls back releases of the chart by helm, and reads which objects they have."""

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.cluster.control_plane import ControlPlane
from tests.support.helm_chart import CHART
from tests.support.repository import program

HELMS = ("helm", "helm-4")
# Without them, the client of helm waits 0.2 s before each request after the first hundred.
SETTINGS = {"HELM_QPS": "1000", "HELM_BURST_LIMIT": "1000"}
KINDS = ("deployments", "statefulsets")


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart in a namespace of its own, and the helm that manages it."""

    plane: ControlPlane
    helm: str
    namespace: str
    chart: Path = CHART

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run helm and return its result, whatever its status. Its cache is in the folder of the Kubernetes API."""
        settings = {"KUBECONFIG": str(self.plane.kubeconfig), "HELM_NAMESPACE": self.namespace}
        environment = {**os.environ, **SETTINGS, **settings, "HOME": str(self.plane.folder)}
        command = [program(self.helm), *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=300, cwd=self.chart
        )

    def attempt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Install or upgrade the release, and return the result, whatever its status.

        Without arguments, helm would use the last values again.
        """
        return self.run("upgrade", "--install", "fleet", ".", *(arguments or ["--reset-values"]))

    def upgrade(self, *arguments: str) -> None:
        """Install or upgrade the release, without an error or a warning."""
        _assert_silent(self.attempt(*arguments), arguments)

    def roll_back(self, *revision: str) -> None:
        """Roll back to a revision, by default to the last one, without an error or a warning."""
        _assert_silent(self.run("rollback", "fleet", *revision), ("rollback", *revision))

    def uninstall(self) -> None:
        """Remove the release, without an error or a warning."""
        _assert_silent(self.run("uninstall", "fleet"), ("uninstall",))

    def allow_every_pod(self) -> None:
        """Remove the Pod Security levels of the namespace."""
        change = {"metadata": {"labels": None}}
        path, kind = f"/api/v1/namespaces/{self.namespace}", {"Content-Type": "application/merge-patch+json"}
        self.plane.request("PATCH", path, json=change, headers=kind).raise_for_status()

    def with_chart(self, chart: Path) -> "Release":
        """Return the same release with another chart."""
        return replace(self, chart=chart)

    def workloads(self) -> list[str]:
        """Return the kinds and names of everything that creates pods of the exporter."""
        return [f"{kind}/{found['metadata']['name']}" for kind in KINDS for found in self.objects("apis/apps/v1", kind)]

    def objects(self, group: str, kind: str) -> list[dict[str, Any]]:
        """Return the objects of a kind in the namespace."""
        found: list[dict[str, Any]] = self.plane.read(f"/{group}/namespaces/{self.namespace}/{kind}")["items"]
        return found

    def everything(self) -> set[str]:
        """Return the kinds and names of all objects in the namespace but those that Kubernetes creates for others."""
        groups = [f"apis/{group['preferredVersion']['groupVersion']}" for group in self.plane.read("/apis")["groups"]]
        return {
            f"{kind}/{found['metadata']['name']}"
            for group in ("api/v1", *groups)
            for kind in self._kinds(group)
            for found in self.objects(group, kind)
        }

    def _kinds(self, group: str) -> list[str]:
        """Return the kinds of a group that a namespace can list, without those of events and dependent objects."""
        resources = self.plane.read(f"/{group}")["resources"]
        listed = [entry["name"] for entry in resources if entry["namespaced"] and "list" in entry["verbs"]]
        return [name for name in listed if name not in ("endpoints", "endpointslices", "events")]


def _assert_silent(done: subprocess.CompletedProcess[str], arguments: tuple[str, ...]) -> None:
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    # Helm 4 prints "level=WARN", and client-go prints the warnings of the API with the time after a W.
    warnings = [line for line in done.stderr.splitlines() if "warn" in line.lower()]
    assert warnings == [], arguments
