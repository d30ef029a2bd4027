"""The pods: image, configuration, credentials, shards and updates."""

import json
import re

import pytest
import yaml

from exporter import __version__
from exporter.cli.main import parse_arguments
from exporter.collector.shards import process_shard
from exporter.web.limits import Limits
from tests.support.helm_chart import (
    CHART,
    CI_VALUES,
    SHARDED_CLAIMS,
    SINGLE_CLAIM,
    Document,
    ci_values,
    container_of,
    objects_of_kind,
    only_object,
    pod_of,
    read_yaml,
    render,
    render_error,
    values_schema,
    workload,
)
from tests.support.repository import ROOT

DIGEST = f"sha256:{'0' * 64}"


def environment(*arguments: str) -> dict[str, Document]:
    """Return the environment variables of the exporter's container by name."""
    return {variable.pop("name"): variable for variable in container_of(render(*arguments)).get("env", [])}


def checksum(*arguments: str) -> str | None:
    """Return the annotation whose change restarts the pods."""
    annotations: dict[str, str] = pod_of(render(*arguments))["metadata"].get("annotations", {})
    return annotations.get("checksum/config")


def test_the_chart_installs_this_version() -> None:
    chart = read_yaml(CHART / "Chart.yaml")
    assert chart["appVersion"] == __version__
    assert container_of(render())["image"].endswith(f":{__version__}")


def test_the_chart_announces_the_images_that_it_uses() -> None:
    announced = {
        entry["image"]
        for entry in yaml.safe_load(read_yaml(CHART / "Chart.yaml")["annotations"]["artifacthub.io/images"])
    }
    pod = pod_of(render("--set=reload.mode=sidecar"))["spec"]
    assert {container["image"] for container in pod["containers"]} == announced


@pytest.mark.parametrize(
    ("settings", "image"),
    [
        ("image.tag=v2", "aws-iot-bulk-exporter:v2"),
        (f"image.tag=v2,image.digest={DIGEST}", f"aws-iot-bulk-exporter@{DIGEST}"),
        ("image.registry=a.example,image.repository=b/c,image.tag=v2", "a.example/b/c:v2"),
        ("image.registry=a.example,global.imageRegistry=z.example,image.tag=v2", "z.example/aws-iot-bulk-exporter:v2"),
    ],
)
def test_an_image_name_consists_of_registry_repository_and_tag_or_digest(settings: str, image: str) -> None:
    documents = render(f"--set={settings}")
    assert container_of(documents)["image"] == image
    assert only_object(documents, "Pod")["spec"]["containers"][0]["image"] == image


def test_pull_secrets_of_a_parent_chart_are_added() -> None:
    documents = render("--set=imagePullSecrets[0].name=own,global.imagePullSecrets[0].name=all")
    assert pod_of(documents)["spec"]["imagePullSecrets"] == [{"name": "own"}, {"name": "all"}]
    assert only_object(documents, "Pod")["spec"]["imagePullSecrets"] == [{"name": "own"}, {"name": "all"}]


