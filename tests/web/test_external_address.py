"""The exporter below a prefix and behind reverse proxies, with the meaning of Prometheus's flags."""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.applications import Starlette

from exporter.app.exporter import new_exporter
from exporter.config.loader import parse_config
from exporter.core.log import new_log
from exporter.kinds.registry import KINDS
from exporter.web.external_address import ExternalAddress, external_address, parse_external_url, parse_route_prefix
from tests.support import http_requests
from tests.support.certificates import ALICE, BASIC
from tests.support.exporter_server import aws_environment
from tests.support.http_server import run_server
from tests.support.processes import run_demo, usage_errors
from tests.support.reverse_proxy import reverse_proxy

URL = "https://tools.example/team/bulk"
PATHS = ("/metrics", "/", "/api/v1/operations", "/api/v1/openapi.json", "/config", "/runbooks/")
HEALTH = ("/-/healthy", "/-/ready")
OPERATIONS_OF_KIND = 2
# The status of failed items that another request still reads.
PENDING = 503
ADDRESS = re.compile(r'(?:href|src|action)="([^"]*)"')


def application(address: ExternalAddress) -> Starlette:
    """Return the application of an exporter without cells."""
    config = parse_config('accounts: [{account_id: "111122223333"}]', KINDS)
    with aws_environment("http://127.0.0.1:1", AWS_REGION="eu-west-1"):
        return new_exporter(config, KINDS, new_log("error"), address=address).app


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a demo whose paths have the prefix /bulk."""
    with run_demo(tmp_path_factory.mktemp("demo"), "--web.route-prefix=bulk/") as metrics:
        yield metrics.removesuffix("/metrics")


def test_all_paths_are_below_the_prefix_and_only_there(demo: str) -> None:
    assert demo.endswith("/bulk")
    for path in (*PATHS, *HEALTH):
        assert http_requests.get(demo + path).status_code == 200, path
        assert path == "/" or http_requests.get(demo.removesuffix("/bulk") + path).status_code == 404, path
    assert http_requests.post(f"{demo}/-/reload").text == "reloaded\n"
    assert http_requests.get(f"{demo}/metrics/").status_code == 404


@pytest.mark.parametrize("path", ["/", "/bulk"])
@pytest.mark.parametrize("query", ["", "?kind=iot_job&q=a%2Fb"])
def test_the_root_and_the_prefix_redirect_to_the_status_page(demo: str, path: str, query: str) -> None:
    response = http_requests.get(demo.removesuffix("/bulk") + path + query)
    assert (response.status_code, response.headers["Location"]) == (302, f"/bulk/{query}")


def linked_pages(url: str) -> dict[str, int]:
    """Return the status of every page that pages link, beginning with a page, by its URL without the query.

    The pages of a few operations of each kind are enough.
    """
    found, open, visits = dict[str, int](), {url}, Counter[str]()
    while open:
        address = open.pop()
        folder = address.rpartition("/")[0]
        visits[folder] += 1
        if "/operations/" in folder and visits[folder] > OPERATIONS_OF_KIND:
            continue
        response = http_requests.get(address, follow_redirects=True)
        found[address] = response.status_code
        if response.headers["Content-Type"].startswith("text/html"):
            links = {urljoin(str(response.url), unescape(link)) for link in ADDRESS.findall(response.text)}
            open |= {urlsplit(link)._replace(query="", fragment="").geturl() for link in links} - found.keys()
    return found


@pytest.mark.parametrize("removes_path", [False, True], ids=["the path is passed on", "the path is removed"])
def test_every_link_works_behind_a_reverse_proxy(demo: str, removes_path: bool, tmp_path: Path) -> None:
    flags = ("--web.external-url=http://tools.example/bulk", "--web.route-prefix=/")
    with run_demo(tmp_path, *flags) as metrics:
        target = metrics.removesuffix("/metrics") if removes_path else demo.removesuffix("/bulk")
        with reverse_proxy(target, "/bulk", removes_path) as url:
            pages = linked_pages(f"{url}/")
    assert {f"{url}/metrics", f"{url}/api/v1/cells", f"{url}/runbooks/AwsIotBulkOperationFailed"} <= pages.keys()
    assert any(page.startswith(f"{url}/operations/iot_job/") for page in pages)
    assert any(page.startswith(f"{url}/api/v1/operations/iot_job/") for page in pages)
    broken = {page: status for page, status in pages.items() if status not in (200, PENDING)}
    assert (broken, [page for page in pages if not page.startswith(f"{url}/")]) == ({}, [])


def test_the_health_needs_no_password_below_the_prefix(tmp_path: Path) -> None:
    config = tmp_path / "web.yaml"
    config.write_text(f"basic_auth_users: {{alice: {ALICE}}}\n")
    with run_server(config, application(ExternalAddress("", "/bulk")), prefix="/bulk") as server:
        assert [server.get(path).status_code for path in HEALTH] == [200, 200]
        for path in PATHS:
            assert server.get(path).status_code == 401, path
            assert server.get(path, Authorization=BASIC["alice"]).status_code == 200, path
        outside = server.url.removesuffix("/bulk")
        assert [http_requests.get(outside + path).status_code for path in ("/", *HEALTH)] == [401, 401, 401]


@pytest.mark.parametrize(
    ("flags", "server", "prefix"),
    [
        ((URL, None), URL, "/team/bulk"),
        ((f"{URL}/", None), URL, "/team/bulk"),
        ((URL, "/"), URL, ""),
        ((URL, "/other/"), URL, "/other"),
        ((None, "bulk"), "/bulk", "/bulk"),
        (("http://[::1]:10098", None), "http://[::1]:10098", ""),
        ((None, None), "", ""),
    ],
)
def test_the_prefix_is_the_path_of_the_url_and_openapi_names_the_server(
    flags: tuple[str | None, str | None], server: str, prefix: str
) -> None:
    url, path = flags
    address = external_address(url and parse_external_url(url), path and parse_route_prefix(path))
    assert address.prefix == prefix
    with run_server(None, application(address), prefix=prefix) as served:
        document = served.get("/api/v1/openapi.json").json()
    assert document.get("servers", []) == ([{"url": server}] if server else [])


URLS = ("exporter.example", "/bulk", "https://", "ftp://a", "https://a/?b=c", "https://a/#b", "https://u:p@a", "")
EXPECTED_URL = "expected a URL such as https://exporter.example/bulk, without a user, a query or encoded characters"
PATHS_IN_URLS = ("https://a/b c", "https://a//b", "https://a/../b", "https://a/%2e", "https://a/{b}", "https://a/'")


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_each_invalid_address_is_reported_with_its_flag(command: str) -> None:
    assert usage_errors(command, "--web.external-url=exporter.example", "--web.route-prefix=a b") == [
        f"--web.external-url: {EXPECTED_URL}",
        "--web.route-prefix: expected a path such as /bulk, or / for no prefix",
    ]


@pytest.mark.parametrize("url", [*URLS, *PATHS_IN_URLS])
def test_a_url_that_is_not_the_same_for_every_client_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=re.escape(EXPECTED_URL)):
        parse_external_url(url)


@pytest.mark.parametrize("path", ["", "a b", "/a//b", "/..", "/a/./b", "/{a}", "/a?b", "/a%20b", "/ä"])
def test_a_prefix_that_no_client_sends_as_it_is_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="expected a path such as /bulk"):
        parse_route_prefix(path)
