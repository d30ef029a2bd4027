"""Where AWS offers the service of a kind: only there it is watched by default, and a cell elsewhere says so."""

import io
from pathlib import Path

import pytest

from exporter.app.exporter import new_exporter
from exporter.aws.models import Models
from exporter.cli.commands import check
from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError
from exporter.core.log import new_log
from exporter.kinds.kind import ApiCall
from exporter.kinds.registry import KINDS
from tests.support.clocks import ManualClock
from tests.support.exporter_server import aws_environment, serve_exporter, serve_simulated_aws, serve_simulation

DEFAULT = ["thing_registration_task", "iot_job", "greengrass_deployment"]
NAMED = "watch: [{kind: greengrass_deployment, discover: true}]"
WITHOUT_GREENGRASS = ["ap-east-1", "eu-north-1", "eu-south-1", "eu-west-3", "il-central-1"]
WITHOUT_GREENGRASS += ["me-central-1", "me-south-1", "sa-east-1", "us-west-1", "cn-northwest-1"]


def cells_and_log(account: str) -> tuple[list[str], str]:
    """Return the kinds of the cells of one account, and the log of the start."""
    text = io.StringIO()
    with aws_environment("http://127.0.0.1:1"):
        exporter = new_exporter(parse_config(f"accounts: [{{{account}}}]", KINDS), KINDS, new_log(stream=text))
    return [cell.kind.name for cell in exporter.runtime.cells], text.getvalue()


@pytest.mark.parametrize("region", WITHOUT_GREENGRASS)
def test_by_default_a_kind_is_watched_only_where_its_service_is_offered(region: str) -> None:
    assert cells_and_log(f"regions: [{region}]") == (DEFAULT[:2], "")


# The partition of us-iso-east-1 has no endpoint of these services, and xx-new-9 is unknown to botocore.
@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "xx-new-9"])
def test_every_default_kind_is_watched_where_all_are_offered_or_nothing_is_known(region: str) -> None:
    assert cells_and_log(f"regions: [{region}]") == (DEFAULT, "")


def test_a_region_without_any_of_the_services_is_watched_with_a_warning() -> None:
    cells, log = cells_and_log("regions: [ap-east-2]")
    assert cells == DEFAULT
    assert log.count('msg="AWS does not offer the kind in the Region; remove one of them"') == 3


def test_a_named_kind_is_watched_with_a_warning_where_its_service_is_not_offered() -> None:
    cells, log = cells_and_log(f"regions: [eu-north-1, eu-west-1], {NAMED}")
    assert cells == ["greengrass_deployment"] * 2
    assert log.count("level=warn ") == 1
    assert "account=default region=eu-north-1 kind=greengrass_deployment" in log


ACCOUNT = "account_id: '111122223333'"
TASKS = "watch: [{kind: thing_registration_task, discover: true}]"
BULKS = "watch: [{kind: greengrass_bulk_deployment, discover: true}]"


@pytest.mark.parametrize(
    ("first", "second", "problems"),
    [
        pytest.param(
            f"{ACCOUNT}, regions: [eu-west-1, us-east-1]",
            f"role_arn: 'arn:aws:iam::111122223333:role/x', regions: [us-west-2, us-east-1], {TASKS}",
            ["accounts[1].regions[1]: accounts[0] watches thing_registration_task"],
            id="a default kind and a role in the same account",
        ),
        pytest.param("", TASKS, ["accounts[1]: accounts[0] watches thing_registration_task"], id="no Region"),
        pytest.param(
            TASKS,
            f"regions: [us-east-1, eu-west-1], {TASKS}",
            ["accounts[1].regions[1]: accounts[0] watches thing_registration_task"],
            id="the default Region and its name",
        ),
        pytest.param(
            f"{ACCOUNT}, regions: [eu-west-1]",
            f"{ACCOUNT}, regions: [eu-west-1], {NAMED}",
            ["accounts[1].regions[0]: accounts[0] watches greengrass_deployment"],
            id="a default kind that the Region offers",
        ),
        pytest.param(
            f"{ACCOUNT}, regions: [eu-north-1]",
            f"{ACCOUNT}, regions: [eu-north-1], {NAMED}",
            [],
            id="a default kind that the Region does not offer",
        ),
        pytest.param(TASKS, BULKS, [], id="two kinds"),
        pytest.param(TASKS, f"{ACCOUNT}, {TASKS}", [], id="two accounts"),
    ],
)
def test_two_accounts_cannot_watch_the_same_kind_in_the_same_account_and_region(
    first: str, second: str, problems: list[str]
) -> None:
    config = parse_config(f"accounts: [{{name: a, {first}}}, {{name: b, {second}}}]", KINDS)
    found: tuple[str, ...] = ()
    with aws_environment("http://127.0.0.1:1"):
        try:
            new_exporter(config, KINDS, new_log("error"))
        except ConfigError as error:
            found = error.problems
    assert found == tuple(f"{problem} in the same account and Region; remove one" for problem in problems)


