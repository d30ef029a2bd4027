"""The files that the programs of the drill read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.drill.cases import Case, merged

SCRAPE_INTERVAL = "1s"
HEALTHY_REGION = "sa-east-1"
"""Where nothing ever happens."""
SPOILT = "accounts: [{regions: Mars}]\n"
QUIET = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}


@dataclass(frozen=True, slots=True)
class Files:
    """A folder with what the programs read and write."""

    folder: Path

    def put(self, name: str, content: Any) -> Path:
        """Write a file and return its path; what is no text becomes YAML."""
        path = self.folder / name
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        path.write_text(text, encoding="utf-8")
        return path


def bad_scenario(cases: Iterable[Case]) -> dict[str, Any]:
    """Return the scenario in which every alert that AWS can cause goes off."""
    return merged(cases)


def good_scenario(cases: Iterable[Case]) -> dict[str, Any]:
    """Return the scenario of the same accounts in which nothing happens."""
    return {"accounts": merged(cases)["accounts"]}


def exporter_config(cases: Iterable[Case], kinds: Collection[str]) -> dict[str, Any]:
    """Return the configuration that watches what the cases are about, as far as it is of these kinds."""
    accounts = [
        _account(case.alert.name, case.scenario["accounts"][0], region, kind)
        for case in cases
        for region, kind in case.cells
        if kind in kinds
    ]
    return {"accounts": accounts, "refresh": {"min_age": "500ms"}}


def quiet_config(account_id: str, kind: str) -> dict[str, Any]:
    """Return the configuration of an exporter that sees nothing happen."""
    return {"accounts": [_account("quiet", account_id, HEALTHY_REGION, kind)]}


def prometheus_config(jobs: Mapping[str, Iterable[str]], rules: Path, alertmanager: str) -> dict[str, Any]:
    """Return Prometheus's configuration; whatever it sends says that it is a drill."""
    return {
        "global": {
            "scrape_interval": SCRAPE_INTERVAL,
            "scrape_timeout": SCRAPE_INTERVAL,
            "evaluation_interval": SCRAPE_INTERVAL,
            "external_labels": {"drill": "true"},
        },
        "rule_files": [str(rules)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(targets)}]} for job, targets in jobs.items()
        ],
    }


def _account(name: str, account_id: str, region: str, kind: str) -> dict[str, Any]:
    watch = [{"kind": kind, "discover": True}]
    return {"name": name, "account_id": account_id, "regions": [region], "watch": watch}
