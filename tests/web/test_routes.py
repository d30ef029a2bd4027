"""The listening addresses, and the routes: their methods, refreshes and time-outs."""

import errno
import os
import re
import socket
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from exporter.app.exporter import new_exporter
from exporter.config.loader import parse_config
from exporter.core.errors import ConfigError, StartError
from exporter.core.log import new_log
from exporter.kinds.registry import KINDS
from exporter.web.listener.server import Address, ServedApp, listen, parse_address
from exporter.web.responses import TEXT
from tests.support import http_requests
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.servers import hanging_endpoint
from tests.support.status_page import ServedPage, serve_page, tasks

CONFIG = """
accounts: [{account_id: "111122223333", watch: [{kind: thing_registration_task, ids: [a]}]}]
refresh: {deadline: 1h}
"""
CONFIG_WITHOUT_CELLS = 'accounts: [{account_id: "111122223333"}]'
UNUSED = "http://127.0.0.1:1"
PATHS = ["/metrics", "/-/healthy", "/-/ready", "/", "/api/v1/operations", "/api/v1/cells", "/api/v1/openapi.json"]
# The time-out of a refresh if the scrape names none.
DEADLINE = None
has_ipv6 = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")


def exporter_paths(metrics_path: str) -> list[str]:
    """Return the paths of an exporter with this path of the metrics. Raises ConfigError."""
    with aws_environment(UNUSED, AWS_REGION="eu-west-1"):
        exporter = new_exporter(parse_config(CONFIG_WITHOUT_CELLS, KINDS), KINDS, new_log("error"), metrics_path)
    return [route.path for route in exporter.app.routes if isinstance(route, Route)]


def test_the_path_of_the_metrics_hides_no_route_but_the_status_page() -> None:
    others = [path for path in exporter_paths("/metrics") if path not in ("/metrics", "/")]
    assert {"/config", "/probe", "/api/v1/operations", "/api/v1/cells"} <= set(others)
    # The flag refuses every path below /-/.
    for path in (path for path in others if not path.startswith("/-/")):
        with pytest.raises(ConfigError, match=f"^--web.telemetry-path: the exporter uses {path} for another page"):
            exporter_paths(path)
    assert exporter_paths("/")[0] == "/"


@pytest.fixture(scope="module")
def served() -> Iterator[ServedPage]:
    """All routes, and all refreshes that they start."""
    with serve_page(tasks(3)) as page:
        yield page


@pytest.fixture
def web(served: ServedPage) -> ServedPage:
    """The same, with the refreshes of this test only."""
    served.timeouts.clear()
    served.requests.clear()
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


INVALID_PORTS = ["", ":", "10098", "host", "host:", ":65536", ":-1", ":1x", ":٣"]
INVALID_HOSTS = ["::1:80", "[::1]", "[::1:80", "[host]:80", "a:b:1"]


@pytest.mark.parametrize("text", [*INVALID_PORTS, *INVALID_HOSTS])
def test_an_invalid_address_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="expected host:port"):
        parse_address(text)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        pytest.param(":0", "http://localhost:", id="every interface"),
        pytest.param("127.0.0.1:0", "http://127.0.0.1:", id="IPv4"),
        pytest.param("[::1]:0", "http://[::1]:", id="IPv6", marks=has_ipv6),
        pytest.param("[::]:0", "http://localhost:", id="every interface of IPv6", marks=has_ipv6),
    ],
)
def test_the_server_listens_on_the_address_and_its_url_opens(address: str, url: str) -> None:
    with listen(parse_address(address)) as listener:
        served = ServedApp(PlainTextResponse("unused"), listener)
        port = listener.getsockname()[1]
        assert served.url == f"{url}{port}"
        socket.create_connection((re.sub(r"[\[\]]", "", url[7:-1]), port), timeout=60).close()


@has_ipv6
@pytest.mark.parametrize("address", [":0", "[::]:0", "[0:0::0]:0"])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_interface_is_one_of_ipv4_and_ipv6(address: str, host: str) -> None:
    with listen(parse_address(address)) as listener:
        socket.create_connection((host, listener.getsockname()[1]), timeout=60).close()


@pytest.mark.parametrize("address", ["127.0.0.1:{}", "no-such-host.invalid:{}", "a..b:{}", "[::ffff:ffff]:{}"])
def test_an_unusable_address_is_reported(address: str) -> None:
    with listen(Address("127.0.0.1", 0)) as taken:
        text = address.format(taken.getsockname()[1])
        with pytest.raises(StartError, match="cannot listen on"):
            listen(parse_address(text))


OTHER_HOST = "use an address of this machine, or only :PORT for all addresses"


