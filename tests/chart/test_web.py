"""TLS and passwords in the pods, the probes and the scrapes."""

import base64
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from exporter.web.protection import config_file
from exporter.web.protection.tls import TlsServer
from tests.support.helm_chart import (
    CHART,
    Document,
    ci_values,
    container_of,
    objects_of_kind,
    only_object,
    pod_of,
    read_yaml,
    render,
    values_schema,
)

TLS = "--set=web.config.tls_server_config.cert_file=tls.crt,web.config.tls_server_config.key_file=tls.key"
CLIENTS = f"{TLS},web.config.tls_server_config.client_auth_type="


def probes(documents: list[Document]) -> list[dict[str, Any]]:
    """Return the probes of the exporter."""
    container = container_of(documents)
    return [container["livenessProbe"], container["readinessProbe"]]


def endpoint(*arguments: str) -> Document:
    """Return the endpoint of the ServiceMonitor."""
    monitor = only_object(render("--set=serviceMonitor.enabled=true", *arguments), "ServiceMonitor")
    first: Document = monitor["spec"]["endpoints"][0]
    return first


def test_the_default_is_unauthenticated_plain_http() -> None:
    documents = render()
    assert [probe["httpGet"] for probe in probes(documents)] == [
        {"path": "/-/healthy", "port": "http"},
        {"path": "/-/ready", "port": "http"},
    ]
    assert objects_of_kind(documents, "Secret") == []
    assert not any("web.config" in argument for argument in container_of(documents)["args"])
    assert not endpoint().keys() & {"scheme", "tlsConfig", "basicAuth", "path"}


def test_the_secret_contains_the_web_configuration_of_the_values() -> None:
    secret = only_object(render(ci_values("tls")), "Secret")
    config = read_yaml(CHART / "ci" / "tls-values.yaml")["web"]["config"]
    assert yaml.safe_load(base64.b64decode(secret["data"]["web.yaml"])) == config


@pytest.mark.parametrize(
    ("section", "path"),
    [
        (config_file.Document, []),
        (TlsServer, ["tls_server_config"]),
        (config_file.HttpServer, ["http_server_config"]),
        (config_file.Headers, ["http_server_config", "headers"]),
        (config_file.RateLimit, ["rate_limit"]),
    ],
)
def test_the_schema_has_the_keys_of_the_web_configuration(section: type[BaseModel], path: list[str]) -> None:
    part = values_schema()["definitions"]["webConfig"]
    for key in path:
        part = part["properties"][key]
    assert part["properties"].keys() == section.model_json_schema()["properties"].keys()


@pytest.mark.parametrize("name", ["tls", "client-certificate"])
def test_the_web_configuration_is_mounted_with_its_certificates(name: str) -> None:
    documents = render(ci_values(name))
    container = container_of(documents)
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "web"]
    (volume,) = [volume for volume in pod_of(documents)["spec"]["volumes"] if volume["name"] == "web"]
    configuration, certificates = (source["secret"] for source in volume["projected"]["sources"])
    assert f"--web.config.file={mount['mountPath']}/{configuration['items'][0]['path']}" in container["args"]
    assert certificates == {"name": "exporter-tls"}


def test_an_existing_secret_is_mounted_and_no_other_is_created() -> None:
    documents = render("--set=web.existingSecret.name=mine,web.existingSecret.key=web.yml")
    (volume,) = [volume for volume in pod_of(documents)["spec"]["volumes"] if volume["name"] == "web"]
    (source,) = volume["projected"]["sources"]
    assert source["secret"] == {"name": "mine", "items": [{"key": "web.yml", "path": "web.yaml"}]}
    assert objects_of_kind(documents, "Secret") == []


@pytest.mark.parametrize("setting", [TLS, "--set=web.existingSecret.name=a,web.existingSecret.tls=true"])
def test_probes_and_scrapes_use_tls_if_it_is_configured(setting: str) -> None:
    assert [probe["httpGet"]["scheme"] for probe in probes(render(setting))] == ["HTTPS", "HTTPS"]
    assert endpoint(setting)["scheme"] == "https"


