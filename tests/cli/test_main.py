"""The command line as a process: its exit status and its output."""

import configparser
import errno
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import IO

import pytest

from exporter import __version__
from exporter.cli.commands.show import MONITORING, SUBJECTS
from exporter.cli.main import COMMANDS, PROGRAM
from exporter.collector.shards import MOST
from exporter.kinds.registry import KINDS
from tests.support import http_requests
from tests.support.exporter_server import aws_environment
from tests.support.processes import run_exporter, run_process, usage_errors, wait_for_output
from tests.support.repository import ROOT
from tests.support.scripted_endpoint import ScriptedAws, json_response
from tests.support.servers import serve_app
from tests.support.waiting import wait_until

EXAMPLE = ROOT / "config.example.yaml"
ONE_TASK = 'accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a1b2]}]}]\n'
SERVE_FLAGS = {
    "--config.file PATH": None,
    "--web.listen-address HOST:PORT": ":10098",
    "--web.config.file PATH": None,
    "--web.telemetry-path PATH": "/metrics",
    "--web.external-url URL": None,
    "--web.route-prefix PATH": None,
    "--log.level LEVEL": "info",
    "--log.format FORMAT": "logfmt",
    "--shard.ordinal N": None,
    "--shard.total N": None,
    "--state.file PATH": None,
    "--alerts.file PATH": None,
}
# Each flag of each command, with the default that the help shows.
FLAGS: Mapping[str, Mapping[str, str | None]] = {
    "serve": SERVE_FLAGS,
    "check": {"--config.file PATH": None, "--web.config.file PATH": None, "--live": None},
    "watch": {
        "--config.file PATH": None,
        "--account NAME": None,
        "--region REGION": None,
        "--kind KIND": None,
        "--id ID": None,
        "--interval DURATION": None,
        "--until-done": None,
        "--give-up-after DURATION": "5m",
        "--max-failed LIMIT": "0",
        "--timeout DURATION": None,
        "--output FORMAT": "text",
        "--alerts.file PATH": None,
    },
    "failures": {
        "--kind KIND": None,
        "--id ID": None,
        "--config.file PATH": None,
        "--account NAME": None,
        "--region REGION": None,
        "--state STATE": None,
        "--limit N": "100",
        "--output FORMAT": "table",
    },
    "demo": {
        flag: default
        for flag, default in SERVE_FLAGS.items()
        if flag.startswith("--log.") or (flag.startswith("--web.") and "telemetry" not in flag)
    },
    "simulate": {
        "--listen-address HOST:PORT": "127.0.0.1:10099",
        "--scenario FILE": None,
        "--tls": None,
        "--tls-ca-file FILE": None,
    },
    "drill": {"--alertmanager.config.file PATH": None, "--hold": None},
    "show": {
        "--alerts.file PATH": None,
        "--config.file PATH": None,
        "--account NAME": None,
        "--role ROLE": None,
        "--failures": None,
    },
}


