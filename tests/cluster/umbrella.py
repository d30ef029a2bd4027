"""Writes an umbrella chart, with the chart as a subchart for each values file: a call of helm changes all of them."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

# Without a name of the subchart in it, two subcharts would have an object of the same name.
RELEASE_NAME = "{{ .Release.Name }}"


@dataclass(frozen=True, slots=True)
class Umbrella:
    """A folder with an umbrella chart, and the values files whose names are those of its subcharts."""

    folder: Path
    origins: Sequence[Path]

    @classmethod
    def write(cls, folder: Path, chart: Path, origins: Sequence[Path]) -> "Umbrella":
        """Write an umbrella chart with a chart as a subchart for each values file."""
        subchart = shutil.copytree(chart, folder / "charts" / "exporter")
        metadata = yaml.safe_load((subchart / "Chart.yaml").read_text())
        dependency = {key: metadata[key] for key in ("name", "version")}
        dependencies = [{**dependency, "repository": "", "alias": subchart_name(origin)} for origin in origins]
        umbrella = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": dependencies}
        (folder / "Chart.yaml").write_text(json.dumps(umbrella))
        return cls(folder, origins)

    def values(self, targets: Sequence[Path]) -> dict[str, dict[str, Any]]:
        """Return the values of each subchart, if their values files are the targets, in the order of the origins."""
        names = [subchart_name(origin) for origin in self.origins]
        return {name: _subchart_values(path, name) for name, path in zip(names, targets, strict=True)}

    def argument(self, targets: Sequence[Path]) -> str:
        """Return the argument of helm for the values of all subcharts. A failed call prints the name of the file."""
        file = self.folder / f"{subchart_name(self.origins[0])}-to-{subchart_name(targets[0])}.json"
        file.write_text(json.dumps(self.values(targets)))
        return f"--values={file}"


def subchart_name(values: Path) -> str:
    """Return the name of the subchart of a values file."""
    return f"{values.parent.name}-{values.name.removesuffix('-values.yaml')}"


def _subchart_values(path: Path, name: str) -> dict[str, Any]:
    """Return the values of a file for a subchart. Its names differ from those of the other subcharts."""
    values: dict[str, Any] = yaml.safe_load(path.read_text().replace(RELEASE_NAME, f"{RELEASE_NAME}-{name}")) or {}
    if "fullnameOverride" in values:
        values["fullnameOverride"] += f"-{name}"
    service = values.get("service", {})
    # Kubernetes can refuse a port that was just released, and several subcharts get the values of a file in turn.
    service.pop("nodePort", None)
    if path.name == "ipv6-values.yaml":
        # Kubernetes cannot change the first family of a Service, so the order is that of the cluster.
        service["ipFamilies"] = ["IPv4", "IPv6"]
    return values
