"""``show``: print what follows from the tables: documents, policies, schemas, rules, dashboards."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from exporter.aws.models import Models
from exporter.aws.policy import policy
from exporter.config import config_schema
from exporter.documents import metrics_document
from exporter.kinds import KINDS
from exporter.monitoring import dashboards
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules
from exporter.web.openapi import openapi

SUBJECTS: Mapping[str, Callable[[], str]] = {
    "metrics": lambda: metrics_document(KINDS),
    "iam-policy": lambda: json.dumps(policy(KINDS, Models()), indent=2) + "\n",
    "config-schema": lambda: json.dumps(config_schema(KINDS), indent=2) + "\n",
    "openapi": lambda: json.dumps(openapi(KINDS), indent=2) + "\n",
    "prometheus-rules": prometheus_rules,
    "grafana-alerts": grafana_alerts,
    "dashboard": lambda: dashboards.fleet(KINDS),
    "dashboard-operation": lambda: dashboards.operation(KINDS),
    "dashboard-exporter": dashboards.exporter,
}


def run(subject: str) -> int:
    """Print one subject and return 0."""
    print(SUBJECTS[subject](), end="")
    return 0
