"""``show`` prints documents, policies, schemas, rules and dashboards that are generated from code."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exporter.aws.iam_policy import policy, policy_of
from exporter.aws.models import Models
from exporter.cli import flags
from exporter.config.loader import config_schema, read_config
from exporter.config.strict_yaml import problems_in, read_text
from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.monitoring.dashboards.exporter import exporter_dashboard
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.operation import operation_dashboard
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import chart_alerts, prometheus_rules
from exporter.monitoring.rules import Rules, rules
from exporter.monitoring.settings import UNCHANGED, parse_settings
from exporter.web.api.openapi import openapi

POLICY = "iam-policy"
DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "metrics": lambda: metrics_document(KINDS),
    POLICY: lambda: _json(policy(KINDS, Models())),
    "config-schema": lambda: _json(config_schema(KINDS)),
    "openapi": lambda: _json(openapi(KINDS)),
    "chart-alerts": lambda: chart_alerts(rules(KINDS)),
    "dashboard": lambda: fleet_dashboard(KINDS),
    "dashboard-operation": lambda: operation_dashboard(KINDS),
    "dashboard-exporter": exporter_dashboard,
}
# These subjects depend on the alert settings of the user.
RULES: Mapping[str, Callable[[Rules], str]] = {
    "prometheus-rules": prometheus_rules,
    "grafana-alerts": grafana_alerts,
}
SUBJECTS = (*DOCUMENTS, *RULES)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The subject, and the values of the flags."""

    subject: str
    alerts_file: Path | None = None
    config_file: Path | None = None
    account: str | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subject and the flags of ``show``."""
    parser.add_argument(
        "subject",
        type=flags.one_of(*SUBJECTS),
        nargs="?",
        default="",
        metavar="SUBJECT",
        help=f"One of {', '.join(SUBJECTS)}.",
    )
    parser.add_argument(
        "--alerts.file",
        dest="alerts_file",
        type=flags.file_path,
        metavar="PATH",
        help="Thresholds and other settings of the rules; see docs/monitoring.md.",
    )
    flags.add_config_file(parser)
    parser.add_argument(
        "--account",
        type=flags.name,
        metavar="NAME",
        help="Print the policy for the credentials of this account; for the exporter's own if omitted.",
    )


def run(arguments: Arguments) -> int:
    """Print the subject and return 0. Raises ConfigError."""
    subject = arguments.subject
    if arguments.alerts_file and subject not in RULES:
        raise ConfigError([f"--alerts.file: not used by {subject}, only by {' and '.join(RULES)}"])
    if (arguments.config_file or arguments.account) and subject != POLICY:
        raise ConfigError([f"--config.file, --account: not used by {subject}, only by {POLICY}"])
    print(_text(arguments), end="")
    return 0


def _text(arguments: Arguments) -> str:
    if arguments.subject in RULES:
        with problems_in(arguments.alerts_file):
            settings = parse_settings(read_text(arguments.alerts_file)) if arguments.alerts_file else UNCHANGED
        return RULES[arguments.subject](rules(KINDS, settings))
    if arguments.config_file:
        return _json(policy_of(read_config(arguments.config_file, KINDS), KINDS, Models(), arguments.account))
    if arguments.account:
        raise ConfigError(["--account: needs --config.file"])
    return DOCUMENTS[arguments.subject]()


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
