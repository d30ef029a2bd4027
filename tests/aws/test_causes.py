"""Causes in words: for every exception of botocore, and from real faults up to every place that shows them."""

import inspect
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as aws
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from exporter.aws.causes import BOTOCORE, SENTENCE_LENGTH, address, root_cause
from exporter.aws.errors import translate
from tests.support import http_requests
from tests.support.certificates import Authority, self_signed
from tests.support.exporter_server import aws_environment, serve_exporter
from tests.support.processes import run_exporter

SECRET = "Signature4711"
# Exceptions without a sentence of their own: of other services, of test doubles, and of functions that the exporter
# does not call. All others must have one.
UNUSED = {
    "AliasConflictParameterError",
    "BotoCoreError",
    "ClientError",
    "EndpointResolutionError",
    "EventStreamError",
    "ImminentRemovalWarning",
    "InvalidDNSNameError",
    "InvalidExpressionError",
    "InvalidS3AddressingStyleError",
    "InvalidS3UsEast1RegionalEndpointConfigError",
    "MissingServiceIdError",
    "OperationNotPageableError",
    "PaginationError",
    "StubAssertionError",
    "StubResponseError",
    "UnStubbedResponseError",
    "UnknownClientMethodError",
    "UnknownEndpointResolutionBuiltInName",
    "UnknownKeyError",
    "UnknownParameterError",
    "UnknownServiceStyle",
    "UnsupportedOutpostResourceError",
    "UnsupportedS3AccesspointConfigurationError",
    "UnsupportedS3ArnError",
    "UnsupportedS3ConfigurationError",
    "UnsupportedS3ControlArnError",
    "UnsupportedS3ControlConfigurationError",
    "UnsupportedTLSVersionWarning",
    "WaiterConfigError",
    "WaiterError",
}
BOTOCORE_CLASSES = {
    name: kind
    for name, kind in inspect.getmembers(aws, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == aws.__name__
}
URL = f"https://user:{SECRET}@iot.eu-west-1.amazonaws.com/jobs/x?X-Amz-Signature={SECRET}"
HOST = "iot.eu-west-1.amazonaws.com:443"


def test_every_exception_of_botocore_has_a_sentence_or_is_known_as_unused() -> None:
    with_sentence = {kind.__name__ for kind in BOTOCORE}
    assert with_sentence | UNUSED == BOTOCORE_CLASSES.keys()
    assert with_sentence & UNUSED == {"BotoCoreError"}


@pytest.mark.parametrize("kind", BOTOCORE)
def test_every_sentence_has_its_fields_and_names_no_class(kind: type[Exception]) -> None:
    fields = {name: f"the-{name}" for name in ("path", "profile", "name", "provider", "cred_var", "error_msg")}
    error: Any = kind.__new__(kind)
    error.kwargs = {**fields, "endpoint_url": URL, "proxy_url": URL, "error": OSError(SECRET)}
    detail = translate(error).detail
    assert SECRET not in detail
    assert "error_msg" not in detail
    assert kind is aws.BotoCoreError or kind.__name__ not in detail
    assert "{" not in detail


@given(st.text(min_size=1), st.sampled_from(["profile", "path", "cred_var", "endpoint_url", "proxy_url"]))
def test_sentences_are_printable_and_bounded(text: str, field: str) -> None:
    for kind in BOTOCORE:
        error: Any = kind.__new__(kind)
        error.kwargs = {field: text * 1000}
        detail = translate(error).detail
        assert detail.isprintable()
        assert len(detail) <= SENTENCE_LENGTH


def with_cause(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (
            aws.ProfileNotFound(profile="factory"),
            "profile factory is not in the AWS configuration; correct AWS_PROFILE, or add the profile",
        ),
        (aws.PartialCredentialsError(provider="env", cred_var="KEY"), "KEY is missing"),
        (
            aws.SSLError(endpoint_url=URL, error=with_cause(ssl.SSLError(), ssl.SSLError(1, "[SSL: NEW] x"))),
            f"TLS failed for {HOST}",
        ),
        (
            aws.ConnectionClosedError(
                endpoint_url=URL, request=None, error=ProtocolError("x", ConnectionResetError(104, SECRET))
            ),
            f"{HOST} closed the connection without a response: connection reset by peer",
        ),
        (
            aws.ConnectionClosedError(
                endpoint_url=URL, request=None, error=ProtocolError("x", RemoteDisconnected("x"))
            ),
            f"{HOST} closed the connection without a response",
        ),
        (
            aws.EndpointConnectionError(endpoint_url=URL, error=socket.gaierror(socket.EAI_NONAME, SECRET)),
            f"cannot connect to {HOST}: the host name does not exist",
        ),
        (
            aws.EndpointConnectionError(endpoint_url=URL, error=socket.gaierror(socket.EAI_AGAIN, SECRET)),
            f"cannot connect to {HOST}: the DNS server does not respond",
        ),
        (aws.ReadTimeoutError(endpoint_url=URL), f"{HOST} did not respond before the time-out"),
        (OSError(24, SECRET), "too many open files"),
        (OSError(SECRET), "unexpected OSError"),
        (ConnectionResetError(SECRET), "the connection failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_cause_is_said_in_words(error: Exception, detail: str) -> None:
    assert translate(error).detail == detail


def test_a_circle_of_causes_has_an_end() -> None:
    first, second = OSError("a"), OSError("b")
    first.__cause__, second.__context__ = second, first
    assert root_cause(first) == ""


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, HOST),
        ("http://[::1]:4566/x", "[::1]:4566"),
        ("http://proxy", "proxy:80"),
        ("http://x:99999", "an invalid URL"),
        ("http://[::1", "an invalid URL"),
        (None, "an unknown host"),
    ],
)
def test_an_address_has_no_login_path_or_query(url: object, shown: str) -> None:
    assert address(url) == shown


