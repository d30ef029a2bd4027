"""``regions: all``: the Regions of the partition that are enabled and offer the service of a kind."""

import io
from pathlib import Path

import botocore.session
import pytest

from exporter.app.exporter import new_exporter
from exporter.aws.models import Models
from exporter.cli.commands import check
from exporter.collector.cells import Cell
from exporter.config.loader import masked_yaml, parse_config
from exporter.config.partitions import ENABLED_BY_DEFAULT, HOME_REGIONS, partition_of
from exporter.core.errors import ConfigError
from exporter.core.log import new_log
from exporter.kinds.registry import KINDS
from tests.collector.test_offered_kinds import NAMED, WITHOUT_GREENGRASS
from tests.support.exporter_server import aws_environment
from tests.support.scripted_endpoint import HttpResponse, ScriptedAws, error_response, json_response
from tests.support.servers import serve_app

ROLE = "role_arn: 'arn:{}:iam::111122223333:role/exporter'"


def cells_and_log(account: str, **environment: str) -> tuple[tuple[Cell, ...], str]:
    """Return the cells of one account, and the log of the start."""
    text = io.StringIO()
    with aws_environment("http://127.0.0.1:1", **environment):
        exporter = new_exporter(parse_config(f"accounts: [{{{account}}}]", KINDS), KINDS, new_log(stream=text))
    return exporter.runtime.cells, text.getvalue()


def regions(cells: tuple[Cell, ...], kind: str) -> set[str]:
    return {cell.region for cell in cells if cell.kind.name == kind}


def test_all_regions_that_are_enabled_by_default_are_watched_without_a_warning() -> None:
    cells, log = cells_and_log("regions: all")
    for kind in ("iot_job", "thing_registration_task"):
        assert regions(cells, kind) == set(ENABLED_BY_DEFAULT) - {"ap-northeast-3"}
    assert regions(cells, "greengrass_deployment") == regions(cells, "iot_job") - set(WITHOUT_GREENGRASS)
    assert all(cell.found for cell in cells)
    assert "AWS does not offer" not in log


def test_a_named_kind_is_watched_only_in_regions_that_offer_it() -> None:
    cells, log = cells_and_log(f"regions: all, {NAMED}")
    watched = regions(cells, "greengrass_deployment")
    assert "eu-west-1" in watched
    assert not watched & set(WITHOUT_GREENGRASS)
    assert "AWS does not offer" not in log


def test_excluded_regions_are_not_watched() -> None:
    cells, _ = cells_and_log("regions: all, exclude_regions: [us-east-1, sa-east-1]")
    every, _ = cells_and_log("regions: all")
    assert regions(every, "iot_job") - regions(cells, "iot_job") == {"us-east-1", "sa-east-1"}


@pytest.mark.parametrize(
    ("partition", "expected"),
    [("aws-cn", {"cn-north-1", "cn-northwest-1"}), ("aws-us-gov", {"us-gov-east-1", "us-gov-west-1"})],
)
def test_the_role_decides_the_partition_and_otherwise_the_default_region(partition: str, expected: set[str]) -> None:
    by_role, _ = cells_and_log(f"regions: all, {ROLE.format(partition)}")
    by_default, _ = cells_and_log("regions: all", AWS_REGION=min(expected))
    assert regions(by_role, "iot_job") == regions(by_default, "iot_job") == expected


def test_the_role_is_assumed_in_the_home_region() -> None:
    cells, _ = cells_and_log(f"regions: all, {ROLE.format('aws')}")
    assert cells[0].account.regions[0] == HOME_REGIONS["aws"]


