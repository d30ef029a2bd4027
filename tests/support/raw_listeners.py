"""An exporter process that tests address by raw sockets, with and without TLS and a password."""

import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.certificates import ALICE, Authority, server_files
from tests.support.http_server import read_to_end
from tests.support.processes import run_process, wait_for_output
from tests.support.waiting import TIMEOUT_SECONDS

# A request that closes its connection. The responses before its own show which requests the exporter saw.
LAST = b"GET /-/ready?last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
PASSWORD = f"basic_auth_users: {{alice: {ALICE}}}\n"
# Web configurations by what a client needs to connect.
WEB_CONFIGS: Mapping[str, str] = {"plain": "", "tls": TLS, "password": PASSWORD, "tls and password": TLS + PASSWORD}


@dataclass(frozen=True, slots=True)
class RawListener:
    """A process that listens on a URL."""

    url: str
    client: ssl.SSLContext | None
    output: Path
    process: subprocess.Popen[bytes]

    def connect(self) -> socket.socket:
        """Return a new connection, after the TLS handshake if there is one."""
        parts = urlsplit(self.url)
        assert parts.hostname
        connection = socket.create_connection((parts.hostname, parts.port or 0), timeout=TIMEOUT_SECONDS)
        return self.client.wrap_socket(connection, server_hostname=parts.hostname) if self.client else connection

    def responses(self, sent: bytes, last: bytes = LAST) -> bytes:
        """Return the bytes of all responses to some bytes and the last request."""
        with self.connect() as connection:
            connection.sendall(sent + last)
            return read_to_end(connection)

    def statuses(self, sent: bytes) -> list[int]:
        """Return the status of each response to some bytes and to the last request."""
        return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.responses(sent))]


@contextmanager
def run_listener(
    folder: Path,
    web: str,
    environment: Mapping[str, str],
    flags: Sequence[str] = (),
    authority: Authority | None = None,
) -> Iterator[RawListener]:
    """Run an exporter with a web configuration and only this environment while the block runs."""
    authority = authority or server_files(folder)
    file, output = folder / "web.yaml", folder / "output"
    file.write_text(web)
    options = (f"--web.config.file={file}", "--web.listen-address=127.0.0.1:0", *flags)
    with run_process([sys.executable, "-m", "exporter", "serve", *options], output, environment) as process:
        url = wait_for_output(r"https?://[\d.:]+/metrics", process, output).removesuffix("/metrics")
        yield RawListener(url, authority.client() if url.startswith("https") else None, output, process)
