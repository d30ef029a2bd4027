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

ON = "--set=persistence.enabled=true"
SHARDED = f"{ON},shards=2"
EMPTY = f"{ON},persistence.type=emptyDir"
KEPT = {"helm.sh/resource-policy": "keep"}


def state_file(documents: list[Document]) -> PurePosixPath | None:
    """Return the path of the state file, or None."""
    values = [word for word in container_of(documents)["args"] if word.startswith("--state.file=")]
    return PurePosixPath(values[0].partition("=")[2]) if values else None


def state_volume(documents: list[Document]) -> Document | None:
    """Return the volume with the name ``state``, or None."""
    volumes = {volume.pop("name"): volume for volume in pod_of(documents)["spec"]["volumes"]}
    return volumes.get("state")


def claims(argument: str = ON) -> tuple[Document, Document]:
    """Return the claim of a single pod, and the template of the claims of shards."""
    (template,) = workload(render(SHARDED, argument))["spec"]["volumeClaimTemplates"]
    return only_object(render(ON, argument), "PersistentVolumeClaim"), template


def test_persistence_is_disabled_by_default() -> None:
    documents = render()
    assert state_file(documents) is None
    assert state_volume(documents) is None
    assert objects_of_kind(documents, "PersistentVolumeClaim") == []
    assert "strategy" not in workload(documents)["spec"]
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


def test_a_single_pod_uses_the_claim_of_the_chart() -> None:
    documents = render(ON)
    claim = only_object(documents, "PersistentVolumeClaim")
    assert state_volume(documents) == {"persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}}
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


def test_each_shard_has_its_own_claim() -> None:
    documents, (claim, template) = render(SHARDED), claims()
    assert template["metadata"] == {"name": "state"}
    assert template["spec"] == claim["spec"]
    assert state_volume(documents) is None
    assert objects_of_kind(documents, "PersistentVolumeClaim") == []


def test_the_claim_templates_do_not_depend_on_the_version_of_the_chart() -> None:
    """Kubernetes refuses changes of claim templates, so an upgrade would fail."""
    _, template = claims("--set=commonLabels.release=two,persistence.labels.team=fleet")
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
    single, sharded = claims("--set=persistence.annotations.a=b,persistence.labels.c=d")
    assert single["metadata"]["annotations"] == {**KEPT, "a": "b"}
    assert sharded["metadata"]["annotations"] == {"a": "b"}
    assert single["metadata"]["labels"]["c"] == sharded["metadata"]["labels"]["c"] == "d"


def test_claims_are_kept_by_default() -> None:
    policy = "persistentVolumeClaimRetentionPolicy"
    assert claims()[0]["metadata"]["annotations"] == KEPT
    assert "annotations" not in claims(f"--set=persistence.{policy}.whenDeleted=Delete")[0]["metadata"]
    for arguments, scaled in ((SHARDED, "Retain"), (f"--values={SHARDED_CLAIMS}", "Delete")):
        assert workload(render(arguments))["spec"][policy] == {"whenDeleted": "Retain", "whenScaled": scaled}


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
    "arguments", [ON, f"{ON},persistence.existingClaim=mine", "--set=updateStrategy.type=Recreate"]
)
def test_a_pod_with_a_claim_ends_before_its_replacement_starts(arguments: str) -> None:
    """Kubernetes refuses its own default of ``rollingUpdate`` with this strategy, so a null removes it."""
    assert workload(render(arguments))["spec"]["strategy"] == {"type": "Recreate", "rollingUpdate": None}


def test_the_update_strategy_of_other_pods_is_not_changed() -> None:
    assert "strategy" not in workload(render(EMPTY))["spec"]
    assert "updateStrategy" not in workload(render(SHARDED))["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}
    surge = "--set=updateStrategy.type=RollingUpdate,updateStrategy.rollingUpdate.maxSurge=0"
    assert workload(render(EMPTY, surge))["spec"]["strategy"] == rolling


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("shards=2,persistence.existingClaim=mine", "persistence.existingClaim: several shards cannot share one claim"),
        ("persistence.type=emptyDir,persistence.existingClaim=mine", "persistence.existingClaim: only used with"),
        ("updateStrategy.type=RollingUpdate", "updateStrategy.type: must be Recreate with a claim"),
        ("updateStrategy.rollingUpdate.maxSurge=0", "updateStrategy.type: must be Recreate with a claim"),
    ],
)
def test_conflicting_settings_are_refused(settings: str, reason: str) -> None:
    assert reason in render_error(f"{ON},{settings}")
    assert render(f"--set={settings}")
