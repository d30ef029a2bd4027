#!/usr/bin/env python3
"""Scrape every address of a Service, and check that all shards respond.

Usage: scrape.py URL SHARDS [PREFIX]. PREFIX is that of all paths of the exporter. EXPORTER_CA is the path of the CA
certificate, by default /certificate/ca.crt. EXPORTER_USERNAME and EXPORTER_PASSWORD are the login.
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

TIMEOUT = 30
RETRY_TIME = 60
RETRY_PAUSE = 1
CA = "/certificate/ca.crt"


def main(
    url: str,
    shards: int,
    prefix: str = "",
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Scrape until every shard has responded. Raises SystemExit with the problem if it remains for a minute.

    Directly after an installation, the rules of kube-proxy and the names of the pods can be late.
    """
    end = monotonic() + RETRY_TIME
    while problem := passing_problem(urlsplit(url), shards, prefix):
        if monotonic() >= end:
            sys.exit(f"{problem} (gave up after {RETRY_TIME} seconds)")
        print(f"{problem}; trying again")
        sleep(RETRY_PAUSE)


def passing_problem(parts: SplitResult, shards: int, prefix: str) -> str:
    """Scrape every address, and return the first problem that can end without a change, or an empty text."""
    place = str(parts.hostname)
    found: set[int] = set()
    try:
        for place in addresses(parts):
            found |= shard_ordinals(parts, place, shards, prefix)
    except ssl.SSLError as error:
        sys.exit(f"{place}: {error}")
    except (OSError, http.client.HTTPException) as error:
        return f"{place}: {error}"
    missing = sorted({*range(shards)} - found)
    return f"no response from shard {', '.join(map(str, missing))}" if missing else ""


def shard_ordinals(parts: SplitResult, address: str, shards: int, prefix: str) -> set[int]:
    """Return the ordinal of the shard at an address, or all ordinals if the metrics need an unknown password."""
    status, text = get(parts, parts.path, address)
    if status == http.client.UNAUTHORIZED and "EXPORTER_PASSWORD" not in os.environ:
        print(f"{address}: the metrics need a password; testing only /-/ready (set web.basicAuth to test the metrics)")
        status, _ = get(parts, f"{prefix}/-/ready", address)
        text = "".join(f"aws_iot_bulk_exporter_shard_ordinal {number}\n" for number in range(shards))
    print(f"{address}: status {status}")
    if status != http.client.OK:
        sys.exit(f"{address}: expected status 200")
    return {int(number) for number in re.findall(r"^aws_iot_bulk_exporter_shard_ordinal (\d+)", text, re.MULTILINE)}


def addresses(parts: SplitResult) -> list[str]:
    """Return all IP addresses of the host. A headless Service has the addresses of its pods. Raises OSError."""
    entries = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    return sorted({str(entry[4][0]) for entry in entries})


def get(parts: SplitResult, path: str, address: str) -> tuple[int, str]:
    """Return the status and the body of a path at one address, with the host name of the Service. Raises OSError."""
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    raw = socket.create_connection((address, connection.port), timeout=TIMEOUT)
    connection.sock = tls_context().wrap_socket(raw, server_hostname=parts.hostname) if parts.scheme == "https" else raw
    try:
        connection.request("GET", path, headers=credentials())
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def tls_context() -> ssl.SSLContext:
    """Return a TLS context that verifies certificates if there is a CA certificate."""
    ca_file = os.environ.get("EXPORTER_CA", CA)
    if Path(ca_file).exists():
        return ssl.create_default_context(cafile=ca_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def credentials() -> dict[str, str]:
    """Return the Authorization header, or no header if there is no password."""
    if "EXPORTER_PASSWORD" not in os.environ:
        return {}
    pair = f"{os.environ.get('EXPORTER_USERNAME', '')}:{os.environ['EXPORTER_PASSWORD']}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
