"""The objects of every values file, created on a Kubernetes API with strict validation in a restricted namespace."""

from pathlib import Path

import pytest

from tests.cluster.control_plane import CREATED, ControlPlane
from tests.support.helm_chart import CI_VALUES, SHARDED_CLAIMS, SINGLE_CLAIM, Document, render

# No object is stored, so the tests of a namespace do not depend on each other.
STRICT = {"fieldValidation": "Strict", "dryRun": "All"}
VALUES = [*CI_VALUES, SHARDED_CLAIMS, SINGLE_CLAIM]


def collection(plane: ControlPlane, document: Document) -> str:
    """Return the path of the collection of an object."""
    version, kind = document["apiVersion"], document["kind"]
    group = f"/api{'s' if '/' in version else ''}/{version}"
    (name,) = (
        entry["name"] for entry in plane.read(group)["resources"] if entry["kind"] == kind and "/" not in entry["name"]
    )
    return f"{group}/namespaces/{document['metadata']['namespace']}/{name}"


@pytest.mark.parametrize("values", VALUES, ids=lambda path: str(path.stem))
def test_kubernetes_accepts_every_object_without_a_warning(plane: ControlPlane, namespace: str, values: Path) -> None:
    for document in render(f"--namespace={namespace}", f"--values={values}"):
        if document["kind"] == "Pod":
            continue
        response = plane.request("POST", collection(plane, document), params=STRICT, json=document)
        assert response.status_code in CREATED, response.text
        assert response.headers.get_list("warning") == [], document["kind"]


def test_a_pod_with_the_network_of_the_node_is_refused(plane: ControlPlane, namespace: str) -> None:
    """The Deployment is created, so helm reports success, and only events report the refused pods."""
    arguments = ("--set=hostNetwork=true,updateStrategy.type=Recreate", f"--namespace={namespace}")
    (deployment,) = [document for document in render(*arguments) if document["kind"] == "Deployment"]
    response = plane.request("POST", collection(plane, deployment), params=STRICT, json=deployment)
    assert response.status_code in CREATED
    (warning,) = response.headers.get_list("warning")
    assert "host namespaces (hostNetwork=true)" in warning
