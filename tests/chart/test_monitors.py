"""ServiceMonitor and PodMonitor: their selectors and their configurable fields."""

import pytest

from tests.support.helm_chart import Document, ci_values, objects_of_kind, only_object, pod_of, render

MONITORS = pytest.mark.parametrize(
    ("value", "kind"), [("serviceMonitor", "ServiceMonitor"), ("podMonitor", "PodMonitor")]
)


def endpoint_of(monitor: Document) -> Document:
    """Return the only endpoint of a monitor."""
    endpoints: list[Document] = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]
    (endpoint,) = endpoints
    return endpoint


@MONITORS
def test_monitors_are_disabled_by_default(value: str, kind: str) -> None:
    assert objects_of_kind(render(), kind) == []
    assert endpoint_of(only_object(render(f"--set={value}.enabled=true"), kind)) == {
        "port": "http",
        "honorLabels": True,
    }


def test_a_service_monitor_selects_the_service_and_a_port_of_it() -> None:
    for shards in (1, 2):
        documents = render(f"--set=serviceMonitor.enabled=true,shards={shards}")
        monitor, service = only_object(documents, "ServiceMonitor"), only_object(documents, "Service")
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert endpoint_of(monitor)["port"] in {port["name"] for port in service["spec"]["ports"]}


def test_a_pod_monitor_selects_only_the_pods_of_the_exporter() -> None:
    documents = render("--set=podMonitor.enabled=true")
    selector = only_object(documents, "PodMonitor")["spec"]["selector"]["matchLabels"].items()
    assert selector <= pod_of(documents)["metadata"]["labels"].items()
    assert not selector <= only_object(documents, "Pod")["metadata"]["labels"].items()
    ports = {port["name"] for port in pod_of(documents)["spec"]["containers"][0]["ports"]}
    assert endpoint_of(only_object(documents, "PodMonitor"))["port"] in ports


@MONITORS
def test_a_monitor_in_another_namespace_selects_the_namespace_of_the_release(value: str, kind: str) -> None:
    on = f"--set={value}.enabled=true"
    monitor = only_object(render(f"{on},{value}.namespace=prometheus"), kind)
    assert monitor["metadata"]["namespace"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["monitoring"]}
    for arguments in (on, f"{on},{value}.namespace=monitoring"):
        assert "namespaceSelector" not in only_object(render(arguments), kind)["spec"]


@MONITORS
def test_every_field_except_the_selector_can_be_set(value: str, kind: str) -> None:
    monitor = only_object(
        render(
            f"--set={value}.enabled=true,{value}.interval=30s,{value}.scrapeTimeout=20s",
            f"--set={value}.relabelings[0].targetLabel=a,{value}.metricRelabelings[0].action=drop",
            f"--set={value}.endpoint.honorLabels=false,{value}.endpoint.params.kind={{x}},{value}.spec.sampleLimit=5",
            f"--set={value}.additionalLabels.release=prometheus",
        ),
        kind,
    )
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["sampleLimit"] == 5
    assert monitor["spec"]["jobLabel"] == "app.kubernetes.io/name"
    assert endpoint_of(monitor) == {
        "port": "http",
        "honorLabels": False,
        "interval": "30s",
        "scrapeTimeout": "20s",
        "relabelings": [{"targetLabel": "a"}],
        "metricRelabelings": [{"action": "drop"}],
        "params": {"kind": ["x"]},
    }


def test_the_job_name_does_not_depend_on_the_number_of_shards() -> None:
    for shards in (1, 2):
        documents = render(f"--set=serviceMonitor.enabled=true,shards={shards}")
        label = only_object(documents, "ServiceMonitor")["spec"]["jobLabel"]
        assert only_object(documents, "Service")["metadata"]["labels"][label] == "aws-iot-bulk-exporter"


def test_a_monitor_uses_the_path_and_tls_settings_of_the_values() -> None:
    monitor = only_object(render(ci_values("client-certificate")), "PodMonitor")
    assert endpoint_of(monitor)["path"] == "/bulk/metrics"
    assert endpoint_of(monitor)["tlsConfig"]["serverName"] == "exporter.example"