@pytest.mark.parametrize(
    ("address", "cure"),
    [
        ("192.0.2.1:0", OTHER_HOST),
        ("no-such-host.invalid:0", "correct the host name, or use only :PORT for all addresses"),
        ("a..b:0", "correct the host name, or use only :PORT for all addresses"),
    ],
)
def test_the_message_about_an_unusable_address_has_a_cure(address: str, cure: str) -> None:
    with pytest.raises(StartError) as caught:
        listen(parse_address(address))
    assert str(caught.value).startswith(f"cannot listen on {address}: ")
    assert str(caught.value).endswith(f"; {cure}")


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EACCES, "choose a port above 1023, or allow CAP_NET_BIND_SERVICE"),
        (errno.EPERM, "choose a port above 1023, or allow CAP_NET_BIND_SERVICE"),
        (errno.EAFNOSUPPORT, "use an IPv4 address, such as 0.0.0.0, or enable IPv6"),
        (errno.ENOBUFS, "use another address, or only :PORT for all addresses"),
    ],
)
def test_the_message_about_a_refused_address_has_a_cure(
    number: int, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> socket.socket:
        raise OSError(number, "refused (while attempting to bind)")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(StartError) as caught:
        listen(parse_address("[::1]:80"))
    assert str(caught.value) == f"cannot listen on [::1]:80: {os.strerror(number)}; {cure}"


@pytest.mark.parametrize(("path", "body"), [("/-/healthy", "healthy\n"), ("/-/ready", "ready\n")])
def test_health_needs_no_refresh(web: ServedPage, path: str, body: str) -> None:
    response = http_requests.get(web.url + path)
    assert (response.status_code, response.text, web.timeouts, web.requests) == (200, body, [], [])


@pytest.mark.parametrize("path", ["/nothing", "/-/", "/metrics/x", "/..%2fmetrics", "/%00"])
def test_an_unknown_path_is_not_found(web: ServedPage, path: str) -> None:
    assert http_requests.get(web.url + path).status_code == 404


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_not_allowed(web: ServedPage, method: str, path: str) -> None:
    response = http_requests.request(method, web.url + path)
    assert (response.status_code, web.timeouts, web.requests) == (405, [], [])
    assert {method.strip() for method in response.headers["allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", PATHS)
def test_a_head_request_gets_the_headers_of_a_get_request(web: ServedPage, path: str) -> None:
    head, get = http_requests.head(web.url + path), http_requests.get(web.url + path)
    assert (head.status_code, head.headers["content-type"]) == (200, get.headers["content-type"])
    assert head.content == b""


@pytest.mark.parametrize(("path", "refreshes"), [("/", 1), ("/api/v1/operations", 1), ("/api/v1/openapi.json", 0)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_page_starts_a_refresh_and_an_invalid_query_none(
    web: ServedPage, method: str, path: str, refreshes: int
) -> None:
    assert http_requests.request(method, web.url + path).status_code == 200
    assert len(web.requests) == refreshes
    assert http_requests.request(method, f"{web.url}/?sort=size").status_code == 400
    assert len(web.requests) == refreshes


def test_the_metrics_can_be_at_the_root() -> None:
    with serve_page(path="/") as page:
        response = http_requests.get(page.url)
    assert (response.status_code, response.headers["content-type"]) == (200, TEXT)
    assert len(page.timeouts) == 1


def test_the_page_links_to_the_metrics_at_any_path() -> None:
    with serve_page(path="/me'trics&<b>é%41") as page:
        link = http_requests.get(page.url).text.partition('href="./me')[2].partition('"')[0]
        assert http_requests.get(f"{page.url}/me{link}").headers["content-type"] == TEXT


TIMEOUTS = [("10", 9.5), ("0.6", pytest.approx(0.1)), ("0.5", 0.0), ("0.1", 0.0), ("300", 299.5), ("1e6", 299.5)]
INVALID_TIMEOUTS = ["0", "-1", "nan", "inf", "-inf", "1e999", "", "10s", "ten"]


@pytest.mark.parametrize(("header", "seconds"), [*TIMEOUTS, *((header, DEADLINE) for header in INVALID_TIMEOUTS)])
def test_a_scrape_waits_less_than_prometheus(web: ServedPage, header: str, seconds: float | None) -> None:
    http_requests.get(f"{web.url}/metrics", headers={"X-Prometheus-Scrape-Timeout-Seconds": header})
    assert web.timeouts == [seconds]


def test_a_scrape_gets_a_response_within_its_time_out_although_aws_hangs() -> None:
    with hanging_endpoint() as (endpoint, _), serve_exporter(CONFIG, endpoint) as exporter:
        header = {"X-Prometheus-Scrape-Timeout-Seconds": "0.6"}
        scraped = [http_requests.get(f"{exporter.url}/metrics", headers=header).text for _ in range(2)]
    families = [family for text in scraped for family in parse_text(text)]
    assert [sample.value for family in families for sample in family.samples if sample.name.endswith("_up")] == [0, 0]


def test_a_page_without_cells_states_that_nothing_is_watched() -> None:
    with serve_page() as empty:
        assert "Nothing is watched" in http_requests.get(empty.url).text


def test_a_page_loads_although_aws_hangs_and_states_that_it_waits() -> None:
    config = CONFIG.replace("1h", "10ms")
    with hanging_endpoint() as (endpoint, _), serve_exporter(config, endpoint) as exporter:
        pages = [http_requests.get(exporter.url + path) for path in ("/", "/api/v1/operations", "/api/v1/cells")]
    assert [page.status_code for page in pages] == [200, 200, 200]
    assert "A refresh from AWS is in progress. No operation is known yet." in pages[0].text
    assert 'data-every="1"' in pages[0].text
    assert pages[1].json()["incomplete"][0]["reasons"] == ["pending"]
    assert pages[2].json()["cells"][0]["duration"] is None


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
