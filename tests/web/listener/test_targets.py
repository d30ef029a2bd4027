"""Targets of requests: a URL is served like its path, and other forms get an error."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from exporter.core.store import Store
from exporter.metrics.exposition import Exposition
from exporter.web.lifecycle import lifecycle_routes
from exporter.web.metrics import Metrics
from exporter.web.routes import application
from tests.support.certificates import ALICE, BASIC
from tests.support.clocks import ManualClock
from tests.support.http_server import HttpServer, read_to_end, run_server

LOGIN = f"Authorization: {BASIC['alice']}"
PATHS = ["/-/healthy", "/-/ready", "/metrics", "/page", "/page?a=1&a=http://y/", "/", "/config", "/nowhere", "//page"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """A server with a password. A page shows its own URL."""

    async def refresh(max_wait: float | None) -> Metrics:
        return Metrics(Store([]), Exposition({}), CollectorRegistry())

    async def reload() -> None:
        return None

    async def page(request: Request) -> Response:
        return PlainTextResponse(str(request.url))

    routes = [*lifecycle_routes(reload, lambda: "shown"), Route("/page", page)]
    config = tmp_path_factory.mktemp("targets") / "web.yaml"
    config.write_text(f"basic_auth_users: {{alice: {ALICE}}}\n")
    with run_server(config, application(refresh, "/metrics", routes)) as served:
        yield served


def response(server: HttpServer, target: str, *headers: str, method: str = "GET") -> bytes:
    """Return the response to a request of a target, without its date."""
    head = "\r\n".join([f"{method} {target} HTTP/1.1", "Connection: close", *headers, "", ""])
    lines = read_to_end(server.connect(head.encode())).split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"date:"))


def status(server: HttpServer, target: str, *headers: str, method: str = "GET") -> int:
    """Return the status of the response."""
    return int(response(server, target, *headers, method=method)[9:12])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("login", [(), (LOGIN,)], ids=["no password", "password"])
@pytest.mark.parametrize("base", ["http://x:1", "HTTPS://alice:wonderland@x:1"])
def test_a_url_is_served_like_its_path(
    server: HttpServer, base: str, login: tuple[str, ...], path: str, method: str
) -> None:
    expected = response(server, path, "Host: x:1", *login, method=method)
    assert response(server, base + path, "Host: y", *login, method=method) == expected


def test_a_url_without_a_path_is_the_root(server: HttpServer) -> None:
    assert response(server, "http://x", "Host: x", LOGIN) == response(server, "/", "Host: x", LOGIN)
    assert status(server, "http://x?y=/page", "Host: x", LOGIN) == 404


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [("http://x/-/reload", "y", 200), ("http://y/-/reload", "x", 403), ("/-/reload", "x", 200)],
)
def test_the_host_of_a_url_replaces_the_header(server: HttpServer, target: str, host: str, expected: int) -> None:
    assert status(server, target, f"Host: {host}", "Origin: http://x", LOGIN, method="POST") == expected


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("CONNECT", "x:80", 405),
        ("OPTIONS", "*", 405),
        ("GET", "*", 400),
        ("GET", "x:80", 400),
        ("GET", "metrics", 400),
        ("GET", "ftp://x/metrics", 400),
        ("GET", "http:///metrics", 400),
        ("GET", "http://a@b@x/metrics", 400),
        ("GET", "%68ttp://x/metrics", 400),
        ("GET", "http:/metrics", 400),
    ],
)
def test_other_forms_get_an_error_and_only_with_the_password(
    server: HttpServer, method: str, target: str, expected: int
) -> None:
    assert status(server, target, "Host: x", LOGIN, method=method) == expected
    assert (b"\r\nallow: GET, HEAD\r\n" in response(server, target, "Host: x", LOGIN, method=method)) == (
        expected == 405
    )
    assert status(server, target, "Host: x", method=method) == 401


def test_limits_and_the_drain_apply_to_urls(tmp_path: Path) -> None:
    config = tmp_path / "web.yaml"
    config.write_text("rate_limit: {interval: 1s, burst: 1}\n")
    with run_server(config, clock=ManualClock().clock()) as server:
        statuses = [status(server, f"http://x{path}", "Host: x") for path in ("/metrics", "/metrics", "/-/ready")]
        long = status(server, "http://" + "x" * 17_000 + "/metrics", "Host: x")
    assert (statuses, long in (400, 431)) == ([200, 429, 200], True)
