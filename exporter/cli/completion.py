"""Completion of the command line for bash, zsh and fish, generated from the parsers of the commands."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from shlex import quote

from exporter.cli.main import COMMANDS, DEFAULT_COMMAND, PROGRAM, command_parser
from exporter.cli.parser import Flag

FUNCTION = f"_{PROGRAM.replace('-', '_')}"
# The names of values that are paths.
PATHS = ("PATH", "FILE")
BASH = """\
# Completion of {program} for bash. To use it: source <({program} show completion bash)
{function}() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} flag="" prefix="" words="" command={default}
    [[ $COMP_CWORD -gt 1 && ${{COMP_WORDS[1]}} != -* ]] && command=${{COMP_WORDS[1]}}
    # Bash splits the word --flag=value at its equals sign, unless COMP_WORDBREAKS lacks this character.
    if [[ $current == "=" ]]; then
        flag=${{COMP_WORDS[COMP_CWORD - 1]}} current=""
    elif [[ ${{COMP_WORDS[COMP_CWORD - 1]}} == "=" ]]; then
        flag=${{COMP_WORDS[COMP_CWORD - 2]}}
    elif [[ $current == --*=* ]]; then
        flag=${{current%%=*}} prefix=${{current%%=*}}= current=${{current#*=}}
    elif [[ ${{COMP_WORDS[COMP_CWORD - 1]}} == --* ]]; then
        flag=${{COMP_WORDS[COMP_CWORD - 1]}}
    fi
    case "$command $flag" in
{values}
    esac
    case $command in
{flags}
    esac
    [[ $COMP_CWORD -eq 1 ]] && words="{commands} $words"
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ ${{#COMPREPLY[@]}} -eq 1 && ${{COMPREPLY[0]}} == *= ]] && compopt -o nospace
    return 0
}}
complete -F {function} {program}
"""
ZSH = """\
#compdef {program}
# Completion of {program} for zsh. To use it: source <({program} show completion zsh)
{function}() {{
    local command={default}
    local -a commands=({commands})
    if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
        _describe command commands
        return
    elif [[ $words[2] != -* ]]; then
        command=$words[2]
        shift words
        (( CURRENT-- ))
    fi
    case $command in
{flags}
    esac
}}
if [[ $funcstack[1] == {function} ]]; then
    {function} "$@"
else
    compdef {function} {program}
fi
"""


def bash() -> str:
    """Return the script for bash."""
    return BASH.format(
        program=PROGRAM,
        function=FUNCTION,
        default=DEFAULT_COMMAND,
        commands=" ".join(COMMANDS),
        values="\n".join(_bash_values(command, flag) for command in COMMANDS for flag in _valued(command)),
        flags="\n".join(f'    {command}) words="{" ".join(_bash_words(command))}" ;;' for command in COMMANDS),
    )


def _bash_values(command: str, flag: Flag) -> str:
    option = "-f" if flag.value in PATHS else f'-W "{" ".join(flag.words)}"'
    reply = f'COMPREPLY=($(compgen {option} -P "$prefix" -- "$current"))'
    return f'    "{command} {flag.name}") {reply}; return 0 ;;'


def _bash_words(command: str) -> Iterator[str]:
    for flag in _flags(command):
        if flag.name.startswith("-"):
            yield f"{flag.name}=" if flag.value else flag.name
        else:
            yield from flag.words


def zsh() -> str:
    """Return the script for zsh."""
    return ZSH.format(
        program=PROGRAM,
        function=FUNCTION,
        default=DEFAULT_COMMAND,
        commands=" ".join(quote(f"{command}:{summary}") for command, summary in COMMANDS.items()),
        flags="\n".join(
            f"    {command}) _arguments {' '.join(quote(_zsh_argument(flag)) for flag in _flags(command))} ;;"
            for command in COMMANDS
        ),
    )


def _zsh_argument(flag: Flag) -> str:
    action = "_files" if flag.value in PATHS else f"({' '.join(flag.words)})" if flag.words else " "
    if not flag.name.startswith("-"):
        return f"::{flag.name}:{action}"
    text = re.sub(r"([\[\]:\\])", r"\\\1", flag.help)
    return f"*{flag.name}=[{text}]:{_zsh_name(flag)}:{action}" if flag.value else f"{flag.name}[{text}]"


def _zsh_name(flag: Flag) -> str:
    return flag.value.replace(":", "\\:")


def fish() -> str:
    """Return the script for fish."""
    lines = [
        f"# Completion of {PROGRAM} for fish. To use it: {PROGRAM} show completion fish | source",
        f"complete -c {PROGRAM} -f",
        *(
            f"complete -c {PROGRAM} -n __fish_use_subcommand -a {command} -d {_fish_text(summary)}"
            for command, summary in COMMANDS.items()
        ),
        *(_fish_flag(command, flag) for command in COMMANDS for flag in _flags(command)),
    ]
    return "\n".join(lines) + "\n"


def _fish_flag(command: str, flag: Flag) -> str:
    other = " ".join(name for name in COMMANDS if name != command)
    is_command = f"__fish_seen_subcommand_from {command}"
    condition = f"not __fish_seen_subcommand_from {other}" if command == DEFAULT_COMMAND else is_command
    begin = f"complete -c {PROGRAM} -n '{condition}'"
    if not flag.name.startswith("-"):
        return f"{begin} -a '{' '.join(flag.words)}'"
    words = f" -a '{' '.join(flag.words)}'" if flag.words else ""
    value = (" -r -F" if flag.value in PATHS else f" -x{words}") if flag.value else ""
    return f"{begin} -l {flag.name.removeprefix('--')}{value} -d {_fish_text(flag.help)}"


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SHELLS: Mapping[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}


def _flags(command: str) -> Sequence[Flag]:
    help = [Flag("--help", "", "", "Show the flags of the command.")]
    return [*command_parser(command).flags(), *help]


def _valued(command: str) -> Iterator[Flag]:
    return (flag for flag in _flags(command) if flag.value)
