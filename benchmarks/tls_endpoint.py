"""A minimal HTTPS server in a process of its own that keeps connections. It plays just enough of AWS for benchmarks.

It sends the same task for each request, or with ``lists`` it plays an organization: its accounts, the sessions of their
roles, and their lists. Accounts up to ``LAST_ACTIVE_ACCOUNT`` have a task in each of ``ACTIVE_REGIONS``, and everything
else is empty. ``/start/ACCOUNT`` starts a task in an account, in ``START_REGION``. ``/requests`` returns the number of
requests since the last call of it.
"""

import itertools
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

import trustme

BODY = b'{"taskId": "x", "status": "InProgress", "successCount": 9, "failureCount": 1, "percentageProgress": 50}'

ACCOUNTS = 1000
# As many as AWS sends.
ACCOUNTS_IN_PAGE = 20
LAST_ACTIVE_ACCOUNT = "100000000049"
START_REGION = "eu-central-1"
ACTIVE_REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1")
EMPTY = {"/jobs": b'{"jobs": []}', "/greengrass/v2/deployments": b'{"deployments": []}'}
IDENTITY = b"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>
<Arn>arn:aws:iam::999999999999:user/bench</Arn><UserId>bench</UserId><Account>999999999999</Account>
</GetCallerIdentityResult></GetCallerIdentityResponse>"""
SESSION = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>
<Arn>arn:aws:sts::{id}:assumed-role/reader/x</Arn><AssumedRoleId>AROA:x</AssumedRoleId></AssumedRoleUser><Credentials>
<AccessKeyId>KEY{id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


def account_id(number: int) -> str:
    """Return the id of an account of the organization."""
    return f"{100000000000 + number}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this, the kernel delays the body of a response until the client has confirmed its head.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._send(BODY)

    def _send(self, body: bytes, content_type: str = "application/json") -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        self.wfile.write(head.encode() + body)

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["content-length"])).decode()
        if self.headers["x-amz-target"]:
            self._send(_accounts(json.loads(form)), "application/x-amz-json-1.1")
            return
        if "GetCallerIdentity" in form:
            self._send(IDENTITY, "text/xml")
            return
        account_id = form.partition("iam%3A%3A")[2][:12]
        self._send(SESSION.format(id=account_id).encode(), "text/xml")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


class _ListHandler(_Handler):
    requests = itertools.count()
    started: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/requests":
            self._send(str(next(type(self).requests)).encode())
            type(self).requests = itertools.count()
            return
        if path.startswith("/start/"):
            self.started.add(path.rpartition("/")[2])
            self._send(b"{}")
            return
        next(self.requests)
        self._send(EMPTY.get(path) or self._tasks(path, query))

    def _tasks(self, path: str, query: str) -> bytes:
        if path != "/thing-registration-tasks":
            return BODY
        account_id, _, region = self.headers["authorization"].partition("KEY")[2].split("/")[:3]
        is_active = account_id <= LAST_ACTIVE_ACCOUNT and region in ACTIVE_REGIONS
        is_active |= account_id in self.started and region == START_REGION
        return b'{"taskIds": ["x"]}' if is_active and "status=Can" not in query else b'{"taskIds": []}'


def _accounts(request: dict[str, str]) -> bytes:
    """Return a page of the list of accounts."""
    first = int(request.get("NextToken", 0))
    last = min(first + ACCOUNTS_IN_PAGE, ACCOUNTS)
    accounts = [{"Id": account_id(number), "Name": f"a{number}", "State": "ACTIVE"} for number in range(first, last)]
    return json.dumps({"Accounts": accounts, **({"NextToken": str(last)} if last < ACCOUNTS else {})}).encode()


@contextmanager
def tls_endpoint(lists: bool = False) -> Iterator[dict[str, str]]:
    """Run the server, and give the environment variables with its URL and its certificate."""
    with TemporaryDirectory() as folder:
        certificate = _certificate(Path(folder))
        command = [sys.executable, "-m", "benchmarks.tls_endpoint", certificate, *(["lists"] if lists else [])]
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


def _serve(certificate: str, handler: type[_Handler]) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve(sys.argv[1], _ListHandler if sys.argv[2:] else _Handler)
