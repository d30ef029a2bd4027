"""Any request of a client: the exporter serves or refuses it, without an internal error."""

import io
from collections.abc import Iterable, Iterator
from threading import Event
from urllib.parse import quote, urlencode

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from exporter.core.log import new_log
from exporter.web.protection.live_config import LiveWebConfig
from exporter.web.protection.security import protected_app
from tests.properties.example_counts import settings_for
from tests.properties.json_strategies import texts
from tests.properties.scrape_invariants import checked_scrape
from tests.support.scripted_endpoint import json_response
from tests.support.virtual_exporter import VirtualExporter, send_request, virtual_exporters

CONFIG = """
accounts:
  - {name: first, account_id: "111122223333", regions: [eu-west-1, us-east-1], watch: [{kind: iot_job, discover: true}]}
"""
PATHS: tuple[str, ...] = ("/", "/metrics", "/probe", "/api/v1/operations", "/api/v1/cells", "/api/v1/openapi.json")
PATHS += ("/config", "/-/healthy", "/-/ready", "/-/reload")
NAMES = ("kind", "id", "region", "account", "q", "view", "status", "sort", "order", "limit")
VALUES: tuple[str, ...] = ("iot_job", "a", "eu-west-1", "first", "all", "desc", "progress", "-1", "0")
VALUES += ("99999999999999999999", "Unknown", "٣")
HEADERS: tuple[str, ...] = ("accept", "accept-encoding", "x-prometheus-scrape-timeout-seconds", "origin", "host")
HEADERS += ("sec-fetch-site", "authorization", "content-length", "transfer-encoding", "cookie", "if-none-match")
HEADERS += ("range",)
HEADER_VALUES: tuple[str, ...] = ("*/*", "application/openmetrics-text;version=1.0.0;q=0.5")
HEADER_VALUES += ("text/plain;version=abc;q=x", "gzip;q=0", "inf", "nan", "-1", "1e400", "0.0001", "Basic !")
HEADER_VALUES += ("cross-site", "http://[", "0", ";;,,;q", "application/openmetrics-text;version")

values = st.sampled_from(VALUES) | texts.filter(lambda text: len(text) < 2000)
pairs = st.lists(st.tuples(st.sampled_from(NAMES) | texts, values), max_size=5)
header_values = st.sampled_from(HEADER_VALUES) | st.text(st.characters(codec="latin-1"), max_size=12)
headers = st.lists(st.tuples(st.sampled_from(HEADERS), header_values), max_size=4).map(
    lambda found: tuple((name.encode(), value.encode("latin-1")) for name, value in found)
)


def query_of(parameters: Iterable[tuple[str, str]]) -> str:
    """Return the query of a URL."""
    return urlencode(tuple(parameters), safe="/", errors="replace", quote_via=quote)


@pytest.fixture(scope="module")
def exporter() -> Iterator[VirtualExporter]:
    with (
        virtual_exporters(lambda api, request: json_response({"jobs": []})) as exporters,
        exporters.start(CONFIG) as found,
    ):
        yield found


@settings_for(100)
@given(
    path=st.sampled_from(PATHS) | texts.map(lambda text: "/" + text.encode(errors="replace").decode()),
    query=pairs.map(query_of) | st.text(max_size=20),
    sent=headers,
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "POST", "PUT", "OPTIONS", "", "get", "\u00e9"]),
)
def test_any_request_is_served_or_refused(
    exporter: VirtualExporter, path: str, query: str, sent: tuple[tuple[bytes, bytes], ...], method: str
) -> None:
    live = LiveWebConfig(None, new_log("error", stream=io.StringIO()))
    app = protected_app(exporter.service.app, live, Event(), exporter.loop.clock())
    response = exporter.loop.run_until_complete(send_request(app, path, query, sent, method))
    event(f"status: {response.status}")
    assert response.status < 500
    assert exporter.loop.faults == []


@settings_for(50)
@given(query=pairs)
def test_any_probe_returns_series_or_error_lines(exporter: VirtualExporter, query: list[tuple[str, str]]) -> None:
    known = {"kind": "iot_job", "id": "a", "region": "eu-west-1"}
    response = exporter.get("/probe", query_of({**known, **dict(query)}.items()))
    event(f"status: {response.status}")
    assert response.status in (200, 400)
    if response.status == 200:
        assert checked_scrape(response.text).rows("aws_iot_bulk_exporter_probe_success")
    else:
        assert response.text.splitlines()
