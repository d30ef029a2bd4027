"""Responses: the format and the encoding that the client prefers, and bodies of any size."""

import gzip
from collections.abc import Iterable, Iterator, Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families as parse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.web.responses import CHUNK_BYTES, OPENMETRICS, TEXT, accepts_gzip, negotiated_response, wants_openmetrics
from tests.support import http_requests
from tests.support.exporter_server import serve_exporter
from tests.support.exposition_rows import parse_openmetrics
from tests.support.scripted_endpoint import ScriptedAws, json_response
from tests.support.servers import serve_app
from tests.support.waiting import TIMEOUT_SECONDS

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
# The headers as Prometheus 2.42 and 3.16 send them, by their settings.
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_WITHOUT_OPENMETRICS = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
PROMETHEUS_2_WITH_NATIVE_HISTOGRAMS = (
    f"{PROTOBUF},application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.7,"
    "application/openmetrics-text;version=0.0.1;q=0.6,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "text/plain;version=0.0.4;q=0.4,*/*;q=0.3"
)
PROMETHEUS_3_WITH_NATIVE_HISTOGRAMS = (
    f"{PROTOBUF};q=0.7,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_TEXT_FIRST = (
    "text/plain;version=0.0.4;q=0.7,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    f"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.4,{PROTOBUF};q=0.3,*/*;q=0.2"
)
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
OPEN_ONLY = "application/openmetrics-text"
ESCAPINGS = ("allow-utf-8", "underscores", "dots", "values", "unknown")

