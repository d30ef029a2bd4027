#!/usr/bin/env python3
"""Scrape every address of a Service, and tell whether all shards answer.

Usage: scrape.py URL SHARDS. The certificate authority is looked for in /certificate/ca.crt, or where EXPORTER_CA says;
name and password come from EXPORTER_USERNAME and EXPORTER_PASSWORD.
"""

from __future__ import annotations

import base64
import http.client
import os
import re
import socket
import ssl
import sys
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

TIMEOUT = 30
CA = "/certificate/ca.crt"


def main(url: str, shards: int) -> None:
    """Print what each address answers. Raises SystemExit with what is wrong."""
    parts = urlsplit(url)
    found: set[int] = set()
    for address in addresses(parts):
        try:
            found |= ask(parts, address, shards)
        except OSError as error:
            sys.exit(f"{address}: {error}")
    if missing := {*range(shards)} - found:
        sys.exit(f"no answer of shard {', '.join(map(str, sorted(missing)))}")


def ask(parts: SplitResult, address: str, shards: int) -> set[int]:
    """Return the number of the shard that answers. Without a password, where one is wanted, any may have answered."""
    status, text = get(parts, parts.path, address)
    if status == http.client.UNAUTHORIZED and "EXPORTER_PASSWORD" not in os.environ:
        print(f"{address}: wants a password, which web.basicAuth would give; only /-/ready is asked")
        status, _ = get(parts, "/-/ready", address)
        text = "".join(f"aws_iot_bulk_exporter_shard_ordinal {number}\n" for number in range(shards))
    print(f"{address}: status {status}")
    if status != http.client.OK:
        sys.exit(f"{address}: expected status 200")
    return {int(number) for number in re.findall(r"^aws_iot_bulk_exporter_shard_ordinal (\d+)", text, re.MULTILINE)}


def addresses(parts: SplitResult) -> list[str]:
    """Return every address of the host; those of a headless Service are its pods'."""
    try:
        known = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_STREAM)
    except OSError as error:
        sys.exit(f"{parts.hostname}: {error}")
    return sorted({str(address[4][0]) for address in known})


def get(parts: SplitResult, path: str, address: str) -> tuple[int, str]:
    """Return status and body of a path at one address, asked for by the Service's name. Raises OSError."""
    connection = http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT)
    raw = socket.create_connection((address, connection.port), timeout=TIMEOUT)
    connection.sock = tls().wrap_socket(raw, server_hostname=parts.hostname) if parts.scheme == "https" else raw
    try:
        connection.request("GET", path, headers=credentials())
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def tls() -> ssl.SSLContext:
    """Return a context that verifies, or where no authority is known does not."""
    authority = os.environ.get("EXPORTER_CA", CA)
    if Path(authority).exists():
        return ssl.create_default_context(cafile=authority)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def credentials() -> dict[str, str]:
    """Return the headers of a request, with name and password where they are known."""
    if "EXPORTER_PASSWORD" not in os.environ:
        return {}
    pair = f"{os.environ.get('EXPORTER_USERNAME', '')}:{os.environ['EXPORTER_PASSWORD']}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