@pytest.mark.parametrize("command", [(), ("serve",)])
def test_all_invalid_flags_and_values_are_reported_at_once(command: tuple[str, ...]) -> None:
    invalid = [
        "--bogus",
        "--password=s3cret",
        "--log.levels=info",
        "--log.level=loud",
        "--log.format=xml",
        "--web.listen-address=10098",
        "--web.telemetry-path=metrics",
        "--shard.total=0",
        "--shard.ordinal=-1",
        "--config.file=",
    ]
    assert usage_errors(*command, *invalid) == [
        "unknown flag --bogus",
        "unknown flag --password",
        "unknown flag --log.levels; did you mean --log.level?",
        "--config.file: expected the path of a file",
        "--web.listen-address: expected host:port, such as :10098 or [::1]:10098",
        "--web.telemetry-path: expected a path such as /metrics",
        "--log.level: expected one of debug, info, warn, error",
        "--log.format: expected one of logfmt, json",
        f"--shard.ordinal: expected a whole number from 0 to {MOST - 1}",
        f"--shard.total: expected a whole number from 1 to {MOST}",
    ]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("frobnicate",), f"frobnicate: expected one of {', '.join(COMMANDS)}"),
        (("serve", "check"), "unexpected argument check; the command comes first, before its flags"),
        (("--config.file=x", "watch"), "unexpected argument watch; the command comes first, before its flags"),
        (("serve", "config.yaml"), "unexpected argument config.yaml"),
        (("chekc",), f"chekc: expected one of {', '.join(COMMANDS)}; did you mean check?"),
        (("serve", "--config.file"), "--config.file: is without its value; use --config.file=PATH"),
        (("watch", "--id"), "--id: is without its value; use --id=ID"),
        (("serve", "--log.level=inof"), "--log.level: expected one of debug, info, warn, error; did you mean info?"),
        (("check", "--live=yes"), "--live: takes no value; use only --live"),
        (("check", "--help=yes"), "--help: takes no value; use only --help"),
        (("--help=yes",), "--help: takes no value; use only --help"),
        (("check", "--liv"), "unknown flag --liv; did you mean --live?"),
        (("check", "--", "--live"), "unknown flag --live; did you mean --live?"),
        (("watch", "--id="), "--id: is empty; set a value or remove the flag"),
        (("serve", "--live"), "unknown flag --live"),
        (("serve", "--config", "x"), "unknown flag --config; did you mean --config.file?"),
        (("show",), f"SUBJECT: expected one of {', '.join(SUBJECTS)}"),
        (("show", "everything"), f"SUBJECT: expected one of {', '.join(SUBJECTS)}"),
        (("serve", "--shard.ordinal=2", "--shard.total=2"), "--shard.ordinal: 2 must be less than --shard.total (2)"),
        (("serve", "--web.telemetry-path=//metrics"), "--web.telemetry-path: expected a path such as /metrics"),
        (("serve", "--web.telemetry-path=/a/../metrics"), "--web.telemetry-path: expected a path such as /metrics"),
        (
            ("check", "--config.file=no\nfile"),
            r"no\nfile: cannot read the file: No such file or directory; correct the path, or create the file",
        ),
        (("serve", "--web.config.file="), "--web.config.file: expected the path of a file"),
        (
            ("simulate", "--scenario=/none"),
            "/none: cannot read the file: No such file or directory; correct the path, or create the file",
        ),
        (("simulate", "--scenario=/dev/null"), "/dev/null: expected a mapping"),
        (
            ("simulate", "--scenario=/dev/zero"),
            "/dev/zero: cannot read the file: longer than 16,777,216 characters; use a shorter file",
        ),
        (("simulate", "--tls-ca-file=ca.pem"), "--tls-ca-file: requires --tls"),
        (
            ("check", "--config.file=/dev/zero"),
            "/dev/zero: cannot read the file: longer than 16,777,216 characters; use a shorter file",
        ),
        (
            ("drill", "--alertmanager.config.file=/none"),
            "/none: cannot read the file: No such file or directory; correct the path, or create the file",
        ),
        (
            ("show", "prometheus-rules", "--alerts.file=/none"),
            "/none: cannot read the file: No such file or directory; correct the path, or create the file",
        ),
        (
            ("show", "metrics", "--alerts.file=/none"),
            f"--alerts.file: not used by metrics, only by {', '.join(MONITORING)}",
        ),
    ],
)
def test_bad_usage_is_reported_in_one_line_with_status_2(arguments: tuple[str, ...], problem: str) -> None:
    assert problem in usage_errors(*arguments)


MANY_FAULTS = 1_020


@pytest.mark.parametrize("command", ["serve", "check", "watch"])
def test_only_the_first_problems_of_a_file_are_printed(command: str, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"labels: {{tags: [{'1, ' * MANY_FAULTS}]}}")
    shown = [f"{file}: labels.tags[{number}]: expected text; put it in quotes" for number in range(20)]
    assert usage_errors(command, f"--config.file={file}") == [*shown, "and 1,000 more; correct these first"]


@pytest.mark.parametrize("command", ["serve", "check"])
def test_all_problems_of_a_configuration_are_reported_at_once(command: str) -> None:
    bad = ROOT / "tests" / "config" / "bad" / "faults-of-every-sort-at-once.yaml"
    expected = [f"{bad}: {line}" for line in bad.with_suffix(".txt").read_text().splitlines()]
    assert usage_errors(command, f"--config.file={bad}") == expected


def test_each_invalid_address_is_reported_with_its_index() -> None:
    flags = [f"--web.listen-address={address}" for address in ("10098", ":10098", "host")]
    problem = "expected host:port, such as :10098 or [::1]:10098"
    assert usage_errors("serve", *flags) == [f"--web.listen-address[{index}]: {problem}" for index in (0, 2)]


