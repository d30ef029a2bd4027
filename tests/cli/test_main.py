"""The command line as its users meet it: a process, its exit status, and what it says where."""

from __future__ import annotations

import configparser
import errno
import os
import re
import signal
import socket
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from exporter import __version__
from exporter.cli.main import COMMANDS, PROGRAM
from exporter.cli.main import SUBJECTS as PRINTED_SUBJECTS
from exporter.collector.shards import MOST
from tests.support import http_requests
from tests.support.command_line import exporter, refusal
from tests.support.exporter_server import aws_environment
from tests.support.processes import running
from tests.support.repository import ROOT
from tests.support.scripted_endpoint import ScriptedAws, answer
from tests.support.servers import serving
from tests.support.waiting import until

EXAMPLE = ROOT / "config.example.yaml"
ONE_TASK = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a1b2]}]}]\n'


@pytest.mark.parametrize("command", [(), ("serve",)])
def test_wrong_flags_and_values_are_told_all_at_once(command: tuple[str, ...]) -> None:
    wrong: tuple[str, ...] = (
        "--bogus",
        "--password=s3cret",
        "--log.level=loud",
        "--log.format=xml",
        "--web.listen-address=10098",
    )
    wrong += ("--web.telemetry-path=metrics", "--shard.total=0", "--shard.ordinal=-1", "--config.file=")
    assert refusal(*command, *wrong) == [
        "--bogus: serve knows no such flag or word",
        "--password: serve knows no such flag or word",
        "--config.file: expected the path of a file",
        "--web.listen-address: expected host:port, as :10098 or [::1]:10098",
        "--web.telemetry-path: expected a path such as /metrics",
        "--log.level: expected one of debug, info, warn, error",
        "--log.format: expected one of logfmt, json",
        f"--shard.ordinal: expected a whole number from 0 to {MOST - 1}",
        f"--shard.total: expected a whole number from 1 to {MOST}",
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("frobnicate",), "frobnicate: expected one of serve, check, watch, demo, simulate, drill, show"),
        (("serve", "check"), "check: serve knows no such flag or word"),
        (("serve", "--config.file"), "--config.file: expected one argument"),
        (("check", "--live=yes"), "--live: ignored explicit argument 'yes'"),
        (("serve", "--live"), "--live: serve knows no such flag or word"),
        (("serve", "--config", "x"), "--config: serve knows no such flag or word"),
        (("show",), f"show: expected one of {', '.join(PRINTED_SUBJECTS)}"),
        (("show", "everything"), f"show: expected one of {', '.join(PRINTED_SUBJECTS)}"),
        (
            ("serve", "--shard.ordinal=2", "--shard.total=2"),
            "--shard.ordinal: 2 is not below --shard.total, which is 2",
        ),
        (("serve", "--web.config.file="), "--web.config.file: expected the path of a file"),
        (("simulate", "--scenario=/none"), "cannot read /none: No such file or directory"),
        (("simulate", "--scenario=/dev/zero"), "cannot read /dev/zero: longer than 16,777,216 characters"),
        (("check", "--config.file=/dev/zero"), "cannot read /dev/zero: longer than 16,777,216 characters"),
        (("drill", "--alertmanager.config.file=/none"), "cannot read /none: No such file or directory"),
        (("show", "prometheus-rules", "--alerts.file=/none"), "cannot read /none: No such file or directory"),
        (
            ("show", "metrics", "--alerts.file=/none"),
            "metrics has nothing to do with a file of alerts; prometheus-rules, grafana-alerts have",
        ),
    ],
)
def test_bad_usage_is_told_in_one_line_with_status_2(arguments: tuple[str, ...], reason: str) -> None:
    assert reason in refusal(*arguments)


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_bad_configuration_is_told_all_at_once(command: str) -> None:
    bad = ROOT / "tests" / "config" / "bad" / "faults-of-every-sort-at-once.yaml"
    assert refusal(command, f"--config.file={bad}") == bad.with_suffix(".txt").read_text().splitlines()


def test_every_wrong_address_is_told_with_its_number() -> None:
    wrong = [f"--web.listen-address={address}" for address in ("10098", ":10098", "host")]
    said = "expected host:port, as :10098 or [::1]:10098"
    assert refusal("serve", *wrong) == [f"--web.listen-address[{number}]: {said}" for number in (0, 2)]


