from __future__ import annotations

import gzip
from collections.abc import Iterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.negotiation import OPENMETRICS, TEXT, accepts_gzip, wants_openmetrics
from tests.support import http_requests
from tests.support.exporter_server import exporting
from tests.support.scripted_endpoint import ScriptedAws, answer
from tests.support.servers import serving

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_WITHOUT_OPENMETRICS = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_WITH_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
    "text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
OPEN_ONLY = "application/openmetrics-text"

TASK = {"taskId": "a", "status": "Failed", "successCount": 7}
CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {min_age: 1h, stale_after: 2h}
"""


@pytest.fixture(scope="module")
def metrics() -> Iterator[str]:
    """The URL of metrics that stay the same, those of the process apart."""
    aws = ScriptedAws({"/thing-registration-tasks/a": answer(TASK)})
    with serving(aws.app()) as endpoint, exporting(CONFIG, endpoint) as exporter:
        yield f"{exporter.url}/metrics"


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        PROMETHEUS_3_WITH_PROTOBUF,
        OPEN_ONLY,
        f"{OPEN_ONLY}, */*",
        f"{OPEN_ONLY}; version=1.0.0; charset=utf-8",
        f'{OPEN_ONLY};version="1.0.0"',
        OPEN_ONLY.upper(),
        f"text/plain;q=0.2,{OPEN_ONLY};q=0.3",
        f"*/*;q=0.1,{OPEN_ONLY};q=0.5",
        f"{OPEN_ONLY};q=many",
    ],
)
def test_openmetrics_is_given_to_whoever_prefers_it(accept: str) -> None:
    assert wants_openmetrics(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "*",
        BROWSER,
        PROMETHEUS_2_WITHOUT_OPENMETRICS,
        "text/plain;version=abc",
        f"{OPEN_ONLY};q=0",
        f"{OPEN_ONLY};q=-1",
        f"{OPEN_ONLY};q=nan",
        f"{OPEN_ONLY};version=2.0.0",
        f"{OPEN_ONLY};q=0.3,text/plain;q=0.5",
        f"{OPEN_ONLY};q=0.3,text/*;q=0.5",
        f"{OPEN_ONLY};q=0.3,*/*",
        f"{OPEN_ONLY};q=0.3,text/plain;version=1.0.0;q=0.2,text/plain;q=0.4",
        f"x{OPEN_ONLY}",
        ";;,,=;q=",
    ],
)
def test_text_is_given_to_everybody_else(accept: str) -> None:
    assert not wants_openmetrics(accept)


@pytest.mark.parametrize(
    ("accept_encoding", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br", True),
        ("br;q=1, gzip;q=0.2", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0.0, *", False),
        ("*;q=0", False),
        ("xgzip", False),
    ],
)
def test_gzip_is_given_to_whoever_reads_it(accept_encoding: str, accepted: bool) -> None:
    assert accepts_gzip(accept_encoding) is accepted


@given(st.text() | st.text("q=;,*/.019 agzip"))
def test_no_header_is_an_error(header: str) -> None:
    assert wants_openmetrics(header) in (True, False)
    assert accepts_gzip(header) in (True, False)


@pytest.mark.parametrize(("accept", "expected"), [(PROMETHEUS_3, OPENMETRICS), ("*/*", TEXT), (BROWSER, TEXT)])
def test_the_answer_says_which_format_it_has(metrics: str, accept: str, expected: str) -> None:
    response = http_requests.get(metrics, headers={"Accept": accept})
    assert response.headers["content-type"] == expected
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert response.text.endswith("# EOF\n") is (expected == OPENMETRICS)
    assert "aws_iot_thing_registration_task_succeeded_things{" in response.text


def test_headers_that_come_in_two_lines_count_as_one(metrics: str) -> None:
    lines = [("Accept", "text/plain;q=0.5"), ("Accept", OPEN_ONLY)]
    assert http_requests.get(metrics, headers=lines).headers["content-type"] == OPENMETRICS


@pytest.mark.parametrize("accept", [PROMETHEUS_3, "*/*"])
def test_the_compressed_answer_holds_the_same_as_the_plain_one(metrics: str, accept: str) -> None:
    def get(encoding: str) -> tuple[httpx.Response, bytes]:
        with httpx.stream("GET", metrics, headers={"Accept": accept, "Accept-Encoding": encoding}) as response:
            return response, b"".join(response.iter_raw())

    (zipped, small), (plain, large) = get("gzip"), get("identity")
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert len(small) < len(large) == int(plain.headers["content-length"])
    assert _facts(gzip.decompress(small)) == _facts(large)


def test_head_answers_the_headers_alone(metrics: str) -> None:
    response = http_requests.head(metrics)
    assert response.status_code == 200
    assert response.headers["content-type"] == TEXT
    assert response.content == b""


def _facts(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if not line.startswith(b"process_")]
