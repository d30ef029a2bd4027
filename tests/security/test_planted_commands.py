"""The other commands output no secret either, also not about invalid files."""

import os
import pty
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from exporter.cli.commands.check import run
from exporter.core.errors import ConfigError
from tests.security.planted_secrets import BAD_CONFIGS, Planted, plant
from tests.support.aws_with_secrets import AwsWithSecrets
from tests.support.processes import run_exporter
from tests.support.repository import ROOT
from tests.support.secret_canaries import leaks
from tests.support.servers import serve_app

SCOPE = ("--account=default", "--kind=thing_registration_task")
# The commands, their exit status, and a part of their output.
COMMANDS: dict[str, tuple[Sequence[str], int, bytes]] = {
    "check": (("check",), 0, b"is valid"),
    "check --live": (("check", "--live"), 1, b"access_denied"),
    "watch": (("watch", *SCOPE, "--id=good", "--until-done"), 1, b"failed (good: Failed"),
    "watch in vain": (("watch", *SCOPE, "--id=denied", "--until-done"), 3, b"cannot be read"),
    "show iam-policy": (("show", "iam-policy"), 0, b"sts:AssumeRole"),
    "show iam-policy of a role": (("show", "iam-policy", "--account=assumed"), 0, b"iot:DescribeThingRegistrationTask"),
}
# Mistakes in web configurations that contain a secret.
BAD_WEB = {
    "a key below a wrong name": "tls_server_config: {cert_file: server.pem, keys: '%(key)s'}",
    "a key that is none": "tls_server_config: {cert_file: server.pem, key: '%(key)s'}",
    "a key as the path of a file": "tls_server_config: {cert_file: server.pem, key_file: '%(key)s'}",
    "a key as a certificate": "tls_server_config: {cert: '%(key)s', key: '%(key)s'}",
    "a hash that is cut": "basic_auth_users: {alice: '$2b$04$%(hash)s'}",
    "a hash as a name": "basic_auth_users: {'%(hash)s:': a}",
    "a hash in a list": "basic_auth_users: ['%(hash)s']",
    "a password instead of its hash": "basic_auth_users: {alice: %(password)s}",
    "a password as a limit": "rate_limit: {interval: %(password)s}",
    "a password as a header": "http_server_config: {headers: {X-Password: %(password)s}}",
    "an open quote": "basic_auth_users: {alice: '%(password)s",
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """The input of the commands."""
    with serve_app(AwsWithSecrets().app()) as endpoint:
        yield plant(tmp_path_factory.mktemp("planted"), endpoint, by_profile=False)


def command_output(words: Sequence[str], planted: Planted) -> tuple[bytes, int]:
    """Return the output of a command and its exit status."""
    ended = run_exporter(*words, f"--config.file={planted.config}", environment=planted.environment)
    return (ended.stdout + ended.stderr).encode(), ended.returncode


@pytest.mark.parametrize(("words", "status", "shown"), COMMANDS.values(), ids=COMMANDS)
def test_a_command_prints_no_secret(planted: Planted, words: Sequence[str], status: int, shown: bytes) -> None:
    output, ended = command_output(words, planted)
    assert (ended, shown in output) == (status, True), output
    assert leaks(planted.secrets, {words[0]: output}) == []


def test_a_live_table_shows_no_secret(planted: Planted) -> None:
    terminal, child_end = pty.openpty()
    words = ("watch", *SCOPE, "--id=good", "--until-done", f"--config.file={planted.config}")
    command, environment = [sys.executable, "-m", "exporter", *words], {**planted.environment, "TERM": "xterm"}
    with subprocess.Popen(command, stdout=child_end, cwd=ROOT, env=environment) as process:
        os.close(child_end)
        output = terminal_output(terminal)
    assert process.returncode == 1
    assert b"good" in output
    assert leaks(planted.secrets, {"terminal": output}) == []


def terminal_output(terminal: int) -> bytes:
    """Return the output on a terminal until no process has it open."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # Linux reports a closed terminal by an error.
        os.close(terminal)
    return b"".join(parts)


def error_text(config: Path, web: Path | None) -> bytes:
    """Return the messages about invalid files, with the traceback of an uncaught error."""
    with pytest.raises(ConfigError) as raised:
        run(config, web)
    return "\n".join([*raised.value.problems, *traceback.format_exception(raised.value)]).encode()


@pytest.mark.parametrize("text", BAD_CONFIGS.values(), ids=BAD_CONFIGS)
def test_the_messages_about_a_configuration_contain_no_secret(planted: Planted, tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert leaks(planted.secrets, {"refusal": error_text(file, None)}) == []


@pytest.mark.parametrize("command", ["serve", "watch"])
@pytest.mark.parametrize("text", [BAD_CONFIGS["a wrong key"], BAD_CONFIGS["an open quote"]], ids=["key", "quote"])
def test_a_command_that_cannot_start_prints_no_secret(
    planted: Planted, tmp_path: Path, command: str, text: str
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    output, ended = command_output([command], replace(planted, config=file))
    assert (ended, output.startswith(b"aws-iot-bulk-exporter: ")) == (2, True)
    assert leaks(planted.secrets, {"output": output}) == []


@pytest.mark.parametrize("text", BAD_WEB.values(), ids=BAD_WEB)
def test_the_messages_about_a_web_configuration_contain_no_secret(planted: Planted, tmp_path: Path, text: str) -> None:
    had = {place.removeprefix("files: "): secret for place, secret in planted.secrets.items()}
    file = planted.config.with_name(f"{tmp_path.name}.yaml")
    file.write_text(text % {**had, "hash": had["hash of a password"]})
    assert leaks(planted.secrets, {"refusal": error_text(planted.config, file)}) == []
