"""Paths: no path serves another file, and no spelling of a path avoids the password."""

import re

import pytest

from exporter.web.ui.pages import read_assets
from tests.support.certificates import BASIC
from tests.support.raw_listeners import RawListener

ASSET = next(iter(read_assets().values())).path
UP, TWICE = "..%2f", "..%252f"
# Paths that an attacker may try in order to read files. None of them is a route.
FILES = f"""
    /static/../../../../../../etc/passwd /static/{UP * 8}etc/passwd /static/{TWICE * 8}etc/passwd
    /static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd /static/..%5c..%5c..%5cetc%5cpasswd /static/....//....//etc/passwd
    /static/..;/..;/etc/passwd /static/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd
    /static//etc/passwd /static/%2fetc%2fpasswd /static/file:///etc/passwd
    /etc/passwd //etc/passwd /../etc/passwd /proc/self/environ
    /{ASSET}/../../server.py /{ASSET}%00.css /{ASSET}/
    /static/%00 /static/ /static /static/status.css /templates/status.html /exporter/web/listener/server.py
    /.git/config /web.yaml /server.key /debug/pprof/ /config/
    /%zz /%ff%fe
""".split()
# Paths that need a password. Some servers would take some of them for a health path.
PAST_THE_PASSWORD = f"""
    /metrics /METRICS //metrics /./metrics /metrics/ /metrics;x /metrics%00 /%6detrics
    /-/healthy/../metrics /-/healthy/..%2f..%2fmetrics /-/healthy/%2e%2e/%2e%2e/metrics
    /-/healthy%2f..%2f..%2fmetrics /-/healthy/../../metrics /-/healthy;/metrics /-/healthy%3f/metrics
    /-/healthy%00/metrics /-/healthy%0a /-/healthy%20 /-/healthy/ /-/Healthy /-//healthy //-/healthy /x/../-/healthy
    /-/ready/../reload /-/reload /config /probe?kind=iot_job&id=a / /?/-/healthy
    /api/v1/operations /api/v1/cells /api/v1/openapi.json /{ASSET} /nowhere
    http://x/metrics http://x//-/healthy http://x/-/healthy/ *
""".split()
# All spellings of the two health paths, which need no password.
HEALTHY = (
    "/-/healthy",
    "/-/ready",
    "/-/healthy?/metrics",
    "/-/healthy?x=/../metrics",
    "/%2d/healthy",
    "/-/%72eady",
    "http://x/-/healthy",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get")


def request(method: str, target: str, *headers: str) -> bytes:
    """Return a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@pytest.mark.parametrize("path", FILES)
def test_no_path_serves_a_file(open_listener: RawListener, path: str) -> None:
    response = open_listener.responses(request("GET", path))
    assert response.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in response


def test_the_asset_is_served(open_listener: RawListener) -> None:
    assert open_listener.statuses(request("GET", f"/{ASSET}")) == [200, 200]


@pytest.mark.parametrize("path", PAST_THE_PASSWORD)
def test_no_spelling_of_a_path_avoids_the_password(protected_listener: RawListener, path: str) -> None:
    sent = b"".join(request(method, path) for method in METHODS)
    response = protected_listener.responses(sent)
    assert protected_listener.statuses(sent) == [*[401] * len(METHODS), 200]
    assert re.findall(rb"aws_iot|accounts:|<html|reloaded", response) == []


@pytest.mark.parametrize("path", HEALTHY)
def test_health_paths_need_no_password_and_show_nothing_else(protected_listener: RawListener, path: str) -> None:
    response = protected_listener.responses(request("GET", path, "Connection: close"), last=b"")
    assert response.endswith((b"\r\n\r\nhealthy\n", b"\r\n\r\nready\n"))
    assert protected_listener.statuses(request("POST", path)) == [405, 200]


@pytest.mark.parametrize(
    "header",
    [
        "X-Original-URL: /-/healthy",
        "X-Rewrite-URL: /-/healthy",
        "X-Forwarded-Prefix: /-/healthy",
        "X-Forwarded-For: 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Remote-User: alice",
        "Authorization: Bearer alice",
        "Authorization: Basic",
        "Authorization: Basic YWxpY2U=",
        "Authorization: Basic YWxpY2U6",
        "Authorization: Basic OndvbmRlcmxhbmQ=",
        "Authorization: Basic \xff\xff",
        f"Authorization: {BASIC['alice']}x",
        f"Proxy-Authorization: {BASIC['alice']}",
        f"Cookie: Authorization={BASIC['alice']}",
        f"X-Authorization: {BASIC['alice']}",
        f"Authorization: Basic x\r\nAuthorization: {BASIC['alice']}",
    ],
)
def test_no_other_header_replaces_the_password(protected_listener: RawListener, header: str) -> None:
    assert protected_listener.statuses(request("GET", "/metrics", header)) == [401, 200]


def test_the_password_gives_access(protected_listener: RawListener) -> None:
    assert protected_listener.statuses(request("GET", "/metrics", f"Authorization: {BASIC['alice']}")) == [200, 200]
    assert protected_listener.statuses(request("GET", "http://alice:wonderland@x/metrics")) == [401, 200]


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_no_header_replaces_the_method(open_listener: RawListener, header: str) -> None:
    assert open_listener.statuses(request("GET", "/-/reload?_method=POST", f"{header}: POST")) == [405, 200]
    assert "configuration reloaded" not in open_listener.output.read_text()
