"""Whatever a client asks: it is answered or refused, and never by a fault of the exporter."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from exporter.core.log import new_log
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.security import Readiness, protected_app
from tests.properties.example_counts import tried
from tests.properties.json_strategies import texts
from tests.properties.scrape_invariants import judged
from tests.support.asgi_client import send_request
from tests.support.scripted_endpoint import json_response
from tests.support.virtual_exporter import VirtualExporter, virtual_exporters

CONFIG = """
accounts:
  - {name: one, account_id: "111122223333", regions: [eu-west-1, us-east-1], watch: [{kind: iot_job, discover: true}]}
"""
PATHS: tuple[str, ...] = (
    "/",
    "/metrics",
    "/probe",
    "/api/v1/operations",
    "/api/v1/cells",
    "/api/v1/openapi.json",
    "/config",
)
PATHS += ("/-/healthy", "/-/ready", "/-/reload")
NAMES = ("kind", "id", "region", "account", "q", "view", "status", "sort", "order", "limit")
VALUES: tuple[str, ...] = (
    "iot_job",
    "a",
    "eu-west-1",
    "one",
    "all",
    "desc",
    "progress",
    "-1",
    "0",
    "99999999999999999999",
    "Unknown",
    "٣",
)
HEADERS: tuple[str, ...] = (
    "accept",
    "accept-encoding",
    "x-prometheus-scrape-timeout-seconds",
    "origin",
    "host",
    "sec-fetch-site",
)
HEADERS += ("authorization", "content-length", "transfer-encoding", "cookie", "if-none-match", "range")
SAID: tuple[str, ...] = (
    "*/*",
    "application/openmetrics-text;version=1.0.0;q=0.5",
    "text/plain;version=abc;q=x",
    "gzip;q=0",
    "inf",
    "nan",
)
SAID += (
    "-1",
    "1e400",
    "0.0001",
    "Basic !",
    "cross-site",
    "http://[",
    "0",
    ";;,,;q",
    "application/openmetrics-text;version",
)

values = st.sampled_from(VALUES) | texts.filter(lambda text: len(text) < 2000)
pairs = st.lists(st.tuples(st.sampled_from(NAMES) | texts, values), max_size=5)
queries = pairs.map(lambda found: "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in found)) | st.text(
    max_size=20
)
headers = st.lists(
    st.tuples(st.sampled_from(HEADERS), st.sampled_from(SAID) | st.text(st.characters(codec="latin-1"), max_size=12)),
    max_size=4,
).map(lambda found: tuple((name.encode(), value.encode("latin-1")) for name, value in found))


def _quoted(text: str) -> str:
    return quote(text, errors="replace")


@pytest.fixture(scope="module")
def stage() -> Iterator[VirtualExporter]:
    with virtual_exporters(lambda api, request: json_response({"jobs": []})) as place, place.stage(CONFIG) as found:
        yield found


@tried(100)
@given(
    path=st.sampled_from(PATHS) | texts.map(lambda text: "/" + text.encode(errors="replace").decode()),
    query=queries,
    sent=headers,
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "", "get", "\u00e9"]),
)
def test_any_request_is_answered_or_refused(
    stage: VirtualExporter, path: str, query: str, sent: tuple[tuple[bytes, bytes], ...], method: str
) -> None:
    live = LiveWebConfig(None, new_log("error", stream=io.StringIO()))
    app = protected_app(stage.service.app, live, Readiness(), stage.loop.clock())
    answered = stage.loop.result(send_request(app, path, query, sent, method))
    event(f"status: {answered.status}")
    assert answered.status < 500
    assert stage.loop.faults == []


@tried(50)
@given(query=pairs)
def test_any_probe_is_answered_by_rows_or_by_what_is_wrong(
    stage: VirtualExporter, query: list[tuple[str, str]]
) -> None:
    known = {"kind": "iot_job", "id": "a", "region": "eu-west-1"}
    asked = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in {**known, **dict(query)}.items())
    answered = stage.get("/probe", asked)
    event(f"status: {answered.status}")
    assert answered.status in (200, 400)
    if answered.status == 200:
        assert judged(answered.text).rows("aws_iot_bulk_exporter_probe_success")
    else:
        assert answered.text.splitlines()
