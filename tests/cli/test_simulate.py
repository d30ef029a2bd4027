"""``simulate --tls`` as a process: clients that trust its authority, and clients that do not."""

import os
import re
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import SSLError

from exporter.cli.commands.simulate import environment
from exporter.core.errors import StartError
from exporter.simulator.certificates import new_certificate
from exporter.simulator.scenario import scenario_text
from tests.support import http_requests
from tests.support.exporter_server import aws_environment
from tests.support.exposition_rows import Scrape
from tests.support.processes import (
    ExporterProcess,
    run_exporter,
    run_exporter_process,
    run_process,
    wait_for_output,
)
from tests.support.repository import ROOT
from tests.support.waiting import wait_until

CONFIG = """
organizations:
  - role_name: iot-bulk-exporter
    regions: [eu-west-1, us-east-1]
    watch: [{kind: iot_job, discover: true}]
"""


UP, ERROR = "aws_iot_bulk_exporter_up", "aws_iot_bulk_exporter_account_error"
INACCESSIBLE = "aws_iot_bulk_exporter_inaccessible_cells"
JOBS = {"100000000001": {"firmware-7"}, "100000000030": {"firmware-8"}}
TASK = """
accounts: ["111122223333"]
operations:
  - kind: thing_registration_task
    id: task
    region: eu-west-1
    items: 3
    failures: [{reason: "The thing {item} already exists."}]
    timeline: [{at: 0s, status: Completed, done: 1.0, failed: 1.0}]
"""


@contextmanager
def simulate(folder: Path, *flags: str, text: str = scenario_text("organization")) -> Iterator[dict[str, str]]:
    """Run ``simulate`` with a scenario, and yield the variables that it prints."""
    scenario, output = folder / "scenario.yaml", folder / "simulate.log"
    scenario.write_text(text)
    command = [sys.executable, "-m", "exporter", "simulate", "--listen-address=127.0.0.1:0", f"--scenario={scenario}"]
    with run_process([*command, *flags], output) as process:
        wait_for_output("ends it", process, output)
        yield dict(re.findall(r"(?m)^  export (\w+)=(.*)$", output.read_text()))


def test_boto3_uses_the_printed_variables_over_tls(tmp_path: Path) -> None:
    with simulate(tmp_path, "--tls") as variables:
        file = Path(variables["AWS_CA_BUNDLE"])
        assert variables == environment(variables["AWS_ENDPOINT_URL"], file)
        assert variables["AWS_ENDPOINT_URL"].startswith("https://127.0.0.1:")
        with aws_environment(variables.pop("AWS_ENDPOINT_URL"), **variables):
            pages = boto3.client("organizations").get_paginator("list_accounts").paginate()
            assert [len(page["Accounts"]) for page in pages] == [20, 12]
    # The temporary file ends with the process.
    assert not file.parent.exists()


def test_the_exporter_watches_a_simulated_organization_over_tls(tmp_path: Path) -> None:
    with simulate(tmp_path, "--tls", f"--tls-ca-file={tmp_path / 'ca.pem'}") as variables:
        assert variables["AWS_CA_BUNDLE"] == str(tmp_path / "ca.pem")
        with run_exporter_process(
            tmp_path, CONFIG, variables["AWS_ENDPOINT_URL"], AWS_CA_BUNDLE=variables["AWS_CA_BUNDLE"]
        ) as exporter:
            # A busy machine may need more than one scrape for all accounts.
            exposed = wait_until(lambda: scrape_of_all(exporter), "all accounts")
    assert exposed.value("aws_iot_bulk_exporter_organization_accounts") == 31
    assert {account: exposed.ids(aws_account_id=account) for account in JOBS} == JOBS
    # The role in this account is refused, for both Regions.
    assert exposed.rows(ERROR, aws_account_id="100000000009", reason="access_denied")


def scrape_of_all(exporter: ExporterProcess) -> Scrape | None:
    """Return a scrape in which all operations are known and both cells of an account are inaccessible, or None."""
    exposed = Scrape(exporter.scrape())
    return exposed if (len(exposed.rows(UP)), exposed.value(INACCESSIBLE)) == (len(JOBS), 2) else None


def test_the_link_to_a_report_of_errors_is_reached_over_tls(tmp_path: Path) -> None:
    with (
        simulate(tmp_path, "--tls", text=TASK) as variables,
        aws_environment(variables.pop("AWS_ENDPOINT_URL"), **variables),
    ):
        done = run_exporter("failures", "--kind=thing_registration_task", "--id=task", environment=os.environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The thing task-00003 already exists." in done.stdout


def test_a_client_that_does_not_trust_the_authority_is_refused(tmp_path: Path) -> None:
    with simulate(tmp_path, "--tls") as variables:
        with aws_environment(variables["AWS_ENDPOINT_URL"]), pytest.raises(SSLError):
            boto3.client("sts").get_caller_identity()
        trusting = ssl.create_default_context(cafile=variables["AWS_CA_BUNDLE"])
        port = variables["AWS_ENDPOINT_URL"].rpartition(":")[2]
        assert http_requests.get(f"https://127.0.0.1:{port}/", verify=trusting).status_code == 403


def test_without_tls_no_authority_is_printed(tmp_path: Path) -> None:
    with simulate(tmp_path) as variables:
        assert variables["AWS_ENDPOINT_URL"].startswith("http://")
        assert "AWS_CA_BUNDLE" not in variables


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "no" / "ca"
    done = run_exporter("simulate", "--listen-address=127.0.0.1:0", "--tls", f"--tls-ca-file={file}")
    assert done.returncode == 1
    fault = f"--tls-ca-file: cannot write {file}: No such file or directory"
    assert f"{fault}; create the folder, or use another path\n" in done.stderr


def test_without_trustme_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(StartError, match=r"pip install '\.\[simulator\]'"):
        new_certificate("")
    extras = (ROOT / "setup.cfg").read_text()
    assert re.search(r"(?m)^simulator =\n    trustme", extras)
