"""The state of the exporter: claims and volumes, and the update strategy of pods with a claim."""

from pathlib import PurePosixPath

import pytest

from tests.support.helm_chart import (
    SHARDED_CLAIMS,
    Document,
    ci_values,
    container_of,
    objects_of_kind,
    only_object,
    pod_of,
    render,
    render_error,
    workload,
)
from tests.support.repository import ROOT

# Kubernetes adds 11 characters.
MAX_STATEFUL_SET_NAME_LENGTH = 52
ON = "--set=persistence.enabled=true"
SHARDED = f"{ON},shards=2"
EMPTY = f"{ON},persistence.type=emptyDir"
EXISTING = f"{ON},persistence.existingClaim=mine"
ROLLING = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
ORDERED = {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}


def state_file(documents: list[Document]) -> PurePosixPath | None:
    """Return the path of the state file, or None."""
    values = [word for word in container_of(documents)["args"] if word.startswith("--state.file=")]
    return PurePosixPath(values[0].partition("=")[2]) if values else None


def state_volume(documents: list[Document]) -> Document | None:
    """Return the volume with the name ``state``, or None."""
    volumes = {volume.pop("name"): volume for volume in pod_of(documents)["spec"]["volumes"]}
    return volumes.get("state")


def claims(argument: str = ON) -> tuple[Document, Document]:
    """Return the template of the claim of a single pod, and that of the claims of shards."""
    single, sharded = (workload(render(arguments, argument)) for arguments in (ON, SHARDED))
    (one_claim,), (claim_of_each,) = (found["spec"]["volumeClaimTemplates"] for found in (single, sharded))
    return one_claim, claim_of_each


def test_persistence_is_disabled_by_default() -> None:
    documents = render()
    assert state_file(documents) is None
    assert state_volume(documents) is None
    assert objects_of_kind(documents, "PersistentVolumeClaim") == []
    assert workload(documents)["spec"]["strategy"] == ROLLING
    assert not workload(render("--set=shards=2"))["spec"].keys() & {
        "volumeClaimTemplates",
        "persistentVolumeClaimRetentionPolicy",
    }


@pytest.mark.parametrize("arguments", [ON, SHARDED, EMPTY, f"{EMPTY},shards=2"])
def test_the_state_file_is_in_the_only_writable_volume(arguments: str) -> None:
    documents = render(arguments)
    container = container_of(documents)
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "state"]
    file = state_file(documents)
    assert file is not None
    assert str(file.parent) == mount["mountPath"]
    assert "readOnly" not in mount
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_chart_the_image_and_its_page_use_the_same_folder() -> None:
    file = state_file(render(ON))
    assert file is not None
    assert f" {file.parent}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    assert f":{file.parent} " in page
    assert f"--state.file={file}\n" in page


def test_the_volume_belongs_to_the_group_of_the_pod() -> None:
    context = pod_of(render(ON))["spec"]["securityContext"]
    assert context["fsGroup"] == context["runAsGroup"]
    assert context["fsGroupChangePolicy"] == "OnRootMismatch"


@pytest.mark.parametrize("arguments", [ON, SHARDED])
def test_each_pod_has_its_own_claim_outside_the_manifest_of_the_release(arguments: str) -> None:
    """Helm 3 cannot roll back a release with a claim that it keeps."""
    documents = render(arguments)
    (claim,) = only_object(documents, "StatefulSet")["spec"]["volumeClaimTemplates"]
    assert claim["metadata"] == {"name": "state"}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    assert state_volume(documents) is None
    assert objects_of_kind(documents, "PersistentVolumeClaim") == objects_of_kind(documents, "Deployment") == []


def test_a_single_pod_with_a_claim_and_shards_have_different_stateful_sets() -> None:
    """Kubernetes can change neither the Service nor the claim template of a StatefulSet."""
    names = {workload(render(arguments))["metadata"]["name"] for arguments in (ON, SHARDED)}
    assert names == {"fleet-aws-iot-bulk-exporter", "fleet-aws-iot-bulk-exporter-single"}
    long = workload(render(ON, "--set=fullnameOverride=" + "x" * 63))["metadata"]["name"]
    assert len(long) <= MAX_STATEFUL_SET_NAME_LENGTH


def test_the_claim_templates_do_not_depend_on_the_version_of_the_chart() -> None:
    """Kubernetes refuses changes of claim templates, so an upgrade would fail."""
    for template in claims("--set=commonLabels.release=two,persistence.labels.team=fleet"):
        assert template["metadata"] == {"name": "state", "labels": {"team": "fleet"}}


