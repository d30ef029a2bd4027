"""The headers of a response contain nothing of the request, and give no rights to other sites."""

import re

import pytest

from tests.support.raw_listeners import RawListener

POISON = "evil.example"
INJECTED = "Injected"
# Encodings of the end of a line that some servers decode.
BREAKS = ("%0d%0a", "%0a", "%0d", "%E5%98%8A%E5%98%8D", "%250d%250a", "%00", "%c4%8d%c4%8a", "%e2%80%a8")
PATHS: tuple[str, ...] = ("/", "/metrics", "/metrics/", "/config", "/config/", "/probe", "/probe/", "/-/healthy")
PATHS += ("/-/ready/", "/-/reload", "/api/v1/operations", "/api/v1/cells", "/api/v1/openapi.json")
PATHS += ("/api/v1/operations/", "/nowhere")
NAMES: tuple[str, ...] = ("Origin", "Referer", "User-Agent", "Cookie", "Accept", "Accept-Encoding", "Authorization")
NAMES += ("Access-Control-Request-Method", "Access-Control-Request-Headers", "X-Forwarded-Host", "X-Forwarded-Proto")
NAMES += ("X-Forwarded-Prefix", "X-Original-URL", "X-Request-Id", "X-Prometheus-Scrape-Timeout-Seconds")
# All headers of responses. None gives rights to other sites, sets a cookie or redirects.
OURS = {
    "date",
    "content-type",
    "content-length",
    "content-encoding",
    "content-security-policy",
    "cache-control",
    "connection",
    "referrer-policy",
    "vary",
    "allow",
    "x-content-type-options",
}


def head_of(listener: RawListener, method: str, target: str, host: str = POISON) -> tuple[str, set[str]]:
    """Return the head of the response to a poisoned request, and the names of its headers."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {POISON}" for name in NAMES)]
    response = listener.responses("\r\n".join([*lines, "Connection: close", "", ""]).encode(), last=b"")
    head = response.partition(b"\r\n\r\n")[0].decode("latin-1")
    return head, {line.partition(":")[0].lower() for line in head.split("\r\n")[1:]}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_no_header_contains_a_part_of_the_request(open_listener: RawListener, method: str, path: str) -> None:
    head, names = head_of(open_listener, method, f"{path}?q={POISON}&next=//{POISON}")
    assert POISON not in head
    assert names <= OURS
    assert {"cache-control", "x-content-type-options"} <= names
    assert not head.startswith(("HTTP/1.1 1", "HTTP/1.1 3", "HTTP/1.1 5"))


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("path", PATHS)
def test_a_line_end_in_a_url_ends_no_line_of_the_response(open_listener: RawListener, path: str, broken: str) -> None:
    evil = f"{broken}{INJECTED}:%20yes{broken}{broken}<script>"
    for target in (f"{path}?q={evil}", f"{path}?{evil}=x", f"{path}{evil}", f"{path}{evil}/"):
        head, names = head_of(open_listener, "GET", target.replace("<", "%3c").replace(">", "%3e"))
        assert INJECTED not in head
        assert names <= OURS


@pytest.mark.parametrize("host", ['evil"><script>', "evil/path", "evil@good", "[::1", "", "x:99999", "\xff"])
def test_no_host_header_is_trusted(open_listener: RawListener, host: str) -> None:
    for path in ("/", "/metrics/", "/nowhere"):
        head, names = head_of(open_listener, "GET", path, host)
        assert re.match(r"HTTP/1\.1 (200|400|404) ", head)
        assert names <= OURS


def test_a_page_cannot_be_framed_and_loads_nothing_from_other_sites(open_listener: RawListener) -> None:
    for path in ("/", "/?limit=x", "/config", "/api/v1/operations"):
        head, _ = head_of(open_listener, "GET", path)
        (policy,) = re.findall(r"(?im)^content-security-policy: (.*)$", head)
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
