"""``show``: print what follows from the tables: documents, policies, schemas, rules, dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from exporter.aws.models import Models
from exporter.aws.policy import policy
from exporter.config import config_schema
from exporter.documents import metrics_document
from exporter.errors import ConfigError
from exporter.kinds import KINDS
from exporter.monitoring import dashboards
from exporter.monitoring.chart import chart_alerts
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules
from exporter.monitoring.rule import Rules
from exporter.monitoring.ruleset import rules
from exporter.monitoring.settings import UNCHANGED, parse_settings
from exporter.web.openapi import openapi
from exporter.yaml_text import read_text

SUBJECTS: Mapping[str, Callable[[], str]] = {
    "metrics": lambda: metrics_document(KINDS),
    "iam-policy": lambda: json.dumps(policy(KINDS, Models()), indent=2) + "\n",
    "config-schema": lambda: json.dumps(config_schema(KINDS), indent=2) + "\n",
    "openapi": lambda: json.dumps(openapi(KINDS), indent=2) + "\n",
    "chart-alerts": lambda: chart_alerts(KINDS),
    "dashboard": lambda: dashboards.fleet(KINDS),
    "dashboard-operation": lambda: dashboards.operation(KINDS),
    "dashboard-exporter": dashboards.exporter,
}
RULES: Mapping[str, Callable[[Rules], str]] = {
    "prometheus-rules": prometheus_rules,
    "grafana-alerts": grafana_alerts,
}
"""What is printed with the settings of a user."""


def run(subject: str, alerts_file: Path | None) -> int:
    """Print one subject and return 0. Raises ConfigError."""
    if subject in RULES:
        settings = parse_settings(read_text(alerts_file)) if alerts_file else UNCHANGED
        text = RULES[subject](rules(KINDS, settings))
    elif alerts_file:
        raise ConfigError([f"{subject} has nothing to do with a file of alerts; {', '.join(RULES)} have"])
    else:
        text = SUBJECTS[subject]()
    print(text, end="")
    return 0
