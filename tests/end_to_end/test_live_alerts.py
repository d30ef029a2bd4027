"""A real Prometheus scrapes real exporters of several releases, and evaluates the rules with shortened times."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli.drill.programs import HOST, free_port
from exporter.cli.drill.speed_up import speed_up
from exporter.kinds.registry import KINDS
from exporter.monitoring.prometheus import rule_file
from exporter.monitoring.rules import rules
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_simulated_aws
from tests.support.processes import ExporterProcess, run_exporter_process
from tests.support.prometheus import query_series, run_configured_prometheus
from tests.support.waiting import wait_until

CONFIG = """
accounts:
  - {name: factory, account_id: "111122223333", regions: [eu-west-1], watch: [{kind: iot_job, discover: true}]}
"""
REGIONS = (
    "ap-northeast-1, ap-northeast-2, ap-northeast-3, ap-south-1, ap-southeast-1, ap-southeast-2, ca-central-1, "
    "eu-central-1, eu-north-1, eu-west-1, eu-west-2, eu-west-3, sa-east-1, us-east-1, us-east-2, us-west-1, us-west-2"
)
KINDS_OF_CELLS = ("thing_registration_task", "iot_job", "greengrass_deployment")
REFUSED_CONFIG = f"""
accounts:
  - name: factory
    role_arn: arn:aws:iam::111122223333:role/exporter
    regions: [{REGIONS}]
    watch: [{", ".join(f"{{kind: {kind}, discover: true}}" for kind in KINDS_OF_CELLS)}]
"""
SCENARIO_WITHOUT_ROLES = '{accounts: ["111122223333"], roles: []}'
NO_ENDPOINT = "http://127.0.0.1:9"
# The jobs that the chart gives to two releases, and to one whose exporter never comes up.
PROD, STAGING, BROKEN = (f"{release}-aws-iot-bulk-exporter" for release in ("prod", "staging", "broken"))
NAMESPACE = "iot"
# 15 minutes become 7.5 seconds.
SPEED = 120.0
SCRAPES = 5


@dataclass(frozen=True, slots=True)
class Fleet:
    """A Prometheus, and the exporters that it scrapes."""

    prometheus_url: str
    shards: list[ExporterProcess]

    def alerts(self, name: str, state: str) -> list[dict[str, Any]]:
        """Return the alerts of a name in a state, ``pending`` or ``firing``."""
        found = query_series(self.prometheus_url, f'ALERTS{{alertname="{name}", alertstate="{state}"}}')
        return [alert["metric"] for alert in found]

    def count(self, query: str) -> int:
        """Return the number of series of a query."""
        return len(query_series(self.prometheus_url, query))

    def wait_for(self, name: str) -> list[dict[str, Any]]:
        """Wait until an alert fires, and return all firing alerts of this name."""
        return wait_until(lambda: self.alerts(name, "firing") or None, name)

    def wait_for_scrapes(self, targets: int, scrapes: int = SCRAPES) -> None:
        """Wait until Prometheus has scraped some targets several times."""
        query = f"count(sum_over_time(up[5m]) >= {scrapes}) == {targets}"
        wait_until(lambda: query_series(self.prometheus_url, query) or None, "scrapes")


def prometheus_config(folder: Path, targets: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return a configuration with short intervals, one job for each release, and the sped-up rules."""
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump(rule_file(speed_up(rules(KINDS), SPEED))))
    jobs = [
        {"job_name": job, "static_configs": [{"targets": addresses, "labels": {"namespace": NAMESPACE}}]}
        for job, addresses in targets.items()
    ]
    intervals = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    return {"global": intervals, "rule_files": [str(file)], "scrape_configs": jobs}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, prometheus_program: str) -> Iterator[Fleet]:
    """Run three shards of one release, one exporter of another one, and a Prometheus. A test kills the last shard."""
    with ExitStack() as stack:

        def started(name: str, *flags: str) -> ExporterProcess:
            folder = tmp_path_factory.mktemp(name)
            return stack.enter_context(run_exporter_process(folder, CONFIG, NO_ENDPOINT, *flags))

        shards = [started(f"prod-{n}", f"--shard.ordinal={n}", "--shard.total=3") for n in range(3)]
        targets = {
            PROD: [address(shard) for shard in shards],
            STAGING: [address(started("staging"))],
            BROKEN: [f"{HOST}:{free_port()}"],
        }
        folder = tmp_path_factory.mktemp("prometheus")
        config = prometheus_config(folder, targets)
        url = stack.enter_context(run_configured_prometheus(folder, config, prometheus_program))
        yield Fleet(url, shards)


