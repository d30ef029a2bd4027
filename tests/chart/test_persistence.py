"""Where the exporter keeps its state: claims and volumes, and how pods that have them are replaced."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from tests.support.helm_chart import (
    SHARDED_CLAIMS,
    Document,
    ci_values,
    container_of,
    objects,
    one,
    pod_of,
    refusal,
    render,
    workload,
)
from tests.support.repository import ROOT

ON = "--set=persistence.enabled=true"
SHARDED = f"{ON},shards=2"
EMPTY = f"{ON},persistence.type=emptyDir"
KEPT = {"helm.sh/resource-policy": "keep"}


def state_file(documents: list[Document]) -> PurePosixPath | None:
    """The file that the exporter is told to keep its state in."""
    values = [word for word in container_of(documents)["args"] if word.startswith("--state.file=")]
    return PurePosixPath(values[0].partition("=")[2]) if values else None


def state_volume(documents: list[Document]) -> Document | None:
    """The volume of the pod that is called state."""
    volumes = {volume.pop("name"): volume for volume in pod_of(documents)["spec"]["volumes"]}
    return volumes.get("state")


def claim_template(documents: list[Document]) -> Document:
    """What Kubernetes makes the claim of each shard of."""
    (template,) = workload(documents)["spec"]["volumeClaimTemplates"]
    found: Document = template
    return found


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    documents = render()
    assert state_file(documents) is None
    assert state_volume(documents) is None
    assert objects(documents, "PersistentVolumeClaim") == []
    assert "strategy" not in workload(documents)["spec"]
    assert not workload(render("--set=shards=2"))["spec"].keys() & {
        "volumeClaimTemplates",
        "persistentVolumeClaimRetentionPolicy",
    }


@pytest.mark.parametrize("arguments", [ON, SHARDED, EMPTY, f"{EMPTY},shards=2"])
def test_the_state_file_lies_in_the_volume_and_nothing_else_can_be_written(arguments: str) -> None:
    documents = render(arguments)
    container = container_of(documents)
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "state"]
    file = state_file(documents)
    assert file is not None
    assert str(file.parent) == mount["mountPath"]
    assert "readOnly" not in mount
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_chart_image_and_its_page_name_the_same_folder() -> None:
    file = state_file(render(ON))
    assert file is not None
    assert f" {file.parent}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "image.md").read_text(encoding="utf-8")
    assert f":{file.parent} " in page
    assert f"--state.file={file}\n" in page


def test_the_group_of_a_volume_is_the_pod_s_and_is_set_once() -> None:
    context = pod_of(render(ON))["spec"]["securityContext"]
    assert context["fsGroup"] == context["runAsGroup"]
    assert context["fsGroupChangePolicy"] == "OnRootMismatch"


def test_one_pod_has_the_claim_that_the_chart_makes() -> None:
    documents = render(ON)
    claim = one(documents, "PersistentVolumeClaim")
    assert state_volume(documents) == {"persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def test_each_shard_has_a_claim_of_its_own() -> None:
    documents = render(SHARDED)
    template = claim_template(documents)
    assert template["metadata"] == {"name": "state"}
    assert template["spec"] == one(render(ON), "PersistentVolumeClaim")["spec"]
    assert state_volume(documents) is None
    assert objects(documents, "PersistentVolumeClaim") == []


def test_another_version_of_the_chart_leaves_the_claim_templates_as_they_are() -> None:
    """Kubernetes refuses to change them: every upgrade would fail."""
    documents = render(SHARDED, "--set=commonLabels.release=two,persistence.labels.team=fleet")
    assert claim_template(documents)["metadata"] == {"name": "state", "labels": {"team": "fleet"}}


@pytest.mark.parametrize(
    ("setting", "spec"),
    [
        ("storageClassName=fast", {"storageClassName": "fast"}),
        ("storageClassName=-", {"storageClassName": ""}),
        ("size=20Gi", {"resources": {"requests": {"storage": "20Gi"}}}),
        ("accessModes={ReadWriteMany}", {"accessModes": ["ReadWriteMany"]}),
    ],
)
def test_a_claim_is_what_the_values_say(setting: str, spec: Document) -> None:
    argument = f"--set=persistence.{setting}"
    claims = one(render(ON, argument), "PersistentVolumeClaim"), claim_template(render(SHARDED, argument))
    for claim in claims:
        assert spec.items() <= claim["spec"].items()


def test_annotations_and_labels_are_on_every_claim() -> None:
    settings = "--set=persistence.annotations.a=b,persistence.labels.c=d"
    alone, shared = one(render(ON, settings), "PersistentVolumeClaim"), claim_template(render(SHARDED, settings))
    assert alone["metadata"]["annotations"] == {**KEPT, "a": "b"}
    assert shared["metadata"]["annotations"] == {"a": "b"}
    for claim in (alone, shared):
        assert claim["metadata"]["labels"]["c"] == "d"


def test_no_claim_is_deleted_unless_the_values_say_so() -> None:
    policy = "persistence.persistentVolumeClaimRetentionPolicy"
    assert one(render(ON), "PersistentVolumeClaim")["metadata"]["annotations"] == KEPT
    deleted = one(render(ON, f"--set={policy}.whenDeleted=Delete"), "PersistentVolumeClaim")
    assert "annotations" not in deleted["metadata"]
    shards = workload(render(SHARDED))["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert shards == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    shards = workload(render(f"--values={SHARDED_CLAIMS}"))["spec"]["persistentVolumeClaimRetentionPolicy"]
    assert shards == {"whenDeleted": "Retain", "whenScaled": "Delete"}


def test_a_claim_of_one_s_own_is_used_and_none_is_made() -> None:
    documents = render(f"{ON},persistence.existingClaim=mine")
    assert state_volume(documents) == {"persistentVolumeClaim": {"claimName": "mine"}}
    assert objects(documents, "PersistentVolumeClaim") == []


@pytest.mark.parametrize("shards", [1, 2])
def test_an_empty_dir_is_the_pod_s_as_the_values_describe_it(shards: int) -> None:
    documents = render(ci_values("persistence-emptydir"), f"--set=shards={shards}")
    assert state_volume(documents) == {"emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}
    assert objects(documents, "PersistentVolumeClaim") == []
    assert "volumeClaimTemplates" not in workload(documents)["spec"]


@pytest.mark.parametrize(
    "arguments", [ON, f"{ON},persistence.existingClaim=mine", "--set=updateStrategy.type=Recreate"]
)
def test_the_old_pod_ends_before_the_new_one_starts(arguments: str) -> None:
    """The null takes away what Kubernetes has filled in, which with this strategy it refuses."""
    assert workload(render(arguments))["spec"]["strategy"] == {"type": "Recreate", "rollingUpdate": None}


def test_pods_without_a_claim_to_hand_over_are_replaced_as_ever() -> None:
    assert "strategy" not in workload(render(EMPTY))["spec"]
    assert "updateStrategy" not in workload(render(SHARDED))["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}
    surge = "--set=updateStrategy.type=RollingUpdate,updateStrategy.rollingUpdate.maxSurge=0"
    assert workload(render(EMPTY, surge))["spec"]["strategy"] == rolling


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("shards=2,persistence.existingClaim=mine", "persistence.existingClaim: several shards cannot share one claim"),
        ("persistence.type=emptyDir,persistence.existingClaim=mine", "persistence.existingClaim: nothing uses it"),
        ("updateStrategy.type=RollingUpdate", "updateStrategy.type: must be Recreate with a claim"),
        ("updateStrategy.rollingUpdate.maxSurge=0", "updateStrategy.type: must be Recreate with a claim"),
    ],
)
def test_what_cannot_work_is_refused(settings: str, reason: str) -> None:
    assert reason in refusal(f"{ON},{settings}")
    assert render(f"--set={settings}")
