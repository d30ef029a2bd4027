"""HTTP requests without TLS, each on a new connection, with a long time-out for busy machines."""

import ssl
from functools import partial
from typing import Any

import httpx

from tests.support.waiting import TIMEOUT_SECONDS

# A context without authorities. httpx would otherwise load all public ones for each request, which is slow.
NO_AUTHORITY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def request(method: str, url: str, **how: Any) -> httpx.Response:
    """Return the response of a URL."""
    return httpx.request(method, url, **{"verify": NO_AUTHORITY, "timeout": TIMEOUT_SECONDS, **how})


get = partial(request, "GET")
head = partial(request, "HEAD")
post = partial(request, "POST")
