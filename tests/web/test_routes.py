from __future__ import annotations

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
from exporter.web.listener.server import Address, Site, listen, parse_address
from exporter.web.metrics import Metrics
from exporter.web.routes import application
from tests.support import http_requests
from tests.support.exporter_server import exporting
from tests.support.servers import hanging, serving

CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {deadline: 1h}
"""
Web = tuple[str, list[float | None]]
"""A URL, and the patience of each scrape there."""
DEADLINE = None
"""What the refresh is given where the scrape does not tell how long it waits."""
has_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


@contextmanager
def application_of(path: str = "/metrics") -> Iterator[Web]:
    """Serve an exporter without cells; give its URL and the patience of each scrape."""
    patience: list[float | None] = []

    async def refreshed(seconds: float | None) -> Metrics:
        patience.append(seconds)
        return Metrics(Store(()), Exposition({}), CollectorRegistry())

    with serving(application(refreshed, path)) as url:
        yield url, patience


@pytest.fixture(scope="module")
def served() -> Iterator[Web]:
    """The URL of an exporter without cells, and the patience of each scrape since the module began."""
    with application_of() as found:
        yield found


@pytest.fixture
def web(served: Web) -> Web:
    """The same, and the patience of each scrape since the test began."""
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
def test_an_address_is_written_as_prometheus_writes_it(text: str, address: Address) -> None:
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
def test_nonsense_is_no_address(text: str) -> None:
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
def test_an_address_is_listened_on_and_its_url_opens(address: str, url: str) -> None:
    with listen(parse_address(address)) as listener:
        site = Site(PlainTextResponse("never asked"), listener)
        port = listener.getsockname()[1]
        assert site.url == f"{url}{port}"
        socket.create_connection((re.sub(r"[\[\]]", "", url[7:-1]), port), timeout=60).close()


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "no-such-host.invalid:{}", "a..b:{}", "[::ffff:ffff]:{}"])
def test_what_cannot_be_listened_on_is_told(address: str) -> None:
    with listen(Address("127.0.0.1", 0)) as taken:
        text = address.format(taken.getsockname()[1])
        with pytest.raises(StartError, match="cannot listen on"):
            listen(parse_address(text))


@pytest.mark.parametrize(("path", "body"), [("/-/healthy", "healthy\n"), ("/-/ready", "ready\n")])
def test_health_is_answered_without_asking_aws(web: Web, path: str, body: str) -> None:
    url, patience = web
    response = http_requests.get(url + path)
    assert (response.status_code, response.text) == (200, body)
    assert patience == []


@pytest.mark.parametrize("path", ["/nothing", "/-/", "/metrics/x", "/..%2fmetrics", "/%00"])
def test_an_unknown_path_is_not_found(web: Web, path: str) -> None:
    assert http_requests.get(web[0] + path).status_code == 404


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_written(web: Web, method: str, path: str) -> None:
    url, patience = web
    assert http_requests.request(method, url + path).status_code == 405
    assert patience == []


def test_the_metrics_may_be_at_the_root() -> None:
    with application_of("/") as (url, patience):
        assert http_requests.get(url).status_code == 200
    assert len(patience) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("10", 9.5),
        ("0.6", pytest.approx(0.1)),
        ("0.5", 0.0),
        ("0.1", 0.0),
        ("1e3", 999.5),
        ("0", DEADLINE),
        ("-1", DEADLINE),
        ("nan", DEADLINE),
        ("inf", DEADLINE),
        ("-inf", DEADLINE),
        ("1e999", DEADLINE),
        ("", DEADLINE),
        ("10s", DEADLINE),
        ("ten", DEADLINE),
    ],
)
def test_a_scrape_waits_a_little_less_than_prometheus_does(web: Web, header: str, seconds: float | None) -> None:
    url, patience = web
    http_requests.get(f"{url}/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": header})
    assert patience == [seconds]


def test_a_scrape_is_answered_when_its_patience_ends_although_aws_hangs() -> None:
    with hanging() as (endpoint, _), exporting(CONFIG, endpoint) as exporter:
        header = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}
        scraped = [http_requests.get(f"{exporter.url}/metrics", headers=header).text for _ in range(2)]
    up = [one.value for text in scraped for f in parse_text(text) for one in f.samples if one.name.endswith("_up")]
    assert up == [0, 0]