@pytest.mark.parametrize("command", ["serve", "check", "demo"])
def test_a_bad_web_configuration_is_told_beside_a_bad_configuration(command: str, tmp_path: Path) -> None:
    bad, config = tmp_path / "web.yaml", tmp_path / "config.yaml"
    bad.write_text("basic_auth_users: {alice: s3cret}\njunk: 1\n")
    config.write_text("junk: 1\n")
    flags = [] if command == "demo" else [f"--config.file={config}"]
    found = refusal(command, *flags, f"--web.config.file={bad}")
    assert [line.partition(", ")[0] for line in found] == [
        *(["junk: unknown key"] if flags else []),
        "--web.config.file: basic_auth_users.alice: expected a bcrypt hash of 60 characters",
        "--web.config.file: junk: unknown key",
    ]


def test_check_reads_the_web_configuration_too(tmp_path: Path) -> None:
    good = tmp_path / "web.yaml"
    good.write_text("")
    assert exporter("check", f"--web.config.file={good}").stdout.splitlines()[-1] == f"{good} is right"


@pytest.mark.parametrize("command", ["serve", "check"])
def test_without_any_region_nothing_starts(command: str) -> None:
    (reason,) = refusal(command, region="")
    assert reason.startswith("accounts: no Region: name regions, or set AWS_")


@cache
def told(*command: str) -> str:
    """The help of the program or of a command."""
    done = exporter(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    return done.stdout


def test_help_and_version_are_answers_and_no_failures() -> None:
    assert exporter("--version").stdout == f"{PROGRAM} {__version__}\n"
    general = told()
    for command in COMMANDS:
        assert re.search(rf"^ +{command.name} +\w", general, re.MULTILINE)


def test_the_help_of_a_command_shows_each_flag_with_its_default() -> None:
    for command in COMMANDS:
        said = " ".join(told(command.name).split())
        for flag in command.flags:
            assert flag.name in said
            assert flag.default is None or f"(default: {flag.default})" in said


def test_check_prints_what_is_watched() -> None:
    done = exporter("check", f"--config.file={EXAMPLE}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "factory eu-west-1 thing_registration_task: 1 ids and what is discovered",
        "factory eu-west-1 iot_job: 1 ids and what is discovered",
        "factory us-east-1 thing_registration_task: 1 ids and what is discovered",
        "factory us-east-1 iot_job: 1 ids and what is discovered",
        "field eu-west-1 greengrass_deployment: what is discovered",
        "field eu-west-1 greengrass_bulk_deployment: what is discovered",
        f"{EXAMPLE} is right",
    ]
    assert "change-me" not in done.stdout


def test_check_without_a_file_tells_the_default() -> None:
    assert exporter("check").stdout.splitlines() == [
        "default eu-west-1 thing_registration_task: what is discovered",
        "default eu-west-1 iot_job: what is discovered",
        "default eu-west-1 greengrass_deployment: what is discovered",
        "the default configuration is right",
    ]


def test_the_installed_command_is_this_program() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    name, _, target = setup["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    assert name == PROGRAM == setup["metadata"]["name"]
    assert callable(getattr(import_module(module), function))


def test_without_a_command_it_serves_until_sigterm(tmp_path: Path) -> None:
    config, output = tmp_path / "config.yaml", tmp_path / "log"
    config.write_text(ONE_TASK)
    aws = ScriptedAws({"/thing-registration-tasks/a1b2": answer({"taskId": "a1b2", "status": "Completed"})})
    command = [sys.executable, "-m", "exporter", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    with serving(aws.app()) as endpoint, aws_environment(endpoint), running(command, output) as process:

        def listening() -> str | None:
            assert process.poll() is None, output.read_text()
            match = re.search(r"url=(http://\S+/metrics)", output.read_text())
            return match[1] if match else None

        scraped = http_requests.get(until(listening, "the log's URL")).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert 'id="a1b2",kind="thing_registration_task",status="Completed"} 1.0' in scraped
    assert "Traceback" not in output.read_text()
    assert "msg=stopped" in output.read_text()


def test_a_command_that_is_terminated_before_it_began_is_no_success(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    os.mkfifo(config)
    command = [sys.executable, "-m", "exporter", "check", f"--config.file={config}"]
    with running(command, tmp_path / "log") as process, config.open("w"):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 128 + signal.SIGTERM
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize(
    "command", [("serve", "--web.listen-address"), ("demo", "--web.listen-address"), ("simulate", "--listen-address")]
)
def test_a_port_in_use_is_one_line_and_status_1(command: tuple[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = exporter(command[0], f"{command[1]}=127.0.0.1:{port}")
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{PROGRAM}: cannot listen on 127.0.0.1:{port}: {os.strerror(errno.EADDRINUSE)}")


def test_sqlite_is_loaded_by_nobody_who_has_no_state_file() -> None:
    loaded = "import sys, exporter.cli.commands.serve; sys.exit('sqlite3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", loaded], check=False, cwd=ROOT).returncode == 0
