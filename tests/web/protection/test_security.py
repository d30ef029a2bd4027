"""The checks before the application: passwords, headers, and the rate limit."""

from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.certificates import ALICE, BASIC, basic
from tests.support.clocks import ManualClock
from tests.support.http_server import HttpServer, read_to_end, run_server

HEALTH = ("/-/healthy", "/-/ready")
HEADERS = """
http_server_config:
  headers:
    Strict-Transport-Security: max-age=1
    X-Content-Type-Options: nosniff
    X-Frame-Options: deny
    X-XSS-Protection: 1; mode=block
    Content-Security-Policy: ""
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A web configuration with a user and headers."""
    path = tmp_path / "web.yaml"
    path.write_text(f"basic_auth_users: {{alice: {ALICE}}}\n" + HEADERS)
    return path


def rate_limited(config: Path, text: str) -> Path:
    """Replace the configuration by one with a rate limit."""
    config.write_text(f"rate_limit: {{{text}}}\n{HEADERS}")
    return config


def statuses(server: HttpServer, times: int) -> list[int]:
    """Return the statuses of so many requests."""
    return [server.get().status_code for _ in range(times)]


def test_a_request_without_password_gets_401(config: Path) -> None:
    with run_server(config) as server:
        for path in ("/metrics", "/", "/nothing", "/-/reload", "/-/healthy/", "//-/healthy"):
            response = server.get(path)
            assert (response.status_code, response.text) == (401, "Unauthorized\n")
            assert response.headers["www-authenticate"] == "Basic"
            assert response.headers["x-frame-options"] == "deny"
        assert server.get(authorization=basic("alice", "wrong")).status_code == 401
        assert server.get(authorization=BASIC["alice"]).text == "up 1\n"


@pytest.mark.parametrize("path", HEALTH)
def test_health_needs_no_password(config: Path, path: str) -> None:
    with run_server(config) as server:
        assert server.get(path).text == "fine\n"
        assert server.get(path, authorization=basic("alice", "wrong")).status_code == 200


def test_every_response_has_the_headers(config: Path) -> None:
    with run_server(config) as server:
        for path in ("/metrics", "/nothing", *HEALTH):
            headers = server.get(path, authorization=BASIC["alice"]).headers
            assert headers["strict-transport-security"] == "max-age=1"
            assert headers.get_list("x-content-type-options") == ["nosniff"]
            assert headers["x-frame-options"] == "deny"
            assert headers["x-xss-protection"] == "1; mode=block"
            assert "content-security-policy" not in headers
            assert "server" not in headers


def test_a_configured_header_replaces_that_of_the_application(config: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        own = [(b"X-Frame-Options", b"sameorigin"), (b"x-other", b"kept")]
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body"})

    with run_server(config, app) as server:
        headers = server.get(authorization=BASIC["alice"]).headers
    assert headers.get_list("x-frame-options") == ["deny"]
    assert headers["x-other"] == "kept"


def test_the_rate_limit_allows_a_burst_and_then_one_request_per_interval(config: Path) -> None:
    clock = ManualClock()
    with run_server(rate_limited(config, "interval: 2s, burst: 3"), clock=clock.clock()) as server:
        assert statuses(server, 4) == [200, 200, 200, 429]
        clock.advance(1.9)
        assert statuses(server, 1) == [429]
        clock.advance(0.2)
        assert statuses(server, 2) == [200, 429]
        clock.advance(1000)
        assert statuses(server, 4) == [200, 200, 200, 429]


def test_a_rate_limited_request_gets_429_without_the_headers(config: Path) -> None:
    with run_server(rate_limited(config, "interval: 1s, burst: 0")) as server:
        response = server.get()
        assert (response.status_code, response.text) == (429, "Too Many Requests\n")
        assert "x-frame-options" not in response.headers
        assert [server.get(path).status_code for path in HEALTH] == [200, 200]


@pytest.mark.parametrize("limit", ["interval: 0s, burst: 0", "interval: -1s, burst: 0", "burst: 1"])
def test_an_interval_of_zero_or_less_means_no_limit(config: Path, limit: str) -> None:
    with run_server(rate_limited(config, limit), clock=ManualClock().clock()) as server:
        assert statuses(server, 3) == [200, 200, 200]


def test_a_rate_limit_starts_again_only_if_its_values_change(config: Path) -> None:
    with run_server(rate_limited(config, "interval: 1h, burst: 2"), clock=ManualClock().clock()) as server:
        assert statuses(server, 1) == [200]
        config.write_text(f"# the same\n{config.read_text()}")
        assert statuses(server, 2) == [200, 429]
        rate_limited(config, "interval: 1h, burst: 1")
        assert statuses(server, 2) == [200, 429]


def test_a_request_is_counted_before_its_password_is_checked(config: Path) -> None:
    config.write_text(f"basic_auth_users: {{alice: {ALICE}}}\nrate_limit: {{interval: 1h, burst: 1}}\n")
    with run_server(config) as server:
        assert [server.get(authorization=basic("alice", "wrong")).status_code for _ in range(2)] == [401, 429]


def test_a_body_is_rejected_before_all_other_checks(config: Path) -> None:
    request = b"POST /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
    with run_server(config) as server:
        assert read_to_end(server.connect(request)).startswith(b"HTTP/1.1 413 ")
