"""The completion of the command line in real shells."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.cli.completion import SHELLS
from exporter.cli.main import COMMANDS, PROGRAM, command_parser
from tests.support.processes import run_exporter, usage_errors
from tests.support.repository import program
from tests.support.tmux import tmux_window
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

# What is typed, and what the shell offers then.
COMPLETIONS = [
    ("wa", ["watch"]),
    ("watch --out", ["--output"]),
    ("watch --output=", ["text", "json"]),
    ("watch --output=j", ["json"]),
    ("watch --output ", ["text", "json"]),
    ("watch --kind=iot", ["iot_job"]),
    ("watch --config.file=conf", ["config.yaml"]),
    ("--log.level=", ["debug", "info", "warn", "error"]),
    ("--web.tel", ["--web.telemetry-path"]),
    ("show iam", ["iam-policy"]),
    ("show completion f", ["fish"]),
]


@pytest.fixture(scope="module")
def scripts() -> Mapping[str, str]:
    """Return the printed script of each shell."""
    return {shell: run_exporter("show", "completion", shell, region="").stdout for shell in SHELLS}


@pytest.fixture
def folder(tmp_path: Path, scripts: Mapping[str, str]) -> Path:
    """Return a folder with a configuration file and the script of each shell."""
    (tmp_path / "config.yaml").touch()
    for shell, script in scripts.items():
        (tmp_path / f"completion.{shell}").write_text(script)
    return tmp_path


def run_shell(words: list[str], folder: Path) -> str:
    """Return the output of a shell that uses no file of the user."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TERM": "dumb"}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=TIMEOUT_SECONDS
    )
    assert done.stderr == ""
    return done.stdout


# Readline splits a line at the characters of COMP_WORDBREAKS, which contain the equals sign.
BASH = """
source completion.bash
line=$1
read -ra COMP_WORDS <<< "${line//=/ = }"
[[ $line == *[[:space:]=] ]] && [[ $line != *= ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
_aws_iot_bulk_exporter
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("typed", "offered"), COMPLETIONS)
def test_bash_completes_commands_flags_and_values(typed: str, offered: list[str], folder: Path) -> None:
    output = run_shell([program("bash"), "--norc", "-c", BASH, "bash", f"{PROGRAM} {typed}"], folder)
    found = [word.removesuffix("=") for word in output.split()]
    assert set(found) & set(offered) == set(offered)
    assert len(found) == len(offered)


@pytest.mark.parametrize(("typed", "offered"), COMPLETIONS)
def test_fish_completes_commands_flags_and_values(typed: str, offered: list[str], folder: Path) -> None:
    script = f"source completion.fish; complete -C '{PROGRAM} {typed}'"
    output = run_shell([program("fish"), "--no-config", "-c", script], folder)
    found = [line.partition("\t")[0].removesuffix("=").rpartition("=")[2] for line in output.splitlines()]
    assert sorted(found) == sorted(offered)


# How a shell starts without files of the user, and loads the script.
STARTS = {
    "bash": ("bash --norc --noprofile", "PS1='> '; source completion.bash"),
    "zsh": ("zsh -f", "PS1='> '; autoload -Uz compinit; compinit -u -d dump; source completion.zsh"),
    "fish": ("fish --no-config", "function fish_prompt; echo '> '; end; source completion.fish"),
}
# What is typed with the key for completion, and the line that the shell shows then.
LINES = [
    (["wat", "Tab", "--outp", "Tab", "j", "Tab"], "watch --output=json"),
    (["check --config.f", "Tab", "conf", "Tab"], "check --config.file=config.yaml"),
    (["--log.l", "Tab", "w", "Tab"], "--log.level=warn"),
    (["show comp", "Tab", "z", "Tab"], "show completion zsh"),
]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("keys", "line"), LINES, ids=[line for _, line in LINES])
def test_an_interactive_shell_completes_a_line(shell: str, keys: list[str], line: str, folder: Path) -> None:
    command, start = STARTS[shell]
    program(shell)
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    with tmux_window(f"cd {folder} && exec {command}", 100, 24, environment) as window:
        window.type(f"{start}; clear; echo rea''dy", "Enter")
        wait_until(lambda: "ready" in window.screen() or None, "the shell")
        window.type(f"{PROGRAM} ", *keys)
        # fish puts a space between a flag and its value.
        expected = f"> {PROGRAM} {line.replace('=', ' ') if shell == 'fish' else line}"
        wait_until(lambda: any(expected in shown for shown in window.screen()) or None, expected)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_scripts_contain_each_command_and_flag(shell: str) -> None:
    script = SHELLS[shell]()
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", script)
        for flag in command_parser(command).flags():
            name = flag.name.removeprefix("--")
            assert f"--{name}" in script or f"-l {name} " in script or not flag.name.startswith("-")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["completion"], "SHELL: expected one of bash, zsh, fish"),
        (["completion", "tcsh"], "SHELL: expected one of bash, zsh, fish"),
        (["metrics", "bash"], "SHELL: not used by metrics, only by completion"),
    ],
)
def test_only_the_completion_needs_a_shell(words: list[str], problem: str) -> None:
    assert usage_errors("show", *words) == [problem]
