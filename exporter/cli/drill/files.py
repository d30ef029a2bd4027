"""The files that the programs of the drill read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.drill.cases import DISCOVERY, Case
from exporter.config.fields import EVERY_REGION
from exporter.config.partitions import ENABLED_BY_DEFAULT

SCRAPE_INTERVAL = "1s"
# No scenario has an operation in this Region.
HEALTHY_REGION = "sa-east-1"
# The simulated AWS has no such account, so that this role cannot be assumed.
UNREADABLE_ORGANIZATION = {"role_name": "drill", "role_arn": "arn:aws:iam::999988887777:role/organization-reader"}
INVALID_CONFIG = "accounts: [{regions: Mars}]\n"
SILENT_ALERTMANAGER = {"route": {"receiver": "none"}, "receivers": [{"name": "none"}]}


def write_file(path: Path, content: Any) -> Path:
    """Write a text, or other content as YAML, and return the path."""
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path


def exporter_config(
    cases: Iterable[Case], kinds: Collection[str], organizations: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the configuration that watches the cells of the cases, limited to these kinds, and organizations."""
    accounts = [
        {
            **_account(case.alert.name, case.scenario["accounts"][0], region, {"kind": kind, **case.watch}),
            **({"role_arn": case.role} if case.role else {}),
            **(_found_region(region) if case.is_found else {}),
        }
        for case in cases
        for region, kind in case.cells
        if kind in kinds
    ]
    found = {"organizations": [*organizations]} if organizations else {}
    return {"accounts": accounts, **found, "refresh": {"min_age": "500ms"}}


def healthy_config(account_id: str, kind: str) -> dict[str, Any]:
    """Return the configuration of an exporter that reads no operation."""
    return {"accounts": [_account("healthy", account_id, HEALTHY_REGION, {"kind": kind, **DISCOVERY})]}


def target_groups(jobs: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Return the content of Prometheus's file of targets. It reads the file again when it changes."""
    return [{"targets": list(targets), "labels": {"job": job}} for job, targets in jobs.items()]


def prometheus_config(targets: Path, rules: Path, alertmanager: str) -> dict[str, Any]:
    """Return Prometheus's configuration. The label ``drill`` marks every alert."""
    return {
        "global": {
            "scrape_interval": SCRAPE_INTERVAL,
            "scrape_timeout": SCRAPE_INTERVAL,
            "evaluation_interval": SCRAPE_INTERVAL,
            "external_labels": {"drill": "true"},
        },
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [{"job_name": "drill", "file_sd_configs": [{"files": [str(targets)]}]}],
    }


def _found_region(region: str) -> dict[str, Any]:
    """Return settings with which the exporter finds this Region, and no other one that is enabled by default."""
    return {"regions": EVERY_REGION, "exclude_regions": [name for name in ENABLED_BY_DEFAULT if name != region]}


def _account(name: str, account_id: str, region: str, watch: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "account_id": account_id, "regions": [region], "watch": [dict(watch)]}