@pytest.mark.parametrize(
    ("account", "problem"),
    [
        (
            "regions: [eu-west-1], exclude_regions: [us-east-1]",
            "accounts[0].exclude_regions: requires regions: all; set it, or remove exclude_regions",
        ),
        (
            f"regions: all, exclude_regions: [cn-north-1], {ROLE.format('aws')}",
            "accounts[0].role_arn: is not in aws-cn, the partition of exclude_regions[0]; use a role of aws-cn",
        ),
        ("regions: every", "accounts[0].regions: expected a list of Regions, or all"),
        ("regions: [all, eu-west-1]", "accounts[0].regions[0]: expected a Region such as eu-west-1"),
    ],
)
def test_an_invalid_choice_of_regions_is_refused(account: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(f"accounts: [{{{account}}}]", KINDS)
    assert caught.value.problems == (problem,)


def test_a_partition_without_a_remaining_region_is_refused() -> None:
    excluded = "exclude_regions: [cn-north-1, cn-northwest-1]"
    with pytest.raises(ConfigError, match=r"accounts\[0\]\.regions: no Region of the partition aws-cn is left"):
        cells_and_log(f"regions: all, {excluded}, {ROLE.format('aws-cn')}")


def test_two_accounts_with_all_regions_of_the_same_account_are_refused() -> None:
    config = parse_config("accounts: [{name: a, regions: all}, {name: b, regions: [eu-west-1]}]", KINDS)
    with aws_environment("http://127.0.0.1:1"), pytest.raises(ConfigError) as caught:
        new_exporter(config, KINDS, new_log("error"))
    assert caught.value.problems[0].startswith("accounts[1].regions[0]: accounts[0] watches thing_registration_task")


def test_the_configuration_is_shown_as_it_was_written() -> None:
    shown = masked_yaml(parse_config("accounts: [{regions: all}]", KINDS))
    assert "regions: all\n" in shown
    assert parse_config(shown, KINDS).accounts[0].has_all_regions


def test_the_regions_are_those_of_botocore() -> None:
    models = Models()
    session = botocore.session.get_session()
    for partition in ("aws", "aws-cn", "aws-us-gov", "aws-iso"):
        names = models.regions(partition)
        assert set(names) == set(session.get_available_regions("sts", partition, allow_non_regional=False))
        assert {partition_of(region) for region in names} == {partition}
    assert set(ENABLED_BY_DEFAULT) <= set(models.regions("aws"))


def test_check_counts_the_cells_of_every_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("accounts: [{regions: all, watch: [{kind: iot_job, discover: true}]}]")
    with aws_environment("http://127.0.0.1:1"):
        assert check.run(file) == 0
    output = capsys.readouterr()
    assert "(1 account, 16 cells)" in output.out
    assert "default sa-east-1 iot_job: " in output.out
    assert output.err == ""


JOBS = "account_id: '111122223333', regions: all, watch: [{kind: iot_job, discover: true}]"
ENABLED = [{"RegionName": region, "RegionOptStatus": "ENABLED_BY_DEFAULT"} for region in ENABLED_BY_DEFAULT]
DENIED = "access_denied: AWS returned AccessDeniedException (HTTP 403) for ListRegions"
EFFECT = "only Regions that are enabled by default are watched"
OPT_IN = {"RegionName": "me-central-1", "RegionOptStatus": "ENABLED"}


@pytest.mark.parametrize(
    ("response", "cells", "line"),
    [
        (json_response({"Regions": [*ENABLED, OPT_IN]}), 17, "ok     default: 18 enabled Regions"),
        (
            error_response("AccessDeniedException", 403),
            16,
            f"warning: default: ListRegions: {DENIED}; needs the permission account:ListRegions; {EFFECT}",
        ),
    ],
)
def test_check_live_reads_the_enabled_regions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], response: HttpResponse, cells: int, line: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"accounts: [{{{JOBS}}}]")
    aws = ScriptedAws({"/jobs": json_response({"jobs": []}), "/listRegions": response})
    with serve_app(aws.app()) as endpoint, aws_environment(endpoint):
        assert check.run(file, live=True) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == line
    assert len(lines) == 1 + cells
    assert any(line.startswith("ok     default me-central-1 iot_job: ") for line in lines) == (cells == 17)
