"""Renders the chart with helm and finds objects in the result."""

import json
import subprocess
from collections.abc import Hashable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.repository import ROOT, program

CHART = ROOT / "helm"
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
# Not among the CI values: checkers of manifests that do not know claims of a StatefulSet miss its volume.
SHARDED_CLAIMS = ROOT / "tests" / "chart" / "persistence-shards-values.yaml"
SINGLE_CLAIM = ROOT / "tests" / "chart" / "persistence-values.yaml"
# Without this argument, helm builds without release flags assume a version that the chart refuses.
KUBE_VERSION = "--kube-version=1.34.0"

Document = dict[str, Any]


class _Loader(yaml.CSafeLoader):
    """A loader that refuses duplicate keys. The loader of Kubernetes merges them without an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"duplicate key: {keys}"
        return super().construct_mapping(node, deep)


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run helm and return its result, whatever its status."""
    return subprocess.run([program("helm"), *arguments], capture_output=True, text=True, check=False, timeout=300)


@cache
def template(*arguments: str, release: str = "fleet") -> subprocess.CompletedProcess[str]:
    """Run ``helm template`` on the chart. Equal arguments give the same cached result."""
    return helm("template", release, str(CHART), "--namespace=monitoring", KUBE_VERSION, *arguments)


def render(*arguments: str, release: str = "fleet") -> list[Document]:
    """Return the objects that the chart renders."""
    result = template(*arguments, release=release)
    assert result.returncode == 0, result.stderr
    return [document for document in yaml.load_all(result.stdout, _Loader) if document]


def ci_values(name: str) -> str:
    """Return the helm argument for one of the CI values files."""
    return f"--values={CHART / 'ci' / f'{name}-values.yaml'}"


def render_error(*arguments: str) -> str:
    """Return helm's error message. Fail if helm accepts the values."""
    result = template(*arguments)
    assert result.returncode != 0, "the values were accepted"
    return result.stderr


def objects_of_kind(documents: Sequence[Document], kind: str) -> list[Document]:
    """Return the objects of a kind."""
    return [document for document in documents if document["kind"] == kind]


def only_object(documents: Sequence[Document], kind: str) -> Document:
    """Return the only object of a kind."""
    (document,) = objects_of_kind(documents, kind)
    return document


def workload(documents: Sequence[Document]) -> Document:
    """Return the Deployment or the StatefulSet."""
    (document,) = objects_of_kind(documents, "Deployment") + objects_of_kind(documents, "StatefulSet")
    return document


def pod_of(documents: Sequence[Document]) -> Document:
    """Return the exporter's pod template."""
    pod: Document = workload(documents)["spec"]["template"]
    return pod


def container_of(documents: Sequence[Document], name: str = "exporter") -> Document:
    """Return a container of the exporter's pod."""
    container: Document
    (container,) = (entry for entry in pod_of(documents)["spec"]["containers"] if entry["name"] == name)
    return container


def values_schema() -> Document:
    """Return the schema of the values."""
    found: Document = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return found


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file of the chart."""
    return _Loader(path.read_text(encoding="utf-8")).get_single_data()
