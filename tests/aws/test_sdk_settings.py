"""Settings of the AWS SDKs: the default Region, endpoint URLs, and the account id that credentials claim."""

import io
import os
from pathlib import Path
from typing import Any

import pytest
from botocore.session import Session

from exporter.app.exporter import new_exporter
from exporter.aws.models import Models
from exporter.aws.sdk_settings import check_endpoints, default_region, new_session
from exporter.config.loader import parse_config
from exporter.config.partitions import REGION_PATTERNS, partition_of
from exporter.core.errors import ConfigError
from exporter.core.log import new_log
from exporter.kinds.registry import KINDS
from tests.aws.test_credentials import IDENTITY, WATCH, write_keys
from tests.support.exporter_server import ServedExporter, aws_environment, serve_exporter
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, json_response
from tests.support.servers import serve_app

SERVICES = {"sts", *(call.service for kind in KINDS for call in kind.calls)}
FILE = "AWS configuration (AWS_PROFILE, AWS_CONFIG_FILE): profile plant"
FAULT = "expected a URL with its scheme, such as http://localhost:4566; correct it or remove it"
TASK = json_response({"status": "InProgress", "successCount": 1})


@pytest.fixture
def profile(tmp_path: Path) -> dict[str, str]:
    """Return variables for a profile whose Region is eu-south-2."""
    file = tmp_path / "aws"
    file.write_text("[profile plant]\nregion = eu-south-2\n")
    return {"AWS_CONFIG_FILE": str(file), "AWS_PROFILE": "plant", "AWS_DEFAULT_REGION": ""}


@pytest.mark.parametrize(
    ("more", "region", "source"),
    [
        ({"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-2", "AWS_REGION"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": ""}, "eu-west-1", "AWS_DEFAULT_REGION"),
        ({}, "eu-south-2", "profile plant"),
    ],
)
def test_the_region_comes_from_the_first_source_and_the_log_names_both(
    profile: dict[str, str], more: dict[str, str], region: str, source: str
) -> None:
    text = io.StringIO()
    with aws_environment("http://127.0.0.1:1", **profile | more):
        exporter = new_exporter(parse_config("", KINDS), KINDS, new_log(stream=text))
    assert {cell.region for cell in exporter.runtime.cells} == {region}
    quoted = f'"{source}"' if " " in source else source
    assert f'msg="default Region" region={region} source={quoted}\n' in text.getvalue()


def test_no_default_region_is_logged_or_needed_if_each_account_has_regions(profile: dict[str, str]) -> None:
    text = io.StringIO()
    with aws_environment("http://127.0.0.1:1", AWS_DEFAULT_REGION=""):
        new_exporter(parse_config("accounts: [{regions: [eu-west-1]}]", KINDS), KINDS, new_log(stream=text))
        with pytest.raises(ConfigError, match=r"^AWS_REGION: is not set; set it, or add regions to each account$"):
            default_region(Session())
    assert text.getvalue() == ""


def test_a_session_has_the_handlers_of_botocore_and_none_of_another_session() -> None:
    loader = Models().loader
    changed, other = new_session(loader), new_session(loader)
    changed.register("creating-client-class.sts", add_attribute)
    of_botocore = attributes_by_handlers(Session())
    assert of_botocore
    assert attributes_by_handlers(changed) == of_botocore | {"more"}
    assert attributes_by_handlers(other) == of_botocore


def add_attribute(**event: Any) -> None:
    """Give a new client an attribute more."""
    event["class_attributes"]["more"] = None


def attributes_by_handlers(session: Session) -> set[str]:
    """Return the attributes that the handlers of a session give to a client of STS."""
    attributes: dict[str, object] = {}
    emitter = session.get_component("event_emitter")
    emitter.emit("creating-client-class.sts", class_attributes=attributes, base_classes=[])
    return {*attributes}


def test_a_role_of_another_partition_than_the_default_region_is_refused() -> None:
    config = parse_config("accounts: [{}, {name: b, role_arn: 'arn:aws-cn:iam::111122223333:role/x'}]", KINDS)
    with aws_environment("http://127.0.0.1:1"), pytest.raises(ConfigError) as caught:
        new_exporter(config, KINDS, new_log("error"))
    fault = "is not in aws, the partition of the default Region; add regions, or set AWS_REGION"
    assert caught.value.problems == (f"accounts[1].role_arn: {fault}",)


def test_the_partitions_are_those_of_botocore() -> None:
    loader = Models().loader
    patterns = {known["id"]: known["regionRegex"] for known in loader.load_data("partitions")["partitions"]}
    assert patterns == {name: f"^{pattern}$".replace("-", r"\-") for name, pattern in REGION_PATTERNS.items()}
    for partition in loader.load_data("endpoints")["partitions"]:
        assert {partition_of(region) for region in partition["regions"]} == {partition["partition"]}
    assert partition_of("eu-nowhere-9") == "aws"
    assert partition_of("mars-olympus-1") == ""


@pytest.mark.parametrize("url", ["localhost:4566", "//localhost", "http://", "ftp://localhost", "http://localhost:x"])
@pytest.mark.parametrize("name", ["", *sorted(f"_{service.upper()}" for service in SERVICES)])
def test_an_endpoint_that_is_no_url_is_refused_with_its_variable(name: str, url: str) -> None:
    variable = f"AWS_ENDPOINT_URL{name}"
    with aws_environment("", **{variable: url}), pytest.raises(ConfigError) as caught:
        check_endpoints(SERVICES)
    assert caught.value.problems == (f"{variable}: {FAULT}",)


@pytest.mark.parametrize(
    "url", ["http://localhost:4566", "https://vpce-1.iot.eu-west-1.amazonaws.com", "http://[::1]:1"]
)
def test_a_url_is_accepted_as_an_endpoint(url: str) -> None:
    with aws_environment(url, AWS_ENDPOINT_URL_IOT=url):
        check_endpoints(SERVICES)


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("endpoint_url = localhost:1\n", [f"{FILE}, endpoint_url: {FAULT}"]),
        (
            "services = x\n[services x]\niot =\n  endpoint_url = localhost:1\nsts =\n  endpoint_url = http://localhost:1\n",
            [f"{FILE}, services, iot, endpoint_url: {FAULT}"],
        ),
        ("services = y\n", [f"{FILE}, services: no section has this name; add it or remove the key"]),
        ("services = x\n[services x]\ns3 =\n  endpoint_url = localhost:1\n", []),
        ("endpoint_url = localhost:1\nignore_configured_endpoint_urls = true\n", []),
    ],
)
def test_an_endpoint_of_a_profile_is_checked(profile: dict[str, str], content: str, problems: list[str]) -> None:
    with Path(profile["AWS_CONFIG_FILE"]).open("a") as file:
        file.write(content)
    found: tuple[str, ...] = ()
    with aws_environment("", **profile):
        try:
            check_endpoints(SERVICES)
        except ConfigError as error:
            found = error.problems
    assert list(found) == problems


