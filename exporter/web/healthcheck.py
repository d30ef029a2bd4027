"""The HEALTHCHECK of the image: ``python -m exporter.web.healthcheck`` requests the health of the local exporter."""

import os
import ssl
import sys
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

VARIABLE = "HEALTHCHECK_URL"
DEFAULT_URL = "http://127.0.0.1:10098/-/healthy"
TIMEOUT_SECONDS = 4.0


def main() -> int:
    """Print ``healthy`` and return 0, or print the problem and return 1."""
    found = problem(os.environ.get(VARIABLE) or DEFAULT_URL)
    print(found or "healthy")
    return 1 if found else 0


def problem(url: str) -> str | None:
    """Return why a request of a URL fails, or None if it succeeds.

    The certificate is not verified, because it is issued for the names that other machines use. No proxy is used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with build_opener(ProxyHandler({}), HTTPSHandler(context=context)).open(url, timeout=TIMEOUT_SECONDS):
            return None
    except HTTPError as error:
        with error:
            return str(error)
    except (OSError, HTTPException, ValueError) as error:
        return str(error) or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