TASK = {"taskId": "a", "status": "Failed", "successCount": 7}
CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {min_age: 1h, stale_after: 2h}
"""


@pytest.fixture(scope="module")
def metrics() -> Iterator[str]:
    """The URL of metrics that do not change, except those of the process."""
    aws = ScriptedAws({"/thing-registration-tasks/a": json_response(TASK)})
    with serve_app(aws.app()) as endpoint, serve_exporter(CONFIG, endpoint) as exporter:
        yield f"{exporter.url}/metrics"


PREFER_OPENMETRICS = [
    PROMETHEUS_2,
    PROMETHEUS_2_WITH_NATIVE_HISTOGRAMS,
    *(PROMETHEUS_3.replace("allow-utf-8", escaping) for escaping in ESCAPINGS),
    *(PROMETHEUS_3_WITH_NATIVE_HISTOGRAMS.replace("allow-utf-8", escaping) for escaping in ESCAPINGS),
    f"{OPEN_ONLY};version=2.0.0;escaping=allow-utf-8;q=0.7,{PROMETHEUS_3}",
    f"{OPEN_ONLY};version=1.0.0;escaping=allow-utf-8;q=0.7,*/*;q=0.6",
    f"{OPEN_ONLY};version=0.0.1;q=0.7,*/*;q=0.6",
    OPEN_ONLY,
    f"{OPEN_ONLY}, */*",
    f"{OPEN_ONLY}; version=1.0.0; charset=utf-8",
    f'{OPEN_ONLY};version="1.0.0"',
    f"{OPEN_ONLY} ; version = 1.0.0 ; q = 0.5 , text/plain ; q = 0.4",
    f"{OPEN_ONLY};level=3;profile=https://a.example/?a=b,text/plain;q=0.5",
    f'{OPEN_ONLY};profile="a;q=0;b",text/plain;q=0.9',
    f'{OPEN_ONLY};q=0.5;profile="a,text/plain,b"',
    f'{OPEN_ONLY};q=0.5;profile="a\\",text/plain,b"',
    OPEN_ONLY.upper(),
    PROMETHEUS_3_WITH_NATIVE_HISTOGRAMS.upper(),
    f"text/plain;q=0.2,{OPEN_ONLY};q=0.3",
    f"text/plain;q=0,{OPEN_ONLY};q=0.001",
    f"*/*;q=0.1,{OPEN_ONLY};q=0.5",
    f"{OPEN_ONLY};q=many",
    f",,;q=0,{OPEN_ONLY};;;,",
]
PREFER_TEXT = [
    "",
    "*/*",
    "*",
    BROWSER,
    PROMETHEUS_2_WITHOUT_OPENMETRICS,
    PROMETHEUS_3_TEXT_FIRST,
    f"{PROTOBUF};q=0.7,*/*;q=0.6",
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.7,*/*;q=0.6",
    "text/plain;version=0.0.4;q=0.7,*/*;q=0.6",
    "text/plain;version=abc",
    "text/plain;q=0",
    "image/png",
    f"{OPEN_ONLY};q=0",
    f"{OPEN_ONLY};q=-1",
    f"{OPEN_ONLY};q=nan",
    f"{OPEN_ONLY};Q=0.000;escaping=values",
    f"{OPEN_ONLY};version=2.0.0",
    f"{OPEN_ONLY};version=2.0.0;escaping=allow-utf-8;q=0.7,*/*;q=0.6",
    f"{OPEN_ONLY};q=0.3,text/plain;q=0.5",
    f"{OPEN_ONLY};q = 0.3,text/plain;q = 0.5",
    f'{OPEN_ONLY};profile="a;q=1;b";q=0.3,text/plain;q=0.5',
    f"{OPEN_ONLY};q=0.3,text/*;q=0.5",
    f"{OPEN_ONLY};q=0.3,*/*",
    f"{OPEN_ONLY};q=0.3,text/plain;version=1.0.0;q=0.2,text/plain;q=0.4",
    f"x{OPEN_ONLY}",
    f'text/plain;profile="a,{OPEN_ONLY}',
    ";;,,=;q=",
    '";,"',
]


@pytest.mark.parametrize("accept", PREFER_OPENMETRICS)
def test_a_client_that_prefers_openmetrics_gets_it(metrics: str, accept: str) -> None:
    response = http_requests.get(metrics, headers={"Accept": accept})
    assert response.headers["content-type"] == OPENMETRICS
    assert samples(parse_openmetrics(response.text)) == samples(parse(http_requests.get(metrics).text))


@pytest.mark.parametrize("accept", PREFER_TEXT)
def test_any_other_client_gets_the_text_format(metrics: str, accept: str) -> None:
    response = http_requests.get(metrics, headers={"Accept": accept})
    assert response.headers["content-type"] == TEXT
    assert samples(parse(response.text))


def test_the_content_types_are_of_formats_that_prometheus_3_reads_without_a_fallback() -> None:
    assert TEXT.split("; ") == ["text/plain", "version=0.0.4", "charset=utf-8"]
    assert OPENMETRICS.split("; ") == ["application/openmetrics-text", "version=1.0.0", "charset=utf-8"]


def samples(families: Iterable[Metric]) -> set[tuple[str, tuple[tuple[str, str], ...], float]]:
    """Return the name, the labels and the value of each sample of an operation."""
    found = (sample for family in families for sample in family.samples if "id" in sample.labels)
    return {(sample.name, tuple(sorted(sample.labels.items())), sample.value) for sample in found}


@pytest.mark.parametrize("accept_encoding", ["gzip", "GZIP", "gzip, deflate, br", "br;q=1, gzip;q=0.2", "*"])
def test_a_client_that_accepts_gzip_gets_it(accept_encoding: str) -> None:
    assert accepts_gzip(accept_encoding)


@pytest.mark.parametrize("accept_encoding", ["", "identity", "gzip;q=0", "gzip;q=0.0, *", "*;q=0", "xgzip"])
def test_any_other_client_gets_the_plain_body(accept_encoding: str) -> None:
    assert not accepts_gzip(accept_encoding)


@given(st.text() | st.text("q=;,*/.019 agzip"))
def test_any_header_is_accepted(header: str) -> None:
    assert wants_openmetrics(header) in (True, False)
    assert accepts_gzip(header) in (True, False)


@pytest.mark.parametrize(("accept", "expected"), [(PROMETHEUS_3, OPENMETRICS), ("*/*", TEXT), (BROWSER, TEXT)])
def test_the_content_type_names_the_format(metrics: str, accept: str, expected: str) -> None:
    response = http_requests.get(metrics, headers={"Accept": accept})
    assert response.headers["content-type"] == expected
    assert response.headers["vary"] == "Accept, Accept-Encoding"
    assert response.text.endswith("# EOF\n") is (expected == OPENMETRICS)
    assert "aws_iot_thing_registration_task_succeeded_things{" in response.text


def test_a_header_in_two_lines_counts_as_one_list(metrics: str) -> None:
    lines = [("Accept", "text/plain;q=0.5"), ("Accept", OPEN_ONLY)]
    assert http_requests.get(metrics, headers=lines).headers["content-type"] == OPENMETRICS


@pytest.mark.parametrize("accept", [PROMETHEUS_3, "*/*"])
def test_the_compressed_and_the_plain_body_are_equal(metrics: str, accept: str) -> None:
    def get(encoding: str) -> tuple[httpx.Response, bytes]:
        headers = {"Accept": accept, "Accept-Encoding": encoding}
        with httpx.stream("GET", metrics, headers=headers, timeout=TIMEOUT_SECONDS) as response:
            return response, b"".join(response.iter_raw())

    (zipped, small), (plain, large) = get("gzip"), get("identity")
    assert zipped.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert len(small) < len(large) == int(plain.headers["content-length"])
    assert _without_process(gzip.decompress(small)) == _without_process(large)


def _without_process(body: bytes) -> list[bytes]:
    return [line for line in body.split(b"\n") if not line.startswith(b"process_")]


BODIES = {
    "none": [],
    "empty": [b""],
    "small": [b"a\n", b"", b"b\n"],
    "many": [b"%d\n" % number for number in range(50_000)],
    "one chunk": [b"x" * CHUNK_BYTES],
    "large": [b"head\n", bytes(range(256)) * 20_000, b"tail\n"],
}


def application_of(parts: Sequence[bytes]) -> Starlette:
    """Return an application that responds with these parts."""

    async def respond(request: Request) -> Response:
        return negotiated_response(request, parts, {"Content-Type": "text/plain"})

    return Starlette(routes=[Route("/", respond)])


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("parts", BODIES.values(), ids=BODIES)
def test_a_body_in_parts_arrives_complete_and_in_order(parts: Sequence[bytes], encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    with serve_app(application_of(parts)) as url, httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS) as client:
        whole, head, again = (client.request(method, url) for method in ("GET", "HEAD", "GET"))
    assert whole.content == again.content == b"".join(parts)
    assert head.content == b""
    assert head.headers["content-length"] == whole.headers["content-length"]
    assert whole.headers.get("content-encoding", "identity") == encoding
