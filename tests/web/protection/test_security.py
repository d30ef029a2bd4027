"""What an application is given beyond its own answers: passwords, headers, limits, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from tests.support.clocks import ManualClock
from tests.support.http_edge import HttpServer, read_to_end, run_server
from tests.support.passwords import ALICE, BASIC, basic

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


def limited(config: Path, text: str) -> Path:
    """Let the configuration name a limit of requests."""
    config.write_text(f"rate_limit: {{{text}}}\n{HEADERS}")
    return config


def statuses(server: HttpServer, times: int) -> list[int]:
    """Return what so many requests are answered."""
    return [server.get().status_code for _ in range(times)]


def test_who_has_no_password_is_asked_for_one(config: Path) -> None:
    with run_server(config) as server:
        for path in ("/metrics", "/", "/nothing", "/-/reload", "/-/healthy/", "//-/healthy"):
            refused = server.get(path)
            assert (refused.status_code, refused.text) == (401, "Unauthorized\n")
            assert refused.headers["www-authenticate"] == "Basic"
            assert refused.headers["x-frame-options"] == "deny"
        assert server.get(authorization=basic("alice", "wrong")).status_code == 401
        assert server.get(authorization=BASIC["alice"]).text == "up 1\n"


@pytest.mark.parametrize("path", HEALTH)
def test_health_needs_no_password(config: Path, path: str) -> None:
    with run_server(config) as server:
        assert server.get(path).text == "fine\n"
        assert server.get(path, authorization=basic("alice", "wrong")).status_code == 200


def test_every_answer_carries_the_headers(config: Path) -> None:
    with run_server(config) as server:
        for path in ("/metrics", "/nothing", *HEALTH):
            headers = server.get(path, authorization=BASIC["alice"]).headers
            assert headers["strict-transport-security"] == "max-age=1"
            assert headers.get_list("x-content-type-options") == ["nosniff"]
            assert headers["x-frame-options"] == "deny"
            assert headers["x-xss-protection"] == "1; mode=block"
            assert "content-security-policy" not in headers
            assert "server" not in headers


def test_a_header_of_the_configuration_replaces_the_applications_own(config: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        own = [(b"X-Frame-Options", b"sameorigin"), (b"x-other", b"stays")]
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body"})

    with run_server(config, app) as server:
        headers = server.get(authorization=BASIC["alice"]).headers
    assert headers.get_list("x-frame-options") == ["deny"]
    assert headers["x-other"] == "stays"


def test_a_burst_is_answered_and_then_one_request_in_each_interval(config: Path) -> None:
    clock = ManualClock()
    with run_server(limited(config, "interval: 2s, burst: 3"), clock=clock.clock()) as server:
        assert statuses(server, 4) == [200, 200, 200, 429]
        clock.advance(1.9)
        assert statuses(server, 1) == [429]
        clock.advance(0.2)
        assert statuses(server, 2) == [200, 429]
        clock.advance(1000)
        assert statuses(server, 4) == [200, 200, 200, 429]


def test_too_many_requests_are_told_so_without_more(config: Path) -> None:
    with run_server(limited(config, "interval: 1s, burst: 0")) as server:
        refused = server.get()
        assert (refused.status_code, refused.text) == (429, "Too Many Requests\n")
        assert "x-frame-options" not in refused.headers
        assert [server.get(path).status_code for path in HEALTH] == [200, 200]


@pytest.mark.parametrize("limit", ["interval: 0s, burst: 0", "interval: -1s, burst: 0", "burst: 1"])
def test_without_a_positive_interval_nothing_is_limited(config: Path, limit: str) -> None:
    with run_server(limited(config, limit), clock=ManualClock().clock()) as server:
        assert statuses(server, 3) == [200, 200, 200]


def test_a_limit_changes_with_its_file_and_goes_on_where_it_does_not(config: Path) -> None:
    with run_server(limited(config, "interval: 1h, burst: 2"), clock=ManualClock().clock()) as server:
        assert statuses(server, 1) == [200]
        config.write_text(f"# the same\n{config.read_text()}")
        assert statuses(server, 2) == [200, 429]
        limited(config, "interval: 1h, burst: 1")
        assert statuses(server, 2) == [200, 429]


def test_a_request_is_counted_before_its_password_is_looked_at(config: Path) -> None:
    config.write_text(f"basic_auth_users: {{alice: {ALICE}}}\nrate_limit: {{interval: 1h, burst: 1}}\n")
    with run_server(config) as server:
        assert [server.get(authorization=basic("alice", "wrong")).status_code for _ in range(2)] == [401, 429]


def test_a_body_is_refused_before_anything_else(config: Path) -> None:
    request = b"POST /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
    with run_server(config) as server:
        assert read_to_end(server.connect(request)).startswith(b"HTTP/1.1 413 ")
