"""Secrets in the reasons of failed items are in no output: table, JSON, CSV, API and page."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from exporter.cli.failures_output import FORMATS
from exporter.core.model import CellKey
from exporter.kinds.kind import Kind
from exporter.kinds.registry import KINDS
from tests.support import http_requests
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_exporter, serve_simulated_aws
from tests.support.failed_items import failures_at
from tests.support.scripted_endpoint import ACCOUNT_ID
from tests.support.secret_canaries import canaries, leaks

PLANTED = canaries("reason", "link, PEM, token, password, JSON, user")
TEXTS = {
    "link": "GET https://b.s3.amazonaws.com/fw?X-Amz-Signature={}&X-Amz-Date=1",
    "PEM": "-----BEGIN CERTIFICATE-----\nMIIE{}\n-----END CERTIFICATE-----",
    "token": "Authorization: Bearer {}",
    "password": "install --password {} failed",
    "JSON": '{{"credentials": {{"key": "{}"}}}}',
    "user": "mqtts://device:{}@broker.example",
}
ENCODINGS: tuple[Callable[[str], str], ...] = (str, lambda text: json.dumps({"detail": text}), quote)
REASONS = [encode(text.format(PLANTED[f"reason: {place}"])) for place, text in TEXTS.items() for encode in ENCODINGS]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.failures], ids=lambda kind: kind.name)
def test_no_output_contains_a_secret_of_a_reason(kind: Kind[Any]) -> None:
    operation = {
        "kind": kind.name,
        "id": "secrets",
        "region": "eu-west-1",
        "items": len(REASONS),
        "failures": [{"reason": reason} for reason in REASONS],
        "timeline": [{"at": "0s", "status": min(kind.completed), "done": 1.0, "failed": 1.0}],
    }
    scenario = json.dumps({"accounts": [ACCOUNT_ID], "quotas": False, "operations": [operation]})
    watch = f"{{kind: {kind.name}, ids: [secrets]}}"
    config = f"""
accounts: [{{account_id: "{ACCOUNT_ID}", regions: [eu-west-1], watch: [{watch}]}}]
aws: {{api_budget: 1.0}}
failures: true
"""
    clock = ManualClock()
    with serve_simulated_aws(scenario, clock) as (endpoint, _):
        failures = failures_at(endpoint, kind.name, "secrets", clock=clock)
        key = CellKey("default", "eu-west-1", kind.name)
        outputs = {name: text(key, failures).encode() for name, text in FORMATS.items()}
        with serve_exporter(config, endpoint, clock) as exporter:
            path = f"operations/{kind.name}/secrets"
            outputs["API"] = http_requests.get(f"{exporter.url}/api/v1/{path}/failures").content
            outputs["page"] = http_requests.get(f"{exporter.url}/{path}").content
        outputs["log"] = exporter.log.getvalue().encode()
    assert len(json.loads(outputs["API"])["items"]) == len(REASONS)
    assert b"redacted" in outputs["page"]
    assert leaks(PLANTED, outputs) == []
