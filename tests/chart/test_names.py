"""Names, labels and texts: two releases in a namespace, long names, and values that YAML reads as other types."""

import re

import pytest

from tests.support.helm_chart import (
    CHART,
    Document,
    ci_values,
    objects_of_kind,
    only_object,
    pod_of,
    read_yaml,
    render,
    render_error,
    workload,
)

EVERYTHING = (
    "--set=serviceMonitor.enabled=true,podDisruptionBudget.enabled=true,networkPolicy.enabled=true",
    "--set=web.config.rate_limit.burst=1,persistence.enabled=true",
    "--set=dashboards.configMaps.enabled=true,dashboards.grafanaOperator.enabled=true,grafanaAlerts.enabled=true",
)
SHARDED = (*EVERYTHING, "--set=shards=2")
# The longest release name has one letter more.
LONGEST = "a" * 52
ODD = {"yes": "true", "number": "3600", "exponent": "1e3", "octal": "0x1F", "nothing": "null", "date": "2026-01-01"}


def names(documents: list[Document]) -> set[tuple[str, str]]:
    """Return the kinds and names, which must be unique in a namespace."""
    return {(document["kind"], document["metadata"]["name"]) for document in documents}


@pytest.mark.parametrize("arguments", [EVERYTHING, SHARDED])
@pytest.mark.parametrize("releases", [("east", "west"), (f"{LONGEST}b", f"{LONGEST}c")])
def test_two_releases_in_one_namespace_share_no_name_and_no_pod(
    releases: tuple[str, str], arguments: tuple[str]
) -> None:
    first, second = (render(*arguments, release=name) for name in releases)
    assert len(names(first)) == len(first) == len(second)
    assert not names(first) & names(second)
    selectors = [workload(first)["spec"]["selector"], only_object(first, "PodDisruptionBudget")["spec"]["selector"]]
    for selector in [
        *(selector["matchLabels"] for selector in selectors),
        only_object(first, "Service")["spec"]["selector"],
    ]:
        assert selector.items() <= pod_of(first)["metadata"]["labels"].items()
        assert not selector.items() <= pod_of(second)["metadata"]["labels"].items()
    monitor = only_object(first, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    assert not monitor <= only_object(second, "Service")["metadata"]["labels"].items()


@pytest.mark.parametrize("name", [f"{LONGEST}b", "a", "dotted.release.name"])
@pytest.mark.parametrize("arguments", [EVERYTHING, SHARDED])
def test_every_name_and_label_is_valid_in_kubernetes(name: str, arguments: tuple[str]) -> None:
    for document in render(*arguments, release=name):
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", document["metadata"]["name"])
        assert len(document["metadata"]["name"]) <= 63
        assert max(map(len, document["metadata"]["labels"].values())) <= 63


@pytest.mark.parametrize("override", ["nameOverride", "fullnameOverride"])
def test_an_override_can_have_the_maximum_length_of_a_name(override: str) -> None:
    for document in render(*SHARDED, f"--set={override}={'n' * 63}"):
        assert len(document["metadata"]["name"]) <= 63
        assert max(map(len, document["metadata"]["labels"].values())) <= 63
    assert override in render_error(f"--set={override}={'n' * 64}")


def test_the_name_of_a_stateful_set_is_short_enough_for_the_suffix_of_a_revision() -> None:
    documents = render("--set=shards=2", release=f"{LONGEST}b")
    assert len(workload(documents)["metadata"]["name"]) + len("-0123456789") <= 63


def test_an_overridden_name_applies_to_every_object() -> None:
    documents = render(*SHARDED, "--set=fullnameOverride=fleet-exporter")
    assert all(document["metadata"]["name"].startswith("fleet-exporter") for document in documents)


def test_an_overridden_namespace_applies_to_every_object() -> None:
    documents = render(*EVERYTHING, "--set=namespaceOverride=elsewhere")
    assert {document["metadata"]["namespace"] for document in documents} == {"elsewhere"}


def test_a_common_label_is_on_every_object_and_on_the_pods() -> None:
    documents = render(*EVERYTHING, "--set=commonLabels.team=fleet")
    assert {document["metadata"]["labels"]["team"] for document in documents} == {"fleet"}
    assert pod_of(documents)["metadata"]["labels"]["team"] == "fleet"
    assert "team" not in workload(documents)["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize("path", ["podLabels", "commonLabels", "service.labels", "serviceMonitor.additionalLabels"])
def test_a_user_label_cannot_break_a_selector(path: str) -> None:
    documents = render(*EVERYTHING, f"--set={path}.app\\.kubernetes\\.io/instance=other")
    selector = workload(documents)["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/instance"] == "fleet"
    assert selector.items() <= pod_of(documents)["metadata"]["labels"].items()
    assert selector.items() <= only_object(documents, "Service")["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("serviceAccount.annotations", "ServiceAccount"),
        ("service.annotations", "Service"),
        ("workloadAnnotations", "StatefulSet"),
        ("serviceMonitor.annotations", "ServiceMonitor"),
    ],
)
def test_annotations_stay_text_and_other_types_are_refused(path: str, kind: str) -> None:
    texts = ",".join(f"{path}.{key}={value}" for key, value in ODD.items())
    assert only_object(render(*EVERYTHING, f"--set-string={texts}"), kind)["metadata"]["annotations"] == ODD
    assert f"'/{path.replace('.', '/')}/yes': got boolean, want string" in render_error(
        *EVERYTHING, f"--set={path}.yes=true"
    )


def test_annotations_and_labels_of_pods_stay_text() -> None:
    paths = ("podAnnotations", "podLabels")
    documents = render(*(f"--set-string={path}.{key}={value}" for path in paths for key, value in ODD.items()))
    metadata = pod_of(documents)["metadata"]
    assert ODD.items() <= metadata["annotations"].items()
    assert ODD.items() <= metadata["labels"].items()


def test_the_service_account_has_all_its_annotations() -> None:
    account = only_object(render(ci_values("full")), "ServiceAccount")
    assert (
        account["metadata"]["annotations"]
        == read_yaml(CHART / "ci" / "full-values.yaml")["serviceAccount"]["annotations"]
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
def test_the_pods_use_the_configured_service_account(settings: str, name: str) -> None:
    documents = render(f"--set={settings}")
    assert pod_of(documents)["spec"]["serviceAccountName"] == name
    created = [account["metadata"]["name"] for account in objects_of_kind(documents, "ServiceAccount")]
    assert created == ([] if "create=false" in settings else [name])


def test_extra_objects_can_use_the_templates_of_the_chart() -> None:
    notes = {
        document["metadata"]["name"]: document for document in objects_of_kind(render(ci_values("full")), "ConfigMap")
    }
    assert notes["fleet-exporter-note"]["data"] == {"release": "fleet"}
    assert notes["fleet-text"]["metadata"]["namespace"] == "monitoring"
