"""The commands of the README and of the pages run as written, in one shell, in a fresh copy of the repository."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.drill.programs import free_port
from tests.support.exporter_server import aws_environment
from tests.support.processes import run_until_printed
from tests.support.prometheus import query_series, run_prometheus
from tests.support.repository import ROOT, program
from tests.support.shell_session import ShellSession, Step, shell_session, steps
from tests.support.waiting import wait_until

README = (ROOT / "README.md").read_text(encoding="utf-8")
QUERIES = [line for block in re.findall(r"(?ms)^```promql\n(.*?)^```$", README) for line in block.splitlines()]
# Other tests run these: tests/image, tests/chart and tests/cli/test_drill.
ELSEWHERE = ("make image", "docker ", "helm ", "make drill", "aws-iot-bulk-exporter drill")
# Commands that need an account of AWS, a cluster or another machine.
OUTSIDE = ("aws ", "kubectl ", "sudo ", "podman ", "/opt/")
SIMULATE = "aws-iot-bulk-exporter simulate"
# Commands that run until Ctrl+C, with the output that shows that they work.
ENDLESS = {
    "make demo": r"Status page: .*\n",
    "aws-iot-bulk-exporter serve": "msg=listening",
    SIMULATE: "export AWS_ENDPOINT_URL",
    "aws-iot-bulk-exporter watch": r"\n",
}
# The exit status of each command that does not end with 0: some things of the job fail.
STATUSES = {
    "aws-iot-bulk-exporter watch --kind=iot_job --id=firmware-7 --until-done": 1,
}
PAGES = [
    "docs/troubleshooting.md",
    "docs/monitoring.md",
    "docs/aws-permissions.md",
    "docs/organizations.md",
    "docs/scenarios.md",
    "docs/scaling.md",
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository without virtual environments."""
    folder = tmp_path_factory.mktemp("copy")
    listed = subprocess.run(
        [program("git"), "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a user whose AWS is the demo's."""
    program("curl")
    command = [sys.executable, "-m", "exporter", "simulate", "--listen-address=127.0.0.1:0"]
    with (
        run_until_printed(r"(?<=AWS_ENDPOINT_URL=)\S+", command, tmp_path / "simulate.log") as url,
        aws_environment(url),
    ):
        # A make that runs the tests passes its own variables on.
        inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
        yield {**inherited, "HOME": str(tmp_path), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def follow(page: str, shell: ShellSession, folder: Path, ports: dict[str, str]) -> list[str]:
    """Run each step of a page, and return the outputs. Fail if a command does not end as expected."""
    outputs = []
    for step in steps(page):
        text = re.sub("|".join(ports), lambda port: ports[port[0]], step.text)
        if step.file:
            (folder / step.file).write_text(text)
        elif not step.text.startswith((*ELSEWHERE, *OUTSIDE)):
            outputs.append(run(Step(text), step.text, shell))
    return outputs


def run(step: Step, written: str, shell: ShellSession) -> str:
    """Run a command line. A command that does not end stays in the background until the next one starts.

    The simulated AWS stays until the end of the page, because the next command may use it.
    """
    endless = [ready for command, ready in ENDLESS.items() if written.startswith(command)]
    if endless and "--until-done" not in written:
        if not shell.started.startswith(SIMULATE):
            shell.stop()
        return shell.start(step.text, endless[0])
    status, output = shell.run(step.text)
    assert status == STATUSES.get(written, 0), output
    return output


def test_the_readme_runs_from_the_first_line_to_the_last(
    copy: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    ports = {port: str(free_port()) for port in ("10098", "10099")}
    demo = {"ARGS": f"--web.listen-address=:{ports['10098']}"}
    with shell_session(copy, tmp_path / "log", {**environment, **demo}) as shell:
        outputs = "\n".join(follow(README, shell, copy, ports))
        shell.stop()
    assert "aws_iot_bulk_exporter_probe_success 1.0" in outputs
    assert "configuration is valid" in outputs
    assert "alert: AwsIotBulkFailureRatioHigh" in outputs


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_run_as_written(
    page: str, copy: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    ports = {port: str(free_port()) for port in ("10098", "10099")}
    path = f"{Path(sys.executable).parent}:{environment['PATH']}"
    # Pages name the configuration file of the user.
    (copy / "config.yaml").write_bytes((ROOT / "config.example.yaml").read_bytes())
    with shell_session(copy, tmp_path / "log", {**environment, "PATH": path}) as shell:
        assert follow((ROOT / page).read_text(encoding="utf-8"), shell, copy, ports)
        shell.stop()


def test_the_queries_of_the_readme_return_what_their_captions_say(environment: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "exporter", "demo", "--web.listen-address=127.0.0.1:0"]
    with (
        run_until_printed(r"http://\S+/metrics", command, tmp_path / "demo.log") as url,
        run_prometheus(tmp_path, url) as prometheus,
    ):
        failed, running, seconds, errors = QUERIES
        rows = wait_until(lambda: query_series(prometheus, seconds) or None, "remaining seconds")
        assert {float(row["value"][1]) for row in rows} == {
            value for row in rows if 0 <= (value := float(row["value"][1])) < float("inf")
        }
        assert all(row["metric"]["input"] for row in query_series(prometheus, failed))
        assert query_series(prometheus, failed)
        assert {row["metric"]["kind"] for row in query_series(prometheus, running)} >= {"thing_registration_task"}
        assert query_series(prometheus, errors) == []