def test_a_setting_that_is_not_used_is_not_checked() -> None:
    good = {f"AWS_ENDPOINT_URL_{service.upper()}": "http://localhost:1" for service in SERVICES}
    with aws_environment("localhost:1", **good):
        check_endpoints(SERVICES)
    with aws_environment("localhost:1", AWS_PROFILE="none", **good):
        check_endpoints(SERVICES)


def test_a_reload_refuses_an_endpoint_that_is_no_url() -> None:
    with serve_exporter("", "http://127.0.0.1:1") as exporter:
        os.environ["AWS_ENDPOINT_URL_IOT"] = "localhost:4566"
        response = exporter.reload("")
    assert response.status_code == 500
    assert f"AWS_ENDPOINT_URL_IOT: {FAULT}" in response.text


def has_count(exporter: ServedExporter, account_id: str) -> bool:
    """Return whether a scrape has the series of the task with this account id, and no other account id."""
    exposed = exporter.scrape(after=400)
    ids = {part.split('"')[1] for part in exposed.split("{") if part.startswith("aws_account_id")} - {""}
    return ids == {account_id} and "aws_iot_thing_registration_task_succeeded_things{" in exposed


STS = HttpResponse(IDENTITY.encode(), headers={"content-type": "text/xml"})


@pytest.mark.parametrize("claim", ["environment", "profile"])
def test_an_account_id_that_credentials_claim_is_not_believed_where_sts_responds(claim: str, tmp_path: Path) -> None:
    shared = tmp_path / "credentials"
    write_keys(shared, "NEW")
    with shared.open("a") as file:
        file.write("aws_account_id = 999999999999\n")
    more = {
        "environment": {"AWS_ACCOUNT_ID": "999999999999"},
        "profile": {"AWS_ACCESS_KEY_ID": "", "AWS_SHARED_CREDENTIALS_FILE": str(shared)},
    }[claim]
    aws = ScriptedAws({"/": STS, "/thing-registration-tasks/x": TASK})
    with (
        serve_app(aws.app()) as endpoint,
        serve_exporter(f"accounts: [{{{WATCH}}}]", endpoint) as exporter,
        aws_environment(endpoint, **more),
    ):
        assert has_count(exporter, "444455556666")


def test_a_claimed_account_id_is_used_only_until_sts_responds() -> None:
    responses = {"/": HttpResponse(b"down", 503), "/thing-registration-tasks/x": TASK}
    aws = ScriptedAws(responses)
    config = f"accounts: [{{{WATCH}}}]\naws: {{max_attempts: 1}}"
    with (
        serve_app(aws.app()) as endpoint,
        serve_exporter(config, endpoint) as exporter,
        aws_environment(endpoint, AWS_ACCOUNT_ID="999999999999"),
    ):
        assert has_count(exporter, "999999999999")
        aws.responses["/"] = STS
        exposed = exporter.scrape(after=400)
        samples = [row for row in exposed.splitlines() if "succeeded_things{" in row]
        assert len(samples) == 1
        assert 'aws_account_id="444455556666"' in samples[0]
        assert aws.requests.count("/") == 2
        exporter.scrape(after=400)
        assert aws.requests.count("/") == 2


@pytest.mark.parametrize("known", ["account_id: '444455556666'", "role_arn: 'arn:aws:iam::444455556666:role/x'"])
def test_the_configuration_goes_before_a_claimed_account_id(known: str) -> None:
    config = parse_config(f"accounts: [{{{known}}}]", KINDS)
    with aws_environment("http://127.0.0.1:1", AWS_ACCOUNT_ID="999999999999"):
        exporter = new_exporter(config, KINDS, new_log("error"))
    assert {cell.configured_scope.account_id for cell in exporter.runtime.cells} == {"444455556666"}