@pytest.mark.parametrize("command", ["serve", "check", "demo"])
def test_problems_of_both_configurations_are_reported_together(command: str, tmp_path: Path) -> None:
    bad, config = tmp_path / "web.yaml", tmp_path / "config.yaml"
    bad.write_text("basic_auth_users: {alice: s3cret}\njunk: 1\n")
    config.write_text("junk: 1\n")
    flags = [] if command == "demo" else [f"--config.file={config}"]
    found = usage_errors(command, *flags, f"--web.config.file={bad}")
    assert [line.partition("; ")[0] for line in found] == [
        *([f"{config}: junk: unknown key"] if flags else []),
        f"{bad}: basic_auth_users.alice: expected a bcrypt hash of 60 characters",
        f"{bad}: junk: unknown key",
    ]


def test_check_validates_the_web_configuration(tmp_path: Path) -> None:
    good = tmp_path / "web.yaml"
    good.write_text("")
    output = run_exporter("check", f"--web.config.file={good}").stdout
    assert output.splitlines()[-1] == f"{good}: web configuration is valid"


@pytest.mark.parametrize("command", ["serve", "check"])
def test_a_configuration_without_a_region_is_refused(command: str) -> None:
    (reason,) = usage_errors(command, region="")
    assert reason == "AWS_REGION: is not set; set it, or add regions to each account"


@pytest.mark.parametrize("region", ["nonsense", "EU-WEST-1", "eu_west_1", "eu-west-1a", " eu-west-1"])
def test_a_default_region_that_is_none_is_refused(region: str) -> None:
    assert usage_errors("check", region=region) == ["AWS_REGION: expected a Region such as eu-west-1"]


