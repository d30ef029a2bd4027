"""``show``: print what follows from the tables: documents, policies, schemas, rules, dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.aws.iam_policy import policy, policy_of
from exporter.aws.models import Models
from exporter.config.loader import config_schema, read_config
from exporter.config.strict_yaml import read_text
from exporter.core.errors import ConfigError
from exporter.kinds.registry import KINDS
from exporter.metrics.reference import metrics_document
from exporter.monitoring import dashboards
from exporter.monitoring.chart import chart_alerts
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.rules import Rules, rules
from exporter.monitoring.settings import UNCHANGED, parse_settings
from exporter.web.api.openapi import openapi

POLICY = "iam-policy"
SUBJECTS: Mapping[str, Callable[[], str]] = {
    "metrics": lambda: metrics_document(KINDS),
    POLICY: lambda: _json(policy(KINDS, Models())),
    "config-schema": lambda: _json(config_schema(KINDS)),
    "openapi": lambda: _json(openapi(KINDS)),
    "chart-alerts": lambda: chart_alerts(KINDS),
    "dashboard": lambda: dashboards.fleet_json(KINDS),
    "dashboard-operation": lambda: dashboards.operation_json(KINDS),
    "dashboard-exporter": dashboards.exporter_json,
}
RULES: Mapping[str, Callable[[Rules], str]] = {
    "prometheus-rules": prometheus_rules,
    "grafana-alerts": grafana_alerts,
}
"""What is printed with the settings of a user."""


def run(subject: str, alerts_file: Path | None, config_file: Path | None, account: str | None) -> int:
    """Print one subject and return 0: rules with the settings of a file, the policy that of a configuration.

    Raises ConfigError.
    """
    if alerts_file and subject not in RULES:
        raise ConfigError([f"{subject} has nothing to do with a file of alerts; {', '.join(RULES)} have"])
    if (config_file or account) and subject != POLICY:
        raise ConfigError([f"show {subject}: depends on no configuration; leave out --config.file and --account"])
    print(_text(subject, alerts_file, config_file, account), end="")
    return 0


def _text(subject: str, alerts_file: Path | None, config_file: Path | None, account: str | None) -> str:
    if subject in RULES:
        settings = parse_settings(read_text(alerts_file)) if alerts_file else UNCHANGED
        return RULES[subject](rules(KINDS, settings))
    if config_file:
        return _json(policy_of(read_config(config_file, KINDS), KINDS, Models(), account))
    if account:
        raise ConfigError(["--account: needs --config.file"])
    return SUBJECTS[subject]()


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
