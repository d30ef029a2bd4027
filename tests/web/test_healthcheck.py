"""What the image's HEALTHCHECK says of servers that answer, and of all others."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.main import COMMANDS
from exporter.web.healthcheck import DEFAULT_URL, VARIABLE, problem
from tests.support.certificates import server_files
from tests.support.http_edge import edge, secure_edge
from tests.support.repository import ROOT

HEALTHY = "/-/healthy"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates."""
    path = tmp_path_factory.mktemp("tls")
    server_files(path)
    return path


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else can get meanwhile."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


def test_who_answers_is_healthy() -> None:
    with edge() as server:
        assert problem(server.url + HEALTHY) is None


def test_over_tls_too_whoever_issued_the_certificate(folder: Path) -> None:
    with secure_edge(folder) as server:
        assert problem(server.url + HEALTHY) is None


def test_an_error_another_protocol_nobody_and_a_wrong_url_are_problems(folder: Path, closed_port: int) -> None:
    with secure_edge(folder) as secure, edge() as plain:
        assert problem(plain.url.replace("http:", "https:") + HEALTHY)
        assert problem(secure.url.replace("https:", "http:") + HEALTHY)
        assert problem(f"{plain.url}/nothing") == "HTTP Error 404: Not Found"
    assert "refused" in str(problem(f"http://127.0.0.1:{closed_port}{HEALTHY}"))
    assert problem("127.0.0.1:10098")


def test_the_environment_names_the_url_and_no_proxy_is_asked(closed_port: int) -> None:
    def run(url: str) -> tuple[int, str]:
        environment = {VARIABLE: url, "http_proxy": f"http://127.0.0.1:{closed_port}"}
        command = [sys.executable, "-m", "exporter.web.healthcheck"]
        ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        return ended.returncode, ended.stdout

    with edge() as server:
        assert run(server.url + HEALTHY) == (0, "healthy\n")
    status, output = run(f"http://127.0.0.1:{closed_port}{HEALTHY}")
    assert (status, "refused" in output) == (1, True)


def test_without_a_word_it_asks_where_the_exporter_listens_by_itself() -> None:
    (serve,) = (command for command in COMMANDS if command.name == "serve")
    (address,) = (flag.default for flag in serve.flags if flag.name == "--web.listen-address")
    assert f"http://127.0.0.1{address}{HEALTHY}" == DEFAULT_URL