@pytest.mark.parametrize(
    ("setting", "spec"),
    [
        ("storageClassName=fast", {"storageClassName": "fast"}),
        ("storageClassName=-", {"storageClassName": ""}),
        ("size=20Gi", {"resources": {"requests": {"storage": "20Gi"}}}),
        ("accessModes={ReadWriteMany}", {"accessModes": ["ReadWriteMany"]}),
    ],
)
def test_the_values_set_the_specification_of_a_claim(setting: str, spec: Document) -> None:
    for claim in claims(f"--set=persistence.{setting}"):
        assert spec.items() <= claim["spec"].items()


def test_annotations_and_labels_are_on_every_claim() -> None:
    for template in claims("--set=persistence.annotations.a=b,persistence.labels.c=d"):
        assert template["metadata"] == {"name": "state", "annotations": {"a": "b"}, "labels": {"c": "d"}}


def test_claims_are_kept_by_default() -> None:
    policy = "persistentVolumeClaimRetentionPolicy"
    for arguments, scaled in ((ON, "Retain"), (SHARDED, "Retain"), (f"--values={SHARDED_CLAIMS}", "Delete")):
        assert workload(render(arguments))["spec"][policy] == {"whenDeleted": "Retain", "whenScaled": scaled}
    deleted = workload(render(f"{ON},persistence.{policy}.whenDeleted=Delete"))["spec"][policy]
    assert deleted == {"whenDeleted": "Delete", "whenScaled": "Retain"}


def test_an_existing_claim_is_used_and_no_other_is_created() -> None:
    documents = render(f"{ON},persistence.existingClaim=mine")
    assert state_volume(documents) == {"persistentVolumeClaim": {"claimName": "mine"}}
    assert objects_of_kind(documents, "PersistentVolumeClaim") == []


@pytest.mark.parametrize("shards", [1, 2])
def test_the_values_set_the_specification_of_an_empty_dir(shards: int) -> None:
    documents = render(ci_values("persistence-emptydir"), f"--set=shards={shards}")
    assert state_volume(documents) == {"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}
    assert objects_of_kind(documents, "PersistentVolumeClaim") == []
    assert "volumeClaimTemplates" not in workload(documents)["spec"]


@pytest.mark.parametrize(
    "arguments", [EXISTING, f"{EXISTING},updateStrategy.type=Recreate", "--set=updateStrategy.type=Recreate"]
)
def test_a_pod_with_an_existing_claim_ends_before_its_replacement_starts(arguments: str) -> None:
    """Kubernetes refuses its own default of ``rollingUpdate`` with this strategy, so a null removes it."""
    assert workload(render(arguments))["spec"]["strategy"] == {"type": "Recreate", "rollingUpdate": None}


@pytest.mark.parametrize("settings", ["", "updateStrategy.type=Recreate,", "updateStrategy.type=RollingUpdate,"])
def test_a_stateful_set_ends_each_pod_before_its_replacement_starts(settings: str) -> None:
    for shards in (1, 2):
        found = workload(render(ON, f"--set={settings}shards={shards}"))
        assert found["spec"]["updateStrategy"] == ORDERED


def test_the_update_strategy_has_every_field_that_kubernetes_would_add() -> None:
    """Helm 4 cannot remove a field that Kubernetes added."""
    assert workload(render(EMPTY))["spec"]["strategy"] == ROLLING
    surge = "--set=updateStrategy.rollingUpdate.maxSurge=0"
    expected = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}}
    assert workload(render(EMPTY, surge))["spec"]["strategy"] == expected
    partition = "--set=updateStrategy.rollingUpdate.partition=1"
    assert workload(render(SHARDED, partition))["spec"]["updateStrategy"]["rollingUpdate"] == {"partition": 1}
    manual = workload(render(SHARDED, "--set=updateStrategy.type=OnDelete"))["spec"]["updateStrategy"]
    assert manual == {"type": "OnDelete", "rollingUpdate": None}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("shards=2,persistence.existingClaim=mine", "persistence.existingClaim: several shards cannot share one claim"),
        ("persistence.type=emptyDir,persistence.existingClaim=mine", "persistence.existingClaim: only used with"),
        (
            "persistence.existingClaim=mine,updateStrategy.type=RollingUpdate",
            "updateStrategy.type: must be Recreate with",
        ),
        (
            "persistence.existingClaim=mine,updateStrategy.rollingUpdate.maxSurge=0",
            "updateStrategy.type: must be Recreate",
        ),
        ("updateStrategy.rollingUpdate.maxSurge=0", "updateStrategy.rollingUpdate.maxSurge: only a Deployment has"),
    ],
)
def test_conflicting_settings_are_refused(settings: str, reason: str) -> None:
    assert reason in render_error(f"{ON},{settings}")
    assert render(f"--set={settings}")