def test_the_user_of_the_pod_is_the_user_of_the_image() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    user, group = re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE)[-1]
    context = pod_of(render())["spec"]["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))


def test_the_user_and_group_can_be_left_to_the_cluster() -> None:
    names = ("runAsUser", "runAsGroup", "fsGroup")
    documents = render(*(f"--set=podSecurityContext.{name}=null" for name in names))
    assert pod_of(documents)["spec"]["securityContext"] == {
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.parametrize("values", [*CI_VALUES, SHARDED_CLAIMS, SINGLE_CLAIM], ids=lambda path: path.stem)
def test_serve_accepts_every_argument(values: object) -> None:
    command, *arguments = container_of(render(f"--values={values}"))["args"]
    parse_arguments(command, arguments)


def test_the_grace_period_is_longer_than_a_shutdown_of_the_exporter() -> None:
    assert values_schema()["properties"]["terminationGracePeriodSeconds"]["minimum"] > Limits().grace
    assert pod_of(render())["spec"]["terminationGracePeriodSeconds"] > Limits().grace


def test_the_default_configuration_is_empty() -> None:
    assert yaml.safe_load(only_object(render(), "ConfigMap")["data"]["config.yaml"]) == {}


def test_the_config_map_contains_the_configuration_of_the_values() -> None:
    config = read_yaml(CHART / "ci" / "full-values.yaml")["config"]
    (rendered,) = [
        document["data"]["config.yaml"]
        for document in objects_of_kind(render(ci_values("full")), "ConfigMap")
        if "config.yaml" in document.get("data", {})
    ]
    assert yaml.safe_load(rendered) == config


def test_a_changed_configuration_restarts_the_pods_unless_they_reload_it() -> None:
    first, second = "--set=config.refresh.min_age=15s", "--set=config.refresh.min_age=20s"
    assert checksum(first) != checksum(second)
    assert checksum("--set=log.level=debug") == checksum() is not None
    for mode in ("sidecar", "none"):
        assert checksum(first, f"--set=reload.mode={mode}") is None


def test_an_existing_config_map_is_mounted_and_no_other_is_created() -> None:
    documents = render("--set=existingConfigMap.name=mine,existingConfigMap.key=exporter.yaml")
    volumes = {volume["name"]: volume for volume in pod_of(documents)["spec"]["volumes"]}
    assert objects_of_kind(documents, "ConfigMap") == []
    items = [{"key": "exporter.yaml", "path": "config.yaml"}]
    assert volumes["config"]["configMap"] == {"name": "mine", "items": items}
    assert "annotations" not in pod_of(documents)["metadata"]


def test_the_sidecar_watches_the_configuration_and_reloads_its_own_pod() -> None:
    documents = render(ci_values("sidecar"), "--set=containerPort=9098")
    sidecar, exporter = container_of(documents, "reloader"), container_of(documents)
    assert sidecar["volumeMounts"][0] in exporter["volumeMounts"]
    assert f"--watched-dir={sidecar['volumeMounts'][0]['mountPath']}" in sidecar["args"]
    assert "--reload-url=http://localhost:9098/-/reload" in sidecar["args"]
    secure = container_of(render("--set=reload.mode=sidecar,web.config.tls_server_config.cert_file=a"), "reloader")
    assert "--reload-url=https://localhost:10098/-/reload" in secure["args"]


def test_credentials_are_read_from_the_keys_of_a_secret() -> None:
    assert environment() == {}
    assert environment("--set=aws.credentialsSecret.name=aws").keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    variables = environment(ci_values("static-credentials"))
    assert variables.pop("AWS_REGION") == {"value": "cn-northwest-1"}
    assert {name: variable["valueFrom"]["secretKeyRef"]["key"] for name, variable in variables.items()} == {
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_SESSION_TOKEN": "token",
    }


def test_shards_have_their_total_and_their_ordinal() -> None:
    documents = render("--set=shards=3")
    (total,) = [word for word in container_of(documents)["args"] if word.startswith("--shard.total=")]
    name = workload(documents)["metadata"]["name"]
    shards = [process_shard(None, int(total.partition("=")[2]), {}, f"{name}-{number}") for number in range(3)]
    assert [shard.ordinal for shard in shards] == [0, 1, 2]
    assert workload(documents)["spec"]["replicas"] == 3
    assert objects_of_kind(documents, "Deployment") == []


def test_a_single_shard_is_a_deployment_without_shard_flags() -> None:
    documents = render()
    assert workload(documents)["kind"] == "Deployment"
    assert "--shard" not in json.dumps(container_of(documents)["args"])


def test_a_spread_constraint_selects_the_pods_of_its_release_by_default() -> None:
    documents = render(ci_values("sharded"))
    (spread,) = pod_of(documents)["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"] == workload(documents)["spec"]["selector"]["matchLabels"]
    own = "topologySpreadConstraints[0].labelSelector.matchLabels"
    (spread,) = pod_of(render(ci_values("sharded"), f"--set={own}.tier=x"))["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == {"matchLabels": {"tier": "x"}}


def test_a_pod_on_the_host_network_resolves_names_of_the_cluster() -> None:
    pod = pod_of(render("--set=hostNetwork=true"))["spec"]
    assert pod["hostNetwork"] is True
    assert pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert not pod_of(render())["spec"].keys() & {"hostNetwork", "dnsPolicy"}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("existingConfigMap.name=a,config.refresh.min_age=15s", "config and existingConfigMap.name are mutually"),
        ("shards=2,hostNetwork=true", "hostNetwork and several shards are mutually exclusive"),
        ("shards=2,service.type=NodePort", "service.type: must be ClusterIP with several shards"),
        ("serviceMonitor.enabled=true,podMonitor.enabled=true", "would scrape every pod twice"),
        ("podDisruptionBudget.minAvailable=1,podDisruptionBudget.maxUnavailable=1", "are mutually exclusive"),
        ("web.existingSecret.name=a,web.config.rate_limit.burst=1", "web.existingSecret.name are mutually exclusive"),
        ("web.certificateSecret=a", "web.certificateSecret: not used without TLS"),
        ("reload.mode=sidecar,web.config.basic_auth_users.a=b", "the sidecar has no password"),
    ],
)
def test_conflicting_values_are_refused(settings: str, reason: str) -> None:
    assert reason in render_error(f"--set={settings}")


def test_all_conflicts_are_reported_at_once() -> None:
    error = render_error("--set=shards=2,hostNetwork=true,service.type=NodePort")
    assert "hostNetwork" in error
    assert "service.type" in error
