"""The listening addresses, and the routes for metrics, health and reloads."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.responses import PlainTextResponse

from exporter.core.errors import StartError
from exporter.core.store import Store
from exporter.metrics.exposition import Exposition
from exporter.web.listener.server import Address, ServedApp, listen, parse_address
from exporter.web.metrics import Metrics
from exporter.web.routes import application
from tests.support import http_requests
from tests.support.exporter_server import serve_exporter
from tests.support.servers import hanging_endpoint, serve_app

CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {deadline: 1h}
"""
CONFIG_WITHOUT_CELLS = 'accounts: [{account_id: "111122223333"}]'
UNUSED = "http://127.0.0.1:1"
# A URL, and the time-out of each scrape there.
Web = tuple[str, list[float | None]]
# The time-out of a refresh if the scrape names none.
DEADLINE = None
has_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


@contextmanager
def application_of(path: str = "/metrics") -> Iterator[Web]:
    """Serve an exporter without cells. Yield its URL and the time-out of each scrape."""
    timeouts: list[float | None] = []

    async def refresh(seconds: float | None) -> Metrics:
        timeouts.append(seconds)
        return Metrics(Store(()), Exposition({}), CollectorRegistry())

    with serve_app(application(refresh, path)) as url:
        yield url, timeouts


@pytest.fixture(scope="module")
def served() -> Iterator[Web]:
    """The URL of an exporter without cells, and the time-outs of all its scrapes."""
    with application_of() as web:
        yield web


@pytest.fixture
def web(served: Web) -> Web:
    """The same, with the time-outs of this test only."""
    served[1].clear()
    return served


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":10098", Address("", 10098)),
        (":0", Address("", 0)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("localhost:80", Address("localhost", 80)),
        ("[::1]:65535", Address("::1", 65535)),
        ("[::]:1", Address("::", 1)),
    ],
)
def test_an_address_has_the_notation_of_prometheus(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "10098",
        "host",
        "host:",
        ":65536",
        ":-1",
        ":1x",
        "::1:80",
        "[::1]",
        "[::1:80",
        "[host]:80",
        "a:b:1",
        ":٣",
    ],
)
def test_an_invalid_address_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        parse_address(text)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        pytest.param(":0", "http://localhost:", id="every interface"),
        pytest.param("127.0.0.1:0", "http://127.0.0.1:", id="IPv4"),
        pytest.param("[::1]:0", "http://[::1]:", id="IPv6", marks=has_ipv6),
    ],
)
def test_the_server_listens_on_the_address_and_its_url_opens(address: str, url: str) -> None:
    with listen(parse_address(address)) as listener:
        served = ServedApp(PlainTextResponse("unused"), listener)
        port = listener.getsockname()[1]
        assert served.url == f"{url}{port}"
        socket.create_connection((re.sub(r"[\[\]]", "", url[7:-1]), port), timeout=60).close()


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "no-such-host.invalid:{}", "a..b:{}", "[::ffff:ffff]:{}"])
def test_an_unusable_address_is_reported(address: str) -> None:
    with listen(Address("127.0.0.1", 0)) as taken:
        text = address.format(taken.getsockname()[1])
        with pytest.raises(StartError, match="cannot listen on"):
            listen(parse_address(text))


@pytest.mark.parametrize(("path", "body"), [("/-/healthy", "healthy\n"), ("/-/ready", "ready\n")])
def test_health_needs_no_refresh(web: Web, path: str, body: str) -> None:
    url, timeouts = web
    response = http_requests.get(url + path)
    assert (response.status_code, response.text) == (200, body)
    assert timeouts == []


@pytest.mark.parametrize("path", ["/nothing", "/-/", "/metrics/x", "/..%2fmetrics", "/%00"])
def test_an_unknown_path_is_not_found(web: Web, path: str) -> None:
    assert http_requests.get(web[0] + path).status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_not_allowed(web: Web, method: str, path: str) -> None:
    url, timeouts = web
    assert http_requests.request(method, url + path).status_code == 405
    assert timeouts == []


def test_the_metrics_can_be_at_the_root() -> None:
    with application_of("/") as (url, timeouts):
        assert http_requests.get(url).status_code == 200
    assert len(timeouts) == 1


TIMEOUTS = [("10", 9.5), ("0.6", pytest.approx(0.1)), ("0.5", 0.0), ("0.1", 0.0), ("1e3", 999.5)]
INVALID_TIMEOUTS = ["0", "-1", "nan", "inf", "-inf", "1e999", "", "10s", "ten"]


@pytest.mark.parametrize(("header", "seconds"), [*TIMEOUTS, *((header, DEADLINE) for header in INVALID_TIMEOUTS)])
def test_a_scrape_waits_less_than_prometheus(web: Web, header: str, seconds: float | None) -> None:
    url, timeouts = web
    http_requests.get(f"{url}/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": header})
    assert timeouts == [seconds]


def test_a_scrape_gets_a_response_within_its_time_out_although_aws_hangs() -> None:
    with hanging_endpoint() as (endpoint, _), serve_exporter(CONFIG, endpoint) as exporter:
        header = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}
        scraped = [http_requests.get(f"{exporter.url}/metrics", headers=header).text for _ in range(2)]
    families = [family for text in scraped for family in parse_text(text)]
    assert [sample.value for family in families for sample in family.samples if sample.name.endswith("_up")] == [0, 0]


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post_reloads(method: str) -> None:
    with serve_exporter(CONFIG_WITHOUT_CELLS, UNUSED) as exporter:
        response = http_requests.request(method, f"{exporter.url}/-/reload")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{url}"}, 403),
        ({"Origin": "https://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "{url}"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example.org"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({}, 200),
    ],
)
def test_a_page_of_another_site_cannot_cause_a_reload(headers: dict[str, str], status: int) -> None:
    with serve_exporter(CONFIG_WITHOUT_CELLS, UNUSED) as exporter:
        url = exporter.url
        sent = {name: value.replace("{url}", url) for name, value in headers.items()}
        assert http_requests.post(f"{url}/-/reload", headers=sent, content=b"ignored").status_code == status
        assert exporter.log.getvalue().count("configuration reloaded") == (status == 200)