CONFIG = "accounts: [{account_id: '111122223333', watch: [{kind: iot_job, ids: [x]}]}]"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def refusing(folder: Path) -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def served(answer: Callable[[socket.socket], object], scheme: str) -> Iterator[str]:
    """Serve a function that gets each connection, and yield the URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection = listener.accept()[0]
                    with suppress(OSError):
                        answer(connection)
                    connection.close()

        threading.Thread(target=accept, daemon=True).start()
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def closing(folder: Path) -> Any:
    return served(lambda connection: connection.recv(65536), "http")


def plain(folder: Path) -> Any:
    def respond(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 no\r\n\r\n")

    return served(respond, "https")


def with_certificate(pair: tuple[Path, Path]) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    return served(lambda connection: context.wrap_socket(connection, server_side=True).close(), "https")


def signed_by_itself(folder: Path) -> Any:
    return with_certificate(self_signed(folder, "127.0.0.1", x509.DNSName("127.0.0.1")))


def signed_by_a_stranger(folder: Path) -> Any:
    return with_certificate(Authority(folder, "ca").issue("server", "127.0.0.1"))


@contextmanager
def unknown_name(folder: Path) -> Iterator[str]:
    yield "http://no-such-host.invalid"


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (refusing, "cannot connect to ADDRESS: connection refused"),
        (closing, "ADDRESS closed the connection without a response"),
        (plain, "TLS failed for ADDRESS: wrong version number"),
        (signed_by_itself, "certificate verification failed for ADDRESS: self-signed certificate"),
        (signed_by_a_stranger, "certificate verification failed for ADDRESS: unable to get local issuer certificate"),
        (unknown_name, "cannot connect to no-such-host.invalid:80: the "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_place_shows_the_cause_in_words(fault: Callable[[Path], Any], cause: str, tmp_path: Path) -> None:
    with fault(tmp_path) as endpoint, aws_environment(endpoint):
        cause = cause.replace("ADDRESS", address(endpoint))
        with serve_exporter(CONFIG, endpoint) as exporter:
            probe = http_requests.get(f"{exporter.url}/probe", params={"kind": "iot_job", "id": "x"}).text
            exporter.scrape()
            (cell,) = http_requests.get(f"{exporter.url}/api/v1/cells").json()["cells"]
            page = http_requests.get(exporter.url).text
            log = exporter.log.getvalue()
        assert cell["reasons"] == ["connection"]
        assert cell["causes"][0].startswith(f"connection: {cause}")
        assert f"# connection: {cause}" in probe
        assert f": connection: {cause}" in page
        assert f'detail="{cause}' in log
        assert 'msg="AWS call failed"' in log
        assert "subject=x " in log
        file = tmp_path / "config.yaml"
        file.write_text(CONFIG)
        check = run_exporter("check", f"--config.file={file}", "--live", environment=environment_of(endpoint))
        assert f"DescribeJob: connection: {cause}" in check.stdout


def environment_of(endpoint: str) -> dict[str, str]:
    """Return the environment of a process that uses this endpoint."""
    with aws_environment(endpoint):
        return dict(os.environ)


def test_the_watch_says_the_cause_in_words(tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    scope = ("--kind=iot_job", "--id=x", "--until-done", "--give-up-after=10s")
    done = run_exporter("watch", *scope, environment={**environment_of(endpoint), "AWS_ACCOUNT_ID": "111122223333"})
    assert f"cannot be read: connection: cannot connect to {address(endpoint)}: connection refused" in done.stdout
