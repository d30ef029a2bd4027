"""A minimal HTTPS server in a process of its own that keeps connections and sends the same JSON for each request."""

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme

BODY = b'{"taskId": "x", "status": "InProgress", "successCount": 9, "failureCount": 1, "percentageProgress": 50}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this, the kernel delays the body of a response until the client has confirmed its head.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@contextmanager
def tls_endpoint() -> Iterator[dict[str, str]]:
    """Run the server, and give the environment variables with its URL and its certificate."""
    with TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder))
        command = [sys.executable, "-m", "benchmarks.tls_endpoint", certificate]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                port = process.stdout.readline().strip() if process.stdout else ""
                yield {"AWS_ENDPOINT_URL": f"https://localhost:{port}", "AWS_CA_BUNDLE": certificate}
            finally:
                process.terminate()


def _certificate(folder: Path) -> str:
    """Return a file with a certificate for localhost, its key, and the certificate of its authority."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    file = folder / "server.pem"
    parts = (leaf.private_key_pem, *leaf.cert_chain_pems, authority.cert_pem)
    file.write_bytes(b"".join(part.bytes() for part in parts))
    return str(file)


def _serve(certificate: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    os.nice(5)
    _serve(sys.argv[1])