@pytest.mark.parametrize(
    "setting",
    [
        f"{CLIENTS}RequireAndVerifyClientCert",
        "--set=web.existingSecret.name=a,web.existingSecret.tls=true,web.existingSecret.clientCertificate=true",
    ],
)
def test_probes_only_connect_if_a_client_certificate_is_required(setting: str) -> None:
    documents = render(setting)
    for probe in probes(documents):
        assert probe["tcpSocket"] == {"port": "http"}
        assert "httpGet" not in probe
    assert objects_of_kind(documents, "Pod") == []


def test_an_optional_client_certificate_does_not_change_the_probes() -> None:
    documents = render(f"{CLIENTS}VerifyClientCertIfGiven")
    assert all("httpGet" in probe for probe in probes(documents))
    assert objects_of_kind(documents, "Pod") != []


def test_a_configured_probe_handler_replaces_the_default() -> None:
    (probe, _) = probes(render("--set=livenessProbe.exec.command={ls},livenessProbe.periodSeconds=30"))
    assert probe == {"exec": {"command": ["ls"]}, "periodSeconds": 30, "timeoutSeconds": 5, "failureThreshold": 6}


def test_a_probe_can_be_disabled() -> None:
    assert "livenessProbe" not in container_of(render("--set=livenessProbe=null"))


def test_a_scrape_has_the_login_the_authority_and_the_server_name() -> None:
    scrape = endpoint(ci_values("tls"))
    assert scrape["basicAuth"] == {
        "username": {"name": "exporter-login", "key": "username"},
        "password": {"name": "exporter-login", "key": "password"},
    }
    service = only_object(render(ci_values("tls")), "Service")["metadata"]
    assert scrape["tlsConfig"] == {
        "ca": {"secret": {"name": "exporter-tls", "key": "ca.crt"}},
        "serverName": f"{service['name']}.{service['namespace']}.svc",
    }


def test_a_configured_tls_section_replaces_the_default_completely() -> None:
    configured = endpoint(ci_values("tls"), "--set=serviceMonitor.endpoint.tlsConfig.insecureSkipVerify=true")
    assert configured["tlsConfig"] == {"insecureSkipVerify": True}


def test_the_prefix_of_all_paths_is_the_same_everywhere() -> None:
    arguments = ("--set=web.routePrefix=/bulk/,serviceMonitor.enabled=true,reload.mode=sidecar",)
    documents = render(*arguments)
    exporter, reloader = pod_of(documents)["spec"]["containers"]
    assert [word for word in exporter["args"] if "route-prefix" in word] == ["--web.route-prefix=/bulk/"]
    assert [probe["httpGet"]["path"] for probe in probes(documents)] == ["/bulk/-/healthy", "/bulk/-/ready"]
    assert endpoint(*arguments)["path"] == "/bulk/metrics"
    assert any(word.endswith("/bulk/-/reload") for word in reloader["args"])
    _, url, _, prefix = only_object(documents, "Pod")["spec"]["containers"][0]["args"]
    assert (url.partition(":10098")[2], prefix) == ("/bulk/metrics", "/bulk")


def test_the_exporter_gets_its_external_url_and_the_paths_stay_without_a_prefix() -> None:
    documents = render("--set=web.externalUrl=https://tools.example/bulk")
    words = [word for word in container_of(documents)["args"] if "external-url" in word or "prefix" in word]
    assert words == ["--web.external-url=https://tools.example/bulk", "--web.route-prefix=/"]
    assert [probe["httpGet"]["path"] for probe in probes(documents)] == ["/-/healthy", "/-/ready"]
    assert not [word for word in container_of(render())["args"] if "external-url" in word or "prefix" in word]


def test_the_path_of_the_metrics_is_the_same_everywhere() -> None:
    arguments = ("--set=web.telemetryPath=/bulk,serviceMonitor.enabled=true",)
    documents = render(*arguments)
    assert "--web.telemetry-path=/bulk" in container_of(documents)["args"]
    assert endpoint(*arguments)["path"] == "/bulk"
    assert only_object(documents, "Pod")["spec"]["containers"][0]["args"][1].endswith(":10098/bulk")
