"""Plain HTTP requests, each on a connection of its own, with patience for a busy machine."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from tests.support.waiting import TIMEOUT_SECONDS

# Trusts nobody. Without it httpx would read all public authorities for each request, which takes the longest.
NO_AUTHORITY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def request(method: str, url: str, **how: Any) -> httpx.Response:
    """Return what a URL without TLS answers."""
    return httpx.request(method, url, **{"verify": NO_AUTHORITY, "timeout": TIMEOUT_SECONDS, **how})


def get(url: str, **how: Any) -> httpx.Response:
    """Return what a URL without TLS answers to GET."""
    return request("GET", url, **how)


def head(url: str, **how: Any) -> httpx.Response:
    """Return what a URL without TLS answers to HEAD."""
    return request("HEAD", url, **how)


def post(url: str, **how: Any) -> httpx.Response:
    """Return what a URL without TLS answers to POST."""
    return request("POST", url, **how)
