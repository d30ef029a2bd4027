"""Names, labels and text: two releases side by side, long names, and values that YAML would misread."""

from __future__ import annotations

import re

import pytest

from tests.support.helm_chart import CHART, Document, ci_values, objects, one, pod_of, read, refusal, render, workload

EVERYTHING = (
    "--set=serviceMonitor.enabled=true,podDisruptionBudget.enabled=true,networkPolicy.enabled=true",
    "--set=web.config.rate_limit.burst=1,persistence.enabled=true",
)
SHARDED = (*EVERYTHING, "--set=shards=2")
LONGEST = "a" * 52
"""One letter short of the longest name that helm gives a release."""
ODD = {"yes": "true", "number": "3600", "exponent": "1e3", "octal": "0x1F", "nothing": "null", "date": "2026-01-01"}


def names(documents: list[Document]) -> set[tuple[str, str]]:
    """What no two objects of a namespace may share."""
    return {(document["kind"], document["metadata"]["name"]) for document in documents}


@pytest.mark.parametrize("arguments", [EVERYTHING, SHARDED])
@pytest.mark.parametrize("releases", [("east", "west"), (f"{LONGEST}b", f"{LONGEST}c")])
def test_two_releases_in_one_namespace_share_no_name_and_no_pod(
    releases: tuple[str, str], arguments: tuple[str]
) -> None:
    first, second = (render(*arguments, release=name) for name in releases)
    assert len(names(first)) == len(first) == len(second)
    assert not names(first) & names(second)
    selectors = [workload(first)["spec"]["selector"], one(first, "PodDisruptionBudget")["spec"]["selector"]]
    for selector in [*(found["matchLabels"] for found in selectors), one(first, "Service")["spec"]["selector"]]:
        assert selector.items() <= pod_of(first)["metadata"]["labels"].items()
        assert not selector.items() <= pod_of(second)["metadata"]["labels"].items()
    monitor = one(first, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    assert not monitor <= one(second, "Service")["metadata"]["labels"].items()


@pytest.mark.parametrize("name", [f"{LONGEST}b", "a", "dotted.release.name"])
@pytest.mark.parametrize("arguments", [EVERYTHING, SHARDED])
def test_every_name_and_label_is_one_that_kubernetes_takes(name: str, arguments: tuple[str]) -> None:
    for document in render(*arguments, release=name):
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", document["metadata"]["name"])
        assert len(document["metadata"]["name"]) <= 63
        assert max(map(len, document["metadata"]["labels"].values())) <= 63


@pytest.mark.parametrize("override", ["nameOverride", "fullnameOverride"])
def test_an_override_may_be_as_long_as_a_name_can_be(override: str) -> None:
    for document in render(*SHARDED, f"--set={override}={'n' * 63}"):
        assert len(document["metadata"]["name"]) <= 63
        assert max(map(len, document["metadata"]["labels"].values())) <= 63
    assert override in refusal(f"--set={override}={'n' * 64}")


def test_the_name_of_a_stateful_set_leaves_room_for_its_revision() -> None:
    documents = render("--set=shards=2", release=f"{LONGEST}b")
    assert len(workload(documents)["metadata"]["name"]) + len("-0123456789") <= 63


def test_an_overridden_name_is_that_of_every_object() -> None:
    documents = render(*SHARDED, "--set=fullnameOverride=fleet-exporter")
    assert all(document["metadata"]["name"].startswith("fleet-exporter") for document in documents)


def test_an_overridden_namespace_is_that_of_every_object() -> None:
    documents = render(*EVERYTHING, "--set=namespaceOverride=elsewhere")
    assert {document["metadata"]["namespace"] for document in documents} == {"elsewhere"}


def test_a_common_label_is_on_every_object_and_on_the_pods() -> None:
    documents = render(*EVERYTHING, "--set=commonLabels.team=fleet")
    assert {document["metadata"]["labels"]["team"] for document in documents} == {"fleet"}
    assert pod_of(documents)["metadata"]["labels"]["team"] == "fleet"
    assert "team" not in workload(documents)["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("place", ["podLabels", "commonLabels", "service.labels", "serviceMonitor.additionalLabels"])
def test_a_user_label_cannot_break_a_selector(place: str) -> None:
    documents = render(*EVERYTHING, f"--set={place}.app\\.kubernetes\\.io/instance=other")
    selector = workload(documents)["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/instance"] == "fleet"
    assert selector.items() <= pod_of(documents)["metadata"]["labels"].items()
    assert selector.items() <= one(documents, "Service")["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("serviceAccount.annotations", "ServiceAccount"),
        ("service.annotations", "Service"),
        ("workloadAnnotations", "Deployment"),
        ("serviceMonitor.annotations", "ServiceMonitor"),
    ],
)
def test_annotations_stay_text_and_what_is_none_is_refused(place: str, kind: str) -> None:
    texts = ",".join(f"{place}.{key}={value}" for key, value in ODD.items())
    assert one(render(*EVERYTHING, f"--set-string={texts}"), kind)["metadata"]["annotations"] == ODD
    assert f"'/{place.replace('.', '/')}/yes': got boolean, want string" in refusal(
        *EVERYTHING, f"--set={place}.yes=true"
    )


def test_annotations_and_labels_of_pods_stay_text() -> None:
    documents = render(
        *(
            f"--set-string={place}.{key}={value}"
            for place in ("podAnnotations", "podLabels")
            for key, value in ODD.items()
        )
    )
    metadata = pod_of(documents)["metadata"]
    assert ODD.items() <= metadata["annotations"].items()
    assert ODD.items() <= metadata["labels"].items()


def test_several_annotations_of_the_service_account_stand_side_by_side() -> None:
    account = one(render(ci_values("full")), "ServiceAccount")
    assert (
        account["metadata"]["annotations"] == read(CHART / "ci" / "full-values.yaml")["serviceAccount"]["annotations"]
    )
    assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ("serviceAccount.name=own", "own"),
        ("serviceAccount.create=false", "default"),
        ("serviceAccount.create=false,serviceAccount.name=theirs", "theirs"),
    ],
)
def test_the_pods_run_as_the_service_account_that_is_named(settings: str, name: str) -> None:
    documents = render(f"--set={settings}")
    assert pod_of(documents)["spec"]["serviceAccountName"] == name
    made = [account["metadata"]["name"] for account in objects(documents, "ServiceAccount")]
    assert made == ([] if "create=false" in settings else [name])


def test_objects_of_one_s_own_may_use_the_chart_s_templates() -> None:
    notes = {document["metadata"]["name"]: document for document in objects(render(ci_values("full")), "ConfigMap")}
    assert notes["fleet-exporter-note"]["data"] == {"release": "fleet"}
    assert notes["fleet-text"]["metadata"]["namespace"] == "monitoring"