def address(exporter: ExporterProcess) -> str:
    """Return the address of an exporter."""
    return wait_until(lambda: exporter.url, "the exporter's start").removeprefix("http://")


def test_a_cell_that_was_never_read_fires_and_names_its_reason(fleet: Fleet) -> None:
    (cell,) = fleet.wait_for("AwsIotBulkExporterCellDown")
    assert (cell["account"], cell["aws_region"], cell["kind"]) == ("factory", "eu-west-1", "iot_job")
    assert "reason" not in cell
    assert "The reason is connection." in description(fleet, "AwsIotBulkExporterCellDown")


def test_a_lost_shard_of_one_release_fires_beside_a_healthy_release_of_another_size(fleet: Fleet) -> None:
    fleet.wait_for_scrapes(targets=4)
    assert fleet.alerts("AwsIotBulkExporterShardMismatch", "pending") == []
    fleet.shards[2].kill()
    (lost,) = fleet.wait_for("AwsIotBulkExporterShardMismatch")
    assert (lost["job"], lost["namespace"]) == (PROD, NAMESPACE)
    down = fleet.wait_for("AwsIotBulkExporterDown")
    assert {alert["job"] for alert in down} == {PROD, BROKEN}
    assert fleet.alerts("AwsIotBulkExporterMissing", "pending") == []


@pytest.fixture
def refused(tmp_path: Path, prometheus_program: str) -> Iterator[Fleet]:
    """Run two shards that watch 51 cells of an account whose role does not exist, and a Prometheus."""
    with ExitStack() as stack:
        aws, _ = stack.enter_context(serve_simulated_aws(SCENARIO_WITHOUT_ROLES, ManualClock()))
        shards = []
        for n in range(2):
            folder = tmp_path / f"shard-{n}"
            folder.mkdir()
            flags = (f"--shard.ordinal={n}", "--shard.total=2")
            shards.append(stack.enter_context(run_exporter_process(folder, REFUSED_CONFIG, aws, *flags)))
        config = prometheus_config(tmp_path, {PROD: [address(shard) for shard in shards]})
        yield Fleet(stack.enter_context(run_configured_prometheus(tmp_path, config, prometheus_program)), shards)


def test_an_account_whose_role_is_refused_fires_once_instead_of_for_each_of_its_51_cells(refused: Fleet) -> None:
    (alert,) = refused.wait_for("AwsIotBulkExporterAccountInaccessible")
    assert (alert["account"], alert["aws_account_id"]) == ("factory", "111122223333")
    wait_until(lambda: refused.count("aws_iot_bulk_exporter_up == 0") == 51 or None, "the cells")
    # The window and the wait of the alerts on cells are shorter.
    refused.wait_for_scrapes(targets=2, scrapes=20)
    # Before the first refresh ends, cells are down for an unknown reason.
    wait_until(lambda: refused.count('ALERTS{aws_account_id!=""}') == 1 or None, "the only alert on the account")
    assert refused.alerts("AwsIotBulkExporterAccountInaccessible", "firing") == [alert]


def description(fleet: Fleet, name: str) -> str:
    """Return the description of a firing alert."""
    response = http_requests.get(f"{fleet.prometheus_url}/api/v1/alerts").json()
    (alert,) = (alert for alert in response["data"]["alerts"] if alert["labels"]["alertname"] == name)
    return f"{alert['annotations']['description']}"