def test_a_default_region_decides_in_the_same_way() -> None:
    with aws_environment("http://127.0.0.1:1", AWS_REGION="eu-north-1"):
        exporter = new_exporter(parse_config("", KINDS), KINDS, new_log("error"))
    assert [cell.kind.name for cell in exporter.runtime.cells] == DEFAULT[:2]


@pytest.mark.parametrize("calls", [(), tuple(call for kind in KINDS for call in kind.calls)], ids=["all", "reduced"])
def test_complete_and_reduced_models_have_the_same_offers(calls: tuple[ApiCall, ...]) -> None:
    models = Models(only=calls)
    assert [models.is_offered(service, "eu-north-1") for service in ("iot", "greengrass", "greengrassv2")] == [
        True,
        False,
        False,
    ]


def test_a_cell_in_a_region_without_its_service_says_why_it_is_down() -> None:
    config = f"accounts: [{{account_id: '111122223333', regions: [eu-north-1, eu-west-1], {NAMED}}}]"
    with serve_exporter(config, "http://127.0.0.1:1") as exporter:
        exposed = exporter.scrape()
        log = exporter.log.getvalue()
    assert 'aws_region="eu-north-1",kind="greengrass_deployment",reason="not_offered"} 1.0' in exposed
    assert 'aws_region="eu-west-1",kind="greengrass_deployment",reason="connection"} 1.0' in exposed
    assert "AWS does not offer greengrassv2 in eu-north-1; remove the kind or the Region" in log


@pytest.mark.parametrize(("service", "api"), [("organizations", "ListAccounts"), ("account", "ListRegions")])
def test_a_service_with_a_single_endpoint_is_offered_in_each_region(service: str, api: str) -> None:
    models = Models(only=[ApiCall(service, api, quota=1)])
    for region in ("us-east-1", "eu-west-1", "cn-north-1", "us-gov-west-1"):
        assert models.is_offered(service, region)


def test_a_service_that_responds_although_it_is_not_listed_is_read() -> None:
    config = f"accounts: [{{account_id: '111122223333', regions: [eu-north-1], {NAMED}}}]"
    with serve_simulation(config, 'accounts: ["111122223333"]\noperations: []') as simulation:
        assert "aws_iot_bulk_exporter_up{" in simulation.exporter.scrape()
        assert "reason=" not in simulation.exporter.scrape()


OTHER = f"{{name: b, account_id: '444455556666', regions: [eu-north-1], {NAMED}}}"


@pytest.mark.parametrize(
    ("config", "watching", "cells"),
    [
        (f"accounts: [{{regions: [eu-north-1], {NAMED}}}]", "default", "1 account, 1 cell"),
        (f"accounts: [{{{ACCOUNT}, regions: [eu-north-1], {NAMED}}}, {OTHER}]", "2 accounts", "2 accounts, 2 cells"),
        (
            f"organizations: [{{role_name: x, regions: [eu-north-1], {NAMED}}}]",
            "organizations[0]",
            "0 accounts, 0 cells",
        ),
    ],
    ids=["an account", "two accounts", "an organization"],
)
def test_check_warns_once_of_a_named_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], config: str, watching: str, cells: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(config)
    with aws_environment("http://127.0.0.1:1"):
        assert check.run(file) == 0
    output = capsys.readouterr()
    assert output.out.endswith(f"configuration is valid ({cells})\n")
    cure = "remove the kind or the Region"
    assert output.err == f"warning: {watching}: AWS does not offer greengrass_deployment in eu-north-1; {cure}\n"


def test_check_live_warns_once_of_a_kind_in_all_accounts_of_an_organization(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"organizations: [{{role_name: x, regions: [eu-north-1], {NAMED}}}]")
    members = "{management_account: '111122223333', accounts: [{id: '111122223333'}, {id: '444455556666'}]}"
    scenario = f"accounts: ['111122223333']\norganizations: [{members}]\noperations: []"
    with serve_simulated_aws(scenario, ManualClock()) as (endpoint, _), aws_environment(endpoint):
        check.run(file, live=True)
    cure = "remove the kind or the Region"
    assert capsys.readouterr().err == (
        f"warning: 2 accounts: AWS does not offer greengrass_deployment in eu-north-1; {cure}\n"
    )
