"""The document about the configuration: keys, flags, variables, log fields and exit statuses, from the code."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exporter.cli.main import COMMANDS, PROGRAM, command_parser
from exporter.collector import shards
from exporter.config.key_tables import key_tables, table
from exporter.config.sections import Config
from exporter.kinds.kind import Kind
from exporter.web import healthcheck

CONTENTS = """\
- [Configuration file](#configuration-file)
- [Flags](#flags)
- [Environment variables](#environment-variables)
- [Log fields](#log-fields)
- [Exit statuses](#exit-statuses)"""
FILE = """\
[config.example.yaml](../config.example.yaml) is an example with every key. Editors complete and check the file with
[config.schema.json](config.schema.json)."""
LOG = """\
Each line of the log is logfmt, or JSON with `--log.format=json`. A line contains only the fields that it needs."""
SECTIONS: Mapping[str, str] = {
    "Config": "File",
    "Account": "Account",
    "Organization": "Organization",
    "AccountSelection": "Accounts of an organization",
    "Watch": "Watch",
    "Discover": "Discover",
    "Refresh": "Refresh",
    "Aws": "AWS",
    "Labels": "Labels",
    "Links": "Links",
}
VARIABLES: Mapping[str, str] = {
    shards.ORDINAL: "The number of this shard, if `--shard.ordinal` is not set.",
    shards.TOTAL: "The number of shards, if `--shard.total` is not set.",
    healthcheck.VARIABLE: f"The URL that the image's health check requests. Default: `{healthcheck.DEFAULT_URL}`.",
    "AWS_REGION": "The Region of accounts without `regions`. `AWS_DEFAULT_REGION` and the profile come after it.",
    "AWS_DEFAULT_REGION": "The Region of accounts without `regions`, if `AWS_REGION` is not set.",
    "AWS_ENDPOINT_URL": "The URL of all APIs of AWS, for example of a simulated AWS.",
    "AWS_ENDPOINT_URL_IOT": "The URL of one service. The end of the name is the service: `IOT`, `GREENGRASS`, "
    "`GREENGRASSV2`, `STS`, `ORGANIZATIONS` or `ACCOUNT`. Links of error reports may also lead to the host of `S3`.",
    "AWS_ACCESS_KEY_ID": "The access key, with `AWS_SECRET_ACCESS_KEY` and, if it is temporary, `AWS_SESSION_TOKEN`. "
    "The other variables of boto3's credential chain work too.",
    "AWS_ROLE_ARN": "The role of IRSA, whose token is in the file `AWS_WEB_IDENTITY_TOKEN_FILE`.",
    "AWS_PROFILE": "The profile in the files that `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE` name.",
    "AWS_CA_BUNDLE": "The file with the certificate authorities for the APIs of AWS.",
    "HTTPS_PROXY": "The proxy for the APIs of AWS. `NO_PROXY` lists hosts without a proxy.",
    "NO_COLOR": "`watch` uses no colors.",
    "TERM": "The type of the terminal. `watch` prints lines instead of a table if it is `dumb`.",
}
LOG_FIELDS: Mapping[str, str] = {
    "organization": "The place of an organization in the configuration.",
    "accounts": "The number of accounts in the last list of an organization, or of those that the event concerns.",
    "accounts_before": "The number of accounts in the list of an organization that was used before.",
    "ts": "The time in UTC, in the format of RFC 3339.",
    "level": "`debug`, `info`, `warn` or `error`.",
    "msg": "A fixed text for each event.",
    "account": "The name of the account in the configuration.",
    "region": "The Region.",
    "kind": "The kind of operation.",
    "subject": "The id of the operation, or the list, of which the call failed.",
    "reason": "The reason of the failure. For AWS calls, it is the label `reason` of the metrics.",
    "detail": "More about the reason, for example the error code of AWS.",
    "id": "The id of an operation that AWS does not know.",
    "active_omitted": "The number of active operations beyond `max_operations`.",
    "problems": "The first 20 problems in a file, each with its place.",
    "file": "The path of the state file.",
    "cells": "The number of cells: a cell is one kind in one Region of an account.",
    "shard": "The number of this shard, from 0.",
    "shards": "The number of shards.",
    "url": "The URL of the metrics.",
    "version": "The version of the exporter.",
    "source": "The setting from which the default Region comes.",
    "library": "The library that logged a warning.",
    "where": "The module and the line of the warning.",
    "error": "The type of the exception that the library logged.",
}
EXIT_STATUSES: Mapping[str, str] = {
    "0": "Success.",
    "1": "A failure at run time, for example a port in use. For `check --live`: a call failed. For `drill`: an alert "
    "did not fire or did not end. For `watch --until-done`: an operation failed, or more of its items than "
    "`--max-failed`. For `failures`: AWS does not know the operation.",
    "2": "A flag or a file is invalid. The first 20 problems are printed.",
    "3": "For `watch --until-done`: AWS could not be read for `--give-up-after`, or refused the first read. "
    "For `failures`: a call to AWS failed. What the other calls found is printed. For both: an organization cannot be "
    "read.",
    "4": "For `watch --until-done`: no operation failed for certain, but the counts of a job with retries do not show "
    "whether all of its things succeeded.",
    "5": "For `watch`: the time of `--timeout` has passed.",
    "74": "Standard output cannot be written, for example because the disk is full.",
    "130": "SIGINT (Ctrl+C) ended the process.",
    "141": "The reader of standard output has ended, for example `head`.",
    "143": "SIGTERM ended a command. `serve` ends with 0.",
}


def configuration_document(kinds: Sequence[Kind[Any]]) -> str:
    """Return docs/configuration.md."""
    parts = (
        "# Configuration",
        f"The command `{PROGRAM} show configuration` prints this page.",
        CONTENTS,
        "## Configuration file",
        FILE,
        key_tables(Config, SECTIONS, "###"),
        "### Options of kinds",
        "A `watch` can also contain the options of its kind:",
        table(("kind", "key", "type", "default", "meaning"), _options(kinds)),
        "## Flags",
        "\n\n".join(_flags(command) for command in COMMANDS),
        "## Environment variables",
        table(("variable", "meaning"), _rows(VARIABLES)),
        "## Log fields",
        LOG,
        table(("field", "content"), _rows(LOG_FIELDS)),
        "## Exit statuses",
        table(("status", "meaning"), _rows(EXIT_STATUSES)),
    )
    return "\n\n".join(parts) + "\n"


def _options(kinds: Sequence[Kind[Any]]) -> Iterator[tuple[str, ...]]:
    for kind in kinds:
        for option in kind.options:
            yield (f"`{kind.name}`", f"`{option.name}`", "`true` or `false`", "`false`", option.help)


def _flags(command: str) -> str:
    rows = ((f"`{flag.name}`", flag.value, flag.default, flag.help) for flag in command_parser(command).flags())
    return f"### {command}\n\n{COMMANDS[command]}\n\n" + table(("flag", "value", "default", "meaning"), rows)


def _rows(texts: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    return ((f"`{name}`", text) for name, text in texts.items())
