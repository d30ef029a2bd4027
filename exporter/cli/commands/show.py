"""``show`` prints documents, policies, schemas, rules and dashboards that are generated from code."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from exporter.aws.iam_policy import config_policy, policy
from exporter.aws.models import Models
from exporter.cli import flags
from exporter.cli.completion import SHELLS
from exporter.cli.parser import CommandParser
from exporter.cli.reference import configuration_document
from exporter.config.loader import config_schema, read_config
from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.monitoring.dashboards.exporter import exporter_dashboard
from exporter.monitoring.dashboards.fleet import fleet_dashboard
from exporter.monitoring.dashboards.operation import operation_dashboard
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.inhibitions import alertmanager_inhibitions
from exporter.monitoring.prometheus import chart_alerts, prometheus_rules
from exporter.monitoring.rules import rules
from exporter.monitoring.settings import UNCHANGED, Settings, read_settings
from exporter.simulator.reference import scenarios_document
from exporter.simulator.scenario import scenario_text
from exporter.web.api.openapi import openapi

POLICY = "iam-policy"
DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "metrics": lambda: metrics_document(KINDS),
    POLICY: lambda: _json(policy(KINDS, Models())),
    "config-schema": lambda: _json(config_schema(KINDS)),
    "configuration": lambda: configuration_document(KINDS),
    "scenarios": scenarios_document,
    "scenario": scenario_text,
    "openapi": lambda: _json(openapi(KINDS)),
    "chart-alerts": lambda: chart_alerts(rules(KINDS)),
    "chart-grafana-alerts": lambda: grafana_alerts(rules(KINDS).with_chart_placeholders()),
}
# These subjects depend on the alert settings of the user.
MONITORING: Mapping[str, Callable[[Settings], str]] = {
    "prometheus-rules": lambda settings: prometheus_rules(rules(KINDS, settings)),
    "grafana-alerts": lambda settings: grafana_alerts(rules(KINDS, settings)),
    "alertmanager-inhibitions": lambda settings: alertmanager_inhibitions(rules(KINDS, settings)),
    "dashboard": lambda settings: fleet_dashboard(KINDS, settings),
    "dashboard-operation": lambda settings: operation_dashboard(KINDS, settings),
    "dashboard-exporter": lambda settings: exporter_dashboard(settings.selection),
}
COMPLETION = "completion"
SUBJECTS = (*DOCUMENTS, *MONITORING, COMPLETION)


def add_arguments(parser: CommandParser) -> None:
    """Add the subject and the flags of ``show``."""
    help = f"One of {', '.join(SUBJECTS)}."
    parser.add_value("subject", flags.one_of(*SUBJECTS), "SUBJECT", help, default="", nargs="?")
    help = f"The shell of {COMPLETION}: one of {', '.join(SHELLS)}."
    parser.add_value("shell", flags.one_of(*SHELLS), "SHELL", help, nargs="?")
    help = "Thresholds and other settings of the rules; see docs/monitoring.md."
    parser.add_value("--alerts.file", flags.file_path, "PATH", help)
    flags.add_config_file(parser)
    help = "Print the policy for the credentials of this account; for the exporter's own if omitted."
    parser.add_value("--account", flags.name, "NAME", help)
    help = "Print the policy of this role of the configuration: a role_arn, or the role_name of an organization."
    parser.add_value("--role", flags.name, "ROLE", help)
    help = "The policy also allows the calls that find failed items, as with failures: true in the configuration."
    parser.add_argument("--failures", action="store_true", help=help)


def run(
    subject: str,
    shell: str | None,
    alerts_file: Path | None,
    config_file: Path | None,
    account: str | None,
    role: str | None,
    failures: bool,
) -> int:
    """Print the subject and return 0. Raises ConfigError."""
    uses = {
        "SHELL": (shell, (COMPLETION,)),
        "--alerts.file": (alerts_file, tuple(MONITORING)),
        "--config.file": (config_file, (POLICY,)),
        "--account": (account, (POLICY,)),
        "--role": (role, (POLICY,)),
        "--failures": (failures, (POLICY,)),
    }
    problems = [*_unused_flags(subject, uses), *_policy_problems(subject, config_file, account, role)]
    if subject == COMPLETION and not shell:
        problems.append(f"SHELL: expected one of {', '.join(SHELLS)}")
    if problems:
        raise ConfigError(problems)
    if shell:
        text = SHELLS[shell]()
    elif subject == POLICY:
        text = _json(_policy(config_file, account, role, failures))
    else:
        text = _document(subject, alerts_file)
    print(text, end="")
    return 0


def _unused_flags(subject: str, uses: Mapping[str, tuple[object, Sequence[str]]]) -> Iterator[str]:
    """Yield a problem for each flag with a value that the subject does not use. ``uses`` has its value and subjects."""
    for flag, (value, subjects) in uses.items():
        if value and subject not in subjects:
            yield f"{flag}: not used by {subject}, only by {', '.join(subjects)}"


def _policy_problems(subject: str, config_file: Path | None, account: str | None, role: str | None) -> Iterator[str]:
    """Yield the problems of the flags that select a policy."""
    for flag, value in (("--account", account), ("--role", role)):
        if value and not config_file and subject == POLICY:
            yield f"{flag}: needs --config.file"
    if account and role:
        yield "--account, --role: use only one of them"


def _document(subject: str, alerts_file: Path | None) -> str:
    if subject in MONITORING:
        return MONITORING[subject](read_settings(alerts_file, KINDS) if alerts_file else UNCHANGED)
    return DOCUMENTS[subject]()


def _policy(config_file: Path | None, account: str | None, role: str | None, failures: bool) -> Mapping[str, Any]:
    if config_file:
        return config_policy(read_config(config_file, KINDS), KINDS, Models(), account, failures, role)
    return policy(KINDS, Models(), failures)


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