def help_text(*command: str) -> str:
    done = run_exporter(*command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
    return done.stdout


def test_help_and_version_exit_with_status_0() -> None:
    assert run_exporter("--version").stdout == f"{PROGRAM} {__version__}\n"
    text = help_text()
    for command in COMMANDS:
        assert re.search(rf"^ +{command} +\w", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_each_flag_with_its_default(command: str) -> None:
    _, text = help_text(command).split("show this help message and exit\n")
    flags = re.split(r"^  (?=--)", text, flags=re.MULTILINE)[1:]
    names = [re.split(r"\n|  ", flag)[0] for flag in flags]
    defaults = [re.search(r"\(default: (\S+)\)", " ".join(flag.split())) for flag in flags]
    assert dict(zip(names, [default and default[1] for default in defaults], strict=True)) == FLAGS[command]


@pytest.mark.parametrize(
    ("module", "unloaded"),
    [
        ("exporter.cli.main", "exporter.cli.commands"),
        ("exporter.cli.commands.serve", "sqlite3"),
        ("exporter.cli.commands.serve", "rich"),
    ],
)
def test_a_command_loads_only_what_it_uses(module: str, unloaded: str) -> None:
    code = f"import sys, {module}; sys.exit({unloaded!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


def test_check_prints_the_cells() -> None:
    done = run_exporter("check", f"--config.file={EXAMPLE}")
    assert (done.returncode, done.stderr) == (0, "")
    assumed = "if a scrape refreshes every 10s and each list has one page"
    task = "id 8b5a2f6e-2f0c-4a55-9a3e-0d1b6f7c1a11 and discovery of InProgress, Cancelling, Failed, unknown statuses"
    jobs = "id firmware-7 and discovery of SCHEDULED, IN_PROGRESS, DELETION_IN_PROGRESS"
    assert [line.partition("; ")[0] for line in done.stdout.splitlines()] == [
        *(
            f"factory {region} {kind}: {watched}"
            for region in ("eu-west-1", "us-east-1")
            for kind, watched in (("thing_registration_task", task), ("iot_job", jobs))
        ),
        "field eu-west-1 greengrass_deployment: discovery of all statuses",
        "field eu-west-1 greengrass_bulk_deployment: discovery of all statuses",
        "organizations[0]: the included active accounts, with the role iot-bulk-exporter",
        f"at most 98 calls a minute to AWS without discovered operations, {assumed}",
        f"{EXAMPLE}: configuration is valid (2 accounts, 6 cells)",
    ]
    assert "change-me" not in done.stdout


def test_check_without_a_file_prints_the_default_cells() -> None:
    lines = run_exporter("check").stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines[:-2]] == [
        "default eu-west-1 thing_registration_task",
        "default eu-west-1 iot_job",
        "default eu-west-1 greengrass_deployment",
    ]
    assert all("discovery of " in line for line in lines[:-2])
    assert lines[-1] == "default configuration is valid (1 account, 3 cells)"


def test_the_entry_point_is_the_main_function() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    name, _, target = setup["options.entry_points"]["console_scripts"].strip().partition(" = ")
    module, _, function = target.partition(":")
    assert name == PROGRAM == setup["metadata"]["name"]
    assert callable(getattr(import_module(module), function))


def test_without_a_command_the_exporter_serves_until_sigterm(tmp_path: Path) -> None:
    config, output = tmp_path / "config.yaml", tmp_path / "log"
    config.write_text(ONE_TASK)
    aws = ScriptedAws({"/thing-registration-tasks/a1b2": json_response({"taskId": "a1b2", "status": "Completed"})})
    command = [sys.executable, "-m", "exporter", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    with serve_app(aws.app()) as endpoint, aws_environment(endpoint), run_process(command, output) as process:
        scraped = http_requests.get(wait_for_output(r"http://\S+/metrics", process, output)).text
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=300) == 0
    assert 'id="a1b2",kind="thing_registration_task",status="Completed"} 1.0' in scraped
    assert "Traceback" not in output.read_text()
    assert "msg=stopped" in output.read_text()


def is_sleeping(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process waits in the kernel."""
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "S"


def test_sigterm_before_the_start_of_a_command_is_a_failure(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    os.mkfifo(config)
    command = [sys.executable, "-m", "exporter", "check", f"--config.file={config}"]
    with run_process(command, tmp_path / "log") as process, config.open("w"):
        # Python does not see a signal that arrives just before a read, until the read returns.
        wait_until(lambda: is_sleeping(process) or None, "the read of the file")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=300) == 128 + signal.SIGTERM
    assert (tmp_path / "log").read_text() == ""


@pytest.mark.parametrize(
    "words", ["serve --log.level=warn --web.listen-address", "demo --web.listen-address", "simulate --listen-address"]
)
def test_a_port_in_use_is_reported_in_one_line_with_status_1(words: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_exporter(*f"{words}=127.0.0.1:{port}".split())
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    reason = f"{os.strerror(errno.EADDRINUSE)}; choose another port"
    assert line == f"{PROGRAM}: cannot listen on 127.0.0.1:{port}: {reason}"


READERS = ("serve", "check", "watch")
SAME_CELLS = "accounts: [{}, {name: b}]"
OTHER_PARTITION = "accounts: [{role_arn: 'arn:aws-cn:iam::111122223333:role/x'}]"


@pytest.mark.parametrize(
    ("command", "content", "problem"),
    [
        *((command, "a: [", "invalid YAML: line 1, column 5: ") for command in (*READERS, "show iam-policy")),
        *((command, "accounts: [{name: 1}]", "accounts[0].name: ") for command in (*READERS, "show iam-policy")),
        *((command, SAME_CELLS, "accounts[1]: accounts[0] watches ") for command in READERS),
        *((command, OTHER_PARTITION, "accounts[0].role_arn: is not in aws, ") for command in READERS),
    ],
)
def test_every_problem_of_a_file_names_the_file(command: str, content: str, problem: str, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(content)
    (line,) = usage_errors(*command.split(), f"--config.file={config}")
    assert line.startswith(f"{config}: {problem}")


def test_an_unknown_kind_of_a_watch_lists_the_kinds() -> None:
    (line,) = usage_errors("watch", "--kind=foo")
    assert line == f"--kind: expected one of {', '.join(kind.name for kind in KINDS)}"


WITH_OUTPUT = [["--help"], ["show", "metrics"], ["show", "--help"], ["check"], ["watch", "--timeout=1ms"]]


@pytest.mark.parametrize("words", WITH_OUTPUT, ids=" ".join)
def test_a_full_disk_is_one_clear_error_of_each_command(words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = run_with_output(words, full)
    assert (done.returncode, done.stderr) == (74, f"{PROGRAM}: standard output: {os.strerror(errno.ENOSPC)}\n")


@pytest.mark.parametrize("words", WITH_OUTPUT, ids=" ".join)
def test_a_pipe_without_a_reader_ends_each_command_without_a_message(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = run_with_output(words, pipe)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("words", WITH_OUTPUT, ids=" ".join)
def test_a_closed_standard_output_is_no_error(words: list[str]) -> None:
    done = run_with_output(words, None)
    assert (done.returncode, done.stderr) == (5 if "watch" in words else 0, "")


def run_with_output(words: list[str], output: IO[str] | None) -> subprocess.CompletedProcess[str]:
    """Run a command with this standard output, or with a closed one."""
    command = [sys.executable, "-m", "exporter", *words]
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"] if output is None else []
    with aws_environment("http://127.0.0.1:9"):
        return subprocess.run(
            [*shell, *command], stdout=output, stderr=subprocess.PIPE, text=True, check=False, timeout=300, cwd=ROOT
        )
