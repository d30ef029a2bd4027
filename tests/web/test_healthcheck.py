"""The HEALTHCHECK of the image, against servers that respond and servers that do not."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.flags import DEFAULT_LISTEN_ADDRESS
from exporter.web.healthcheck import DEFAULT_URL, VARIABLE, problem
from tests.support.http_server import run_server, run_tls_server
from tests.support.repository import ROOT

HEALTHY = "/-/healthy"

pytestmark = pytest.mark.usefixtures("authority")


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is reserved and has no listener."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def test_a_server_that_responds_is_healthy_with_a_certificate_of_any_issuer(folder: Path) -> None:
    with run_tls_server(folder) as secure, run_server() as plain:
        assert problem(plain.url + HEALTHY) is None
        assert problem(secure.url + HEALTHY) is None


def test_an_error_another_protocol_a_closed_port_and_an_invalid_url_are_problems(
    folder: Path, closed_port: int
) -> None:
    with run_tls_server(folder) as secure, run_server() as plain:
        assert problem(plain.url.replace("http:", "https:") + HEALTHY)
        assert problem(secure.url.replace("https:", "http:") + HEALTHY)
        assert problem(f"{plain.url}/nothing") == "HTTP Error 404: Not Found"
    assert "refused" in str(problem(f"http://127.0.0.1:{closed_port}{HEALTHY}"))
    assert problem("127.0.0.1:10098")


def test_the_url_comes_from_the_environment_and_no_proxy_is_used(closed_port: int) -> None:
    def run(url: str) -> tuple[int, str]:
        environment = {VARIABLE: url, "http_proxy": f"http://127.0.0.1:{closed_port}"}
        command = [sys.executable, "-m", "exporter.web.healthcheck"]
        ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout

    with run_server() as server:
        assert run(server.url + HEALTHY) == (0, "healthy\n")
    status, output = run(f"http://127.0.0.1:{closed_port}{HEALTHY}")
    assert (status, "refused" in output) == (1, True)


def test_the_default_url_is_the_default_address_of_the_exporter() -> None:
    assert f"http://127.0.0.1{DEFAULT_LISTEN_ADDRESS}{HEALTHY}" == DEFAULT_URL
