"""``show``: print what follows from the tables: documents, policies, schemas, rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exporter.aws.models import Models
from exporter.aws.policy import policy, policy_of
from exporter.config import config_schema, read_config
from exporter.documents import metrics_document
from exporter.errors import ConfigError
from exporter.kinds import KINDS
from exporter.monitoring.grafana import grafana_alerts
from exporter.monitoring.prometheus import prometheus_rules

POLICY = "iam-policy"
SUBJECTS: Mapping[str, Callable[[], str]] = {
    "metrics": lambda: metrics_document(KINDS),
    POLICY: lambda: _json(policy(KINDS, Models())),
    "config-schema": lambda: _json(config_schema(KINDS)),
    "prometheus-rules": prometheus_rules,
    "grafana-alerts": grafana_alerts,
}


def run(subject: str, config_file: Path | None, account: str | None) -> int:
    """Print one subject and return 0; the policy may be that of a configuration. Raises ConfigError."""
    if config_file is None and account is None:
        print(SUBJECTS[subject](), end="")
        return 0
    if subject != POLICY:
        raise ConfigError([f"show {subject}: depends on no configuration; leave out --config.file and --account"])
    if config_file is None:
        raise ConfigError(["--account: needs --config.file"])
    print(_json(policy_of(read_config(config_file, KINDS), KINDS, Models(), account)), end="")
    return 0


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2) + "\n"
