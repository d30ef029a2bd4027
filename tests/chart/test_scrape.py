"""The script of ``helm test``, run against an exporter and against faulty servers."""

import base64
import http.server
import re
import runpy
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.cli.drill.programs import free_port
from tests.support.clocks import ManualClock
from tests.support.exporter_server import serve_exporter
from tests.support.helm_chart import CHART, ci_values, only_object, render
from tests.support.servers import hanging_endpoint

LOGIN = {"EXPORTER_USERNAME": "prometheus", "EXPORTER_PASSWORD": "hush"}


def handler(ordinal: int = 0, password: str = "", prefix: str = "") -> type[http.server.BaseHTTPRequestHandler]:
    """Return the handler of a server that responds like a shard, with an optional password.

    ``prefix`` is that of the path without a password.
    """
    login = base64.b64encode(f"prometheus:{password}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_ready = self.path == f"{prefix}/-/ready"
            authorized = not password or self.headers["Authorization"] == f"Basic {login}" or is_ready
            self.send_response(200 if authorized else 401)
            self.end_headers()
            self.wfile.write(f"aws_iot_bulk_exporter_shard_ordinal {ordinal}.0\n".encode() if authorized else b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Suppress the log."""

    return Handler


@contextmanager
def serve_handler(
    handler: type[http.server.BaseHTTPRequestHandler],
    address: tuple[str, int] = ("127.0.0.1", 0),
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Serve during the block, and give the port."""
    with http.server.ThreadingHTTPServer(address, handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(timeout=10)


def scrape(
    url: str, environment: Mapping[str, str] | None = None, shards: int = 1, *prefix: str
) -> subprocess.CompletedProcess[str]:
    """Run the command of the test pod with this Python and another URL."""
    (container,) = only_object(render(), "Pod")["spec"]["containers"]
    command = [sys.executable, *container["command"][1:], container["args"][0], url, str(shards), *prefix]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment or {})


def scrape_in_virtual_time(url: str, shards: int = 1, pause: Callable[[], object] = lambda: None) -> None:
    """Run the script in this process, with a function that runs at each pause instead of waiting."""
    clock = ManualClock()

    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        pause()

    runpy.run_path(str(CHART / "files" / "scrape.py"))["main"](url, shards, "", clock.clock().monotonic, sleep)


def problem_of(url: str, shards: int = 1) -> str:
    """Return the problem with which the script ends, after all of its retries."""
    with pytest.raises(SystemExit) as raised:
        scrape_in_virtual_time(url, shards)
    return str(raised.value)


def tls_context(name: str, authority: trustme.CA) -> ssl.SSLContext:
    """Return the TLS context of a server with this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_an_exporter_passes() -> None:
    with hanging_endpoint() as (aws, _), serve_exporter("refresh: {deadline: 1s}", aws) as exporter:
        result = scrape(f"{exporter.url}/metrics")
    assert result.stdout == "127.0.0.1: status 200\n"
    assert result.returncode == 0, result.stderr


def test_a_shard_that_does_not_respond_is_named() -> None:
    with serve_handler(handler(ordinal=1)) as port:
        problem = problem_of(f"http://127.0.0.1:{port}/metrics", shards=3)
    assert problem == "no response from shard 0, 2 (gave up after 60 seconds)"


def test_a_refused_connection_is_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The rules of kube-proxy can be late after an installation."""
    port = free_port()
    pauses = count(1)
    with ExitStack() as stack:

        def listen_after_three_pauses() -> None:
            if next(pauses) == 3:
                stack.enter_context(serve_handler(handler(), ("127.0.0.1", port)))

        scrape_in_virtual_time(f"http://127.0.0.1:{port}/metrics", pause=listen_after_three_pauses)
    *retries, last = capsys.readouterr().out.splitlines()
    assert retries == ["127.0.0.1: [Errno 111] Connection refused; trying again"] * 3
    assert last == "127.0.0.1: status 200"


def test_a_name_and_a_shard_that_appear_later_are_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The DNS of the cluster keeps responses for some seconds, so that it can miss new pods."""
    pods: list[str] = []
    resolve_pods(monkeypatch, pods)
    unseen = iter(("127.0.0.1", "127.0.0.2"))
    with serve_handler(handler(0)) as port, serve_handler(handler(1), ("127.0.0.2", port)):
        scrape_in_virtual_time(f"http://shards.test:{port}/metrics", 2, lambda: pods.append(next(unseen)))
    assert capsys.readouterr().out.splitlines() == [
        "shards.test: [Errno -2] Name or service not known; trying again",
        "127.0.0.1: status 200",
        "no response from shard 1; trying again",
        "127.0.0.1: status 200",
        "127.0.0.2: status 200",
    ]


def resolve_pods(monkeypatch: pytest.MonkeyPatch, pods: list[str]) -> None:
    """Resolve the name shards.test as the headless Service of these pods."""
    getaddrinfo: Callable[..., Any] = socket.getaddrinfo

    def resolve(host: str, port: int, *rest: Any, **options: Any) -> Any:
        if host == "shards.test" and not pods:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        names = pods if host == "shards.test" else [host]
        return [address for name in names for address in getaddrinfo(name, port, *rest, **options)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_every_address_of_the_service_is_scraped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    resolve_pods(monkeypatch, ["127.0.0.1", "127.0.0.2"])
    with serve_handler(handler(0)) as port, serve_handler(handler(1), ("127.0.0.2", port)):
        scrape_in_virtual_time(f"http://shards.test:{port}/metrics", 2)
    assert capsys.readouterr().out == "127.0.0.1: status 200\n127.0.0.2: status 200\n"


def test_a_configured_password_is_sent() -> None:
    with serve_handler(handler(password="hush")) as port:
        assert scrape(f"http://127.0.0.1:{port}/metrics", LOGIN).returncode == 0
        wrong = scrape(f"http://127.0.0.1:{port}/metrics", {**LOGIN, "EXPORTER_PASSWORD": "wrong"})
    assert wrong.stderr == "127.0.0.1: expected status 200\n"


def test_without_the_password_only_the_readiness_is_tested_with_a_message() -> None:
    with serve_handler(handler(password="hush")) as port:
        result = scrape(f"http://127.0.0.1:{port}/metrics", shards=2)
    assert "the metrics need a password; testing only /-/ready (set web.basicAuth to test the metrics)" in result.stdout
    assert result.returncode == 0


def test_the_readiness_is_tested_below_the_prefix_of_all_paths() -> None:
    with serve_handler(handler(password="hush", prefix="/bulk")) as port:
        url = f"http://127.0.0.1:{port}/bulk/metrics"
        assert scrape(url, {}, 1, "/bulk").returncode == 0
        assert scrape(url, {}, 1).stderr == "127.0.0.1: expected status 200\n"


def test_the_certificate_is_verified_with_the_mounted_authority(tmp_path: Path) -> None:
    right, untrusted = trustme.CA(), trustme.CA()
    known, unknown = tmp_path / "known.crt", tmp_path / "unknown.crt"
    right.cert_pem.write_to_path(known)
    untrusted.cert_pem.write_to_path(unknown)
    with serve_handler(handler(), tls=tls_context("127.0.0.1", right)) as port:
        url = f"https://127.0.0.1:{port}/metrics"
        assert scrape(url, {"EXPORTER_CA": str(known)}).stdout == "127.0.0.1: status 200\n"
        assert "certificate verify failed" in scrape(url, {"EXPORTER_CA": str(unknown)}).stderr
    with serve_handler(handler(), tls=tls_context("shards.test", right)) as port:
        url = f"https://127.0.0.1:{port}/metrics"
        assert "is not valid for '127.0.0.1'" in scrape(url, {"EXPORTER_CA": str(known)}).stderr
        assert scrape(url, {"EXPORTER_CA": str(tmp_path / "none")}).stdout == "127.0.0.1: status 200\n"


def test_an_unreachable_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_pods(monkeypatch, [])
    refused = problem_of(f"http://127.0.0.1:{free_port()}/metrics")
    assert re.fullmatch(r"127\.0\.0\.1: .*refused \(gave up after 60 seconds\)", refused)
    assert problem_of("http://shards.test:1/metrics").startswith(
        "shards.test: [Errno -2] Name or service not known (gave up"
    )


def test_the_test_pod_scrapes_the_service_and_expects_every_shard() -> None:
    def words(*arguments: str) -> list[str]:
        args: list[str] = only_object(render(*arguments), "Pod")["spec"]["containers"][0]["args"]
        return args[1:]

    name = "fleet-aws-iot-bulk-exporter"
    assert words("--set=service.port=80,containerPort=9098") == [f"http://{name}.monitoring.svc:80/metrics", "1"]
    sharded = words("--set=shards=3,service.port=80,containerPort=9098")
    assert sharded == [f"http://{name}-shards.monitoring.svc:9098/metrics", "3"]


def test_the_test_pod_has_the_login_and_the_authority_but_not_the_key() -> None:
    pod = only_object(render(ci_values("tls")), "Pod")["spec"]
    (container,) = pod["containers"]
    keys = {variable["name"]: variable["valueFrom"]["secretKeyRef"]["key"] for variable in container["env"]}
    assert keys == {"EXPORTER_USERNAME": "username", "EXPORTER_PASSWORD": "password"}
    (volume,) = pod["volumes"]
    assert [item["key"] for item in volume["secret"]["items"]] == ["ca.crt"]
    script = runpy.run_path(str(CHART / "files" / "scrape.py"))
    assert script["CA"] == f"{container['volumeMounts'][0]['mountPath']}/ca.crt"


def test_the_test_pod_can_be_disabled() -> None:
    assert "Pod" not in {document["kind"] for document in render("--set=tests.enabled=false")}
