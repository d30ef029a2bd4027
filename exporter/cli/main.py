"""The command line: flags and commands."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from exporter import __version__
from exporter.cli.flags import (
    Command,
    Flag,
    duration,
    file_path,
    one_of,
    parser_of,
    url_path,
    values_of,
    whole_number,
    word,
)
from exporter.collector.shards import MOST, chosen_shard
from exporter.core.errors import ConfigError, StartError
from exporter.core.log import FORMATS, LEVELS, new_log
from exporter.web.listener.server import parse_address

PROGRAM = "aws-iot-bulk-exporter"
ABOUT = "Prometheus exporter for the bulk operations of AWS IoT. Without a command it serves."
BAD_USAGE = 2
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
"""What a shell says of a process that one of these signals ended: neither is a success."""

CONFIG = Flag("--config.file", "The configuration; without it every default holds.", file_path, placeholder="PATH")
LISTEN = Flag(
    "--web.listen-address",
    "Where /metrics is served; may be given several times.",
    parse_address,
    ":10098",
    "HOST:PORT",
    is_repeatable=True,
)
WEB_CONFIG = Flag(
    "--web.config.file",
    "TLS, passwords, headers and limits, in exporter-toolkit's format; without it plain HTTP for everybody.",
    file_path,
    placeholder="PATH",
)
PATH = Flag("--web.telemetry-path", "The path of the metrics.", url_path, "/metrics", "PATH")
LOG_LEVEL = Flag("--log.level", f"One of {', '.join(LEVELS)}.", one_of(*LEVELS), "info", "LEVEL")
LOG_FORMAT = Flag("--log.format", f"One of {', '.join(FORMATS)}.", one_of(*FORMATS), "logfmt", "FORMAT")
ORDINAL = Flag(
    "--shard.ordinal",
    "The number of this shard, from 0; else SHARD_ORDINAL, or the end of the host name.",
    whole_number(0, MOST - 1),
    placeholder="N",
)
TOTAL = Flag(
    "--shard.total", "How many shards there are; else SHARD_TOTAL, or 1.", whole_number(1, MOST), placeholder="N"
)
CREDENTIALS = Flag(
    "--account",
    "Print the policy of this account's credentials; without it that of the exporter's own.",
    word,
    placeholder="NAME",
)
LIVE = Flag("--live", "Make one real call of each sort for each cell.", bool, is_switch=True)
SIMULATOR = Flag("--listen-address", "Where AWS is simulated.", parse_address, "127.0.0.1:10099", "HOST:PORT")
SCENARIO = Flag("--scenario", "What happens; without it the demo's scenario.", file_path, placeholder="FILE")
STATE = Flag(
    "--state.file",
    "Where finished operations are kept, so that none is read again after a restart; without it nowhere.",
    file_path,
    placeholder="PATH",
)
KIND = Flag("--kind", "Watch operations of this kind only.", word, placeholder="KIND")
ID = Flag(
    "--id", "Watch this operation; may be repeated, and needs --kind.", word, placeholder="ID", is_repeatable=True
)
REGION = Flag("--region", "Watch this Region only.", word, placeholder="REGION")
ACCOUNT = Flag("--account", "Watch this account of the configuration only.", word, placeholder="NAME")
INTERVAL = Flag("--interval", "How often AWS is asked; else refresh.min_age.", duration, placeholder="DURATION")
UNTIL_DONE = Flag("--until-done", "End when all is done, with 1 if anything failed.", bool, is_switch=True)
GIVE_UP = Flag(
    "--give-up-after", "With --until-done: end with 3 when AWS cannot be read for so long.", duration, "5m", "DURATION"
)
SERVING = (CONFIG, LISTEN, WEB_CONFIG, PATH, LOG_LEVEL, LOG_FORMAT, ORDINAL, TOTAL, STATE)
ALERTS = Flag(
    "--alerts.file", "Thresholds and more for the rules; see docs/monitoring.md.", file_path, placeholder="PATH"
)
ALERTMANAGER = Flag(
    "--alertmanager.config.file",
    "Your Alertmanager's configuration: its receivers are called. Without it nobody is.",
    file_path,
    placeholder="PATH",
)
HOLD = Flag("--hold", "Let the alerts fire until Ctrl+C.", bool, is_switch=True)
SUBJECTS = (
    "metrics",
    "iam-policy",
    "config-schema",
    "openapi",
    "prometheus-rules",
    "grafana-alerts",
    "chart-alerts",
    "dashboard",
    "dashboard-operation",
    "dashboard-exporter",
)


def _serve(values: Mapping[str, Any]) -> int:
    # Until somebody listens to it, SIGHUP must not end the process; there is nothing to read again either.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from exporter.cli.commands.serve import Files, run

    shard = chosen_shard(values[ORDINAL.name], values[TOTAL.name], os.environ, socket.gethostname())
    log = new_log(values[LOG_LEVEL.name], values[LOG_FORMAT.name])
    files = Files(values[CONFIG.name], values[WEB_CONFIG.name], values[STATE.name])
    return run(files, values[LISTEN.name], values[PATH.name], shard, log)


def _check(values: Mapping[str, Any]) -> int:
    from exporter.cli.commands.check import run

    return run(values[CONFIG.name], values[WEB_CONFIG.name], values[LIVE.name])


def _watch(values: Mapping[str, Any]) -> int:
    from exporter.cli.commands.watch import Pace, Wish, run

    account, region, kind = (values[flag.name] or "" for flag in (ACCOUNT, REGION, KIND))
    pace = Pace(values[INTERVAL.name], values[UNTIL_DONE.name], values[GIVE_UP.name])
    return run(values[CONFIG.name], Wish(account, region, kind, tuple(values[ID.name])), pace)


def _demo(values: Mapping[str, Any]) -> int:
    from exporter.cli.commands.demo import run

    log = new_log(values[LOG_LEVEL.name], values[LOG_FORMAT.name])
    return run(values[LISTEN.name], values[WEB_CONFIG.name], log)


def _simulate(values: Mapping[str, Any]) -> int:
    from exporter.cli.commands.simulate import run

    return run(values[SIMULATOR.name], values[SCENARIO.name])


def _drill(values: Mapping[str, Any]) -> int:
    from exporter.cli.commands.drill import run

    return run(values[ALERTMANAGER.name], values[HOLD.name])


def _show(values: Mapping[str, Any]) -> int:
    from exporter.cli.commands.show import run

    return run(values["word"], values[ALERTS.name], values[CONFIG.name], values[CREDENTIALS.name])


COMMANDS = (
    Command("serve", "Serve /metrics.", _serve, SERVING),
    Command(
        "check", "Check the configuration and, with --live, the access to AWS.", _check, (CONFIG, WEB_CONFIG, LIVE)
    ),
    Command(
        "watch",
        "Show live progress; with --until-done wait for the end.",
        _watch,
        (CONFIG, ACCOUNT, REGION, KIND, ID, INTERVAL, UNTIL_DONE, GIVE_UP),
    ),
    Command("demo", "Serve /metrics of a simulated AWS.", _demo, (LISTEN, WEB_CONFIG, LOG_LEVEL, LOG_FORMAT)),
    Command("simulate", "Simulate AWS's APIs.", _simulate, (SIMULATOR, SCENARIO)),
    Command("drill", "Set off every alert on a simulated AWS and see it end.", _drill, (ALERTMANAGER, HOLD)),
    Command(
        "show",
        "Print documents, policies, rules and dashboards.",
        _show,
        (ALERTS, CONFIG, CREDENTIALS),
        words=SUBJECTS,
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 0, 1 for a failure at work, 2 for bad usage or configuration."""
    # As the first process of a container Python ignores SIGTERM until somebody handles it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(TERMINATED))
    words = list(sys.argv[1:] if arguments is None else arguments)
    by_name = {command.name: command for command in COMMANDS}
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "serve")
    try:
        if words[0] not in by_name and not words[0].startswith("-"):
            raise ConfigError([f"{words[0]}: expected one of {', '.join(by_name)}"])
        parsed, unknown = parser_of(PROGRAM, ABOUT, COMMANDS, __version__).parse_known_args(words)
        command = by_name[parsed.command]
        return command.run(values_of(command, parsed, unknown))
    except ConfigError as error:
        return _fail(error.problems, BAD_USAGE)
    except StartError as error:
        return _fail((str(error),), 1)
    except KeyboardInterrupt:
        return INTERRUPTED


def _fail(problems: Sequence[str], status: int) -> int:
    for problem in problems:
        print(f"{PROGRAM}: {problem}", file=sys.stderr)
    return status
