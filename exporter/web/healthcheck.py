"""What the image's HEALTHCHECK runs: ``python -m exporter.web.healthcheck`` asks the exporter of its own container."""

from __future__ import annotations

import os
import ssl
import sys
from http.client import HTTPException
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

VARIABLE = "HEALTHCHECK_URL"
DEFAULT_URL = "http://127.0.0.1:10098/-/healthy"
TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Return 0 for an exporter that is healthy; else print why it is not and return 1."""
    found = problem(os.environ.get(VARIABLE) or DEFAULT_URL)
    print(found or "healthy")
    return 1 if found else 0


def problem(url: str) -> str | None:
    """Return why a URL is not answered well, None if it is.

    No certificate is verified: it is for the names that others use. None is shown. No proxy is asked.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with build_opener(ProxyHandler({}), HTTPSHandler(context=context)).open(url, timeout=TIMEOUT_SECONDS):
            return None
    except (OSError, HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
