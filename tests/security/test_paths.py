"""Paths: no file beside the page's own is ever served, and no spelling of a path leads past the password."""

from __future__ import annotations

import re

import pytest

from exporter.web.ui.assets import read_assets
from tests.support.passwords import BASIC
from tests.support.raw_listeners import RawListener

ASSET = next(iter(read_assets().values())).path
UP, TWICE = "..%2f", "..%252f"
# What somebody may try who looks for files; none of it is a route.
FILES = (
    "/static/../../../../../../etc/passwd",
    f"/static/{UP * 8}etc/passwd",
    f"/static/{TWICE * 8}etc/passwd",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%5c..%5c..%5cetc%5cpasswd",
    "/static/....//....//etc/passwd",
    "/static/..;/..;/etc/passwd",
    "/static/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/file:///etc/passwd",
    "/etc/passwd",
    "//etc/passwd",
    "/../etc/passwd",
    "/proc/self/environ",
    f"/{ASSET}/../../server.py",
    f"/{ASSET}%00.css",
    f"/{ASSET}/",
    "/static/%00",
    "/static/",
    "/static",
    "/static/status.css",
    "/templates/status.html",
    "/exporter/web/listener/server.py",
    "/.git/config",
    "/web.yaml",
    "/server.key",
    "/debug/pprof/",
    "/config/",
    "/%zz",
    "/%ff%fe",
)
# Paths that need a password, among them those that some server or other would take for one of health.
PAST_THE_PASSWORD = (
    "/metrics",
    "/METRICS",
    "//metrics",
    "/./metrics",
    "/metrics/",
    "/metrics;x",
    "/metrics%00",
    "/%6detrics",
    "/-/healthy/../metrics",
    "/-/healthy/..%2f..%2fmetrics",
    "/-/healthy/%2e%2e/%2e%2e/metrics",
    "/-/healthy%2f..%2f..%2fmetrics",
    "/-/healthy/../../metrics",
    "/-/healthy;/metrics",
    "/-/healthy%3f/metrics",
    "/-/healthy%00/metrics",
    "/-/healthy%0a",
    "/-/healthy%20",
    "/-/healthy/",
    "/-/Healthy",
    "/-//healthy",
    "//-/healthy",
    "/x/../-/healthy",
    "/-/ready/../reload",
    "/-/reload",
    "/config",
    "/probe?kind=iot_job&id=a",
    "/",
    "/?/-/healthy",
    "/api/v1/operations",
    "/api/v1/cells",
    "/api/v1/openapi.json",
    f"/{ASSET}",
    "/nowhere",
    "http://x/-/healthy",
    "*",
)
# All spellings of the two paths of health, which need none.
HEALTHY = ("/-/healthy", "/-/ready", "/-/healthy?/metrics", "/-/healthy?x=/../metrics", "/%2d/healthy", "/-/%72eady")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get")


def request(method: str, target: str, *headers: str) -> bytes:
    """Return a request."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@pytest.mark.parametrize("path", FILES)
def test_no_path_leads_to_a_file(open_door: RawListener, path: str) -> None:
    answer = open_door.ask(request("GET", path))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"root:" not in answer


def test_the_file_itself_is_served(open_door: RawListener) -> None:
    assert open_door.statuses(request("GET", f"/{ASSET}")) == [200, 200]


@pytest.mark.parametrize("path", PAST_THE_PASSWORD)
def test_no_spelling_of_a_path_leads_past_the_password(locked_door: RawListener, path: str) -> None:
    answer = locked_door.ask(b"".join(request(method, path) for method in METHODS))
    assert locked_door.statuses(b"".join(request(method, path) for method in METHODS)) == [401] * len(METHODS) + [200]
    assert re.findall(rb"aws_iot|accounts:|<html|reloaded", answer) == []


@pytest.mark.parametrize("path", HEALTHY)
def test_what_needs_no_password_tells_nothing_but_health(locked_door: RawListener, path: str) -> None:
    answer = locked_door.ask(request("GET", path, "Connection: close"), last=b"")
    assert answer.endswith((b"\r\n\r\nhealthy\n", b"\r\n\r\nready\n"))
    assert locked_door.statuses(request("POST", path)) == [405, 200]


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
def test_no_other_header_is_a_password(locked_door: RawListener, header: str) -> None:
    assert locked_door.statuses(request("GET", "/metrics", header)) == [401, 200]


def test_the_password_opens_the_door(locked_door: RawListener) -> None:
    assert locked_door.statuses(request("GET", "/metrics", f"Authorization: {BASIC['alice']}")) == [200, 200]
    assert locked_door.statuses(request("GET", "http://alice:wonderland@x/metrics")) == [401, 200]


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_header_is_no_method(open_door: RawListener, header: str) -> None:
    assert open_door.statuses(request("GET", "/-/reload?_method=POST", f"{header}: POST")) == [405, 200]
    assert "configuration reloaded" not in open_door.output.read_text()
