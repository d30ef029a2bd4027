"""/config shows what holds, defaults included, in a form that can be read again, and no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.duration import format_duration, seconds
from exporter.config.fields import MASK
from exporter.config.loader import parse_config
from exporter.config.shown import shown
from exporter.kinds.registry import KINDS
from tests.support import http_requests
from tests.support.exporter_server import exporting

FULL = """
accounts:
  - name: factory
    regions: [eu-west-1, us-east-1]
    role_arn: arn:aws:iam::111122223333:role/exporter
    external_id: external-SECRET
    watch:
      - {kind: thing_registration_task, ids: [a, b], discover: {statuses: [Failed], max_age: 7d, id_pattern: "^x"}}
      - {kind: greengrass_bulk_deployment, ids: [c], details: true}
  - {name: "gäste: [*]", account_id: "444455556666"}
refresh: {min_age: 90s, deadline: 500ms, stale_after: 1h30m}
aws: {api_budget: 0.25}
labels: {tags: [team]}
"""


@pytest.mark.parametrize("text", ["", FULL], ids=["the default", "a full one"])
def test_what_is_shown_is_what_was_read(text: str) -> None:
    config = parse_config(text, KINDS)
    again = parse_config(shown(config).replace(MASK, "external-SECRET"), KINDS)
    assert again.model_dump() == config.model_dump()


def test_defaults_are_shown_and_secrets_are_not() -> None:
    text = shown(parse_config(FULL, KINDS))
    assert "external-SECRET" not in text
    assert f"external_id: {MASK}\n" in text
    assert "session_name: aws-iot-bulk-exporter\n" in text
    assert "min_age: 1m30s\n" in text
    assert "deadline: 500ms\n" in text


@given(st.integers(min_value=-(10**9), max_value=10**11))
def test_a_duration_is_written_as_it_is_read(milliseconds: int) -> None:
    assert seconds(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, rel=1e-12)


@pytest.mark.parametrize("text", ["0ms", "0.25ms", "10s", "1h30m", "7d", "-5m", "1d1ms"])
def test_a_duration_in_its_shortest_form_stays_as_it_is(text: str) -> None:
    assert format_duration(seconds(text)) == text


def test_the_page_is_plain_text_that_nobody_keeps() -> None:
    with exporting(FULL, "http://127.0.0.1:1") as exporter:
        response = http_requests.get(f"{exporter.url}/config")
    assert response.text == shown(parse_config(FULL, KINDS))
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "no-store"
