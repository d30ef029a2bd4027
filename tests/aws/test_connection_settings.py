"""Proxies and certificate authorities of the AWS SDKs: a setting that cannot work is refused, with its name."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest

from exporter.aws.connection_settings import PROXY_FAULT, check_connection_settings
from exporter.core.errors import ConfigError
from tests.support.exporter_server import aws_environment, serve_exporter

SERVICES = ("iot", "sts")
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the proxies of this machine."""
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)


def problems(endpoint: str = "", **variables: str) -> tuple[str, ...]:
    """Return the problems of the settings in these variables. AWS itself has the endpoint by default."""
    with aws_environment(endpoint, **variables):
        try:
            check_connection_settings(SERVICES)
        except ConfigError as error:
            return error.problems
    return ()


@pytest.mark.parametrize(
    "url", ["socks5://127.0.0.1:1080", "http://", "http://proxy:99999", "proxy:x", "http://[::1", "http://proxy:0"]
)
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_that_is_no_url_is_refused_with_its_variable(variable: str, url: str) -> None:
    assert problems(**{variable: url}) == (f"{variable}: {PROXY_FAULT}",)


@pytest.mark.parametrize("url", ["http://user:word@proxy:3128", "https://[::1]:3128", "proxy:3128", "//proxy", "proxy"])
def test_a_proxy_that_botocore_can_use_is_accepted(url: str) -> None:
    assert problems(HTTPS_PROXY=url) == ()


def test_only_the_proxy_that_calls_use_is_checked() -> None:
    assert problems(HTTP_PROXY="http://") == ()
    assert problems("http://localhost:1", HTTP_PROXY="http://") == (f"HTTP_PROXY: {PROXY_FAULT}",)
    assert problems("http://localhost:1", HTTPS_PROXY="http://") == ()
    assert problems(HTTPS_PROXY="http://", NO_PROXY="*") == ()


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_file_of_authorities_that_cannot_be_used_is_refused_with_its_variable(variable: str, tmp_path: Path) -> None:
    absent, text = tmp_path / "absent.pem", tmp_path / "text.pem"
    text.write_text("not a certificate")
    readable = "set a file that the exporter can read, or unset it"
    assert problems(**{variable: str(absent)}) == (
        f"{variable}: {absent} cannot be read: no such file or directory; {readable}",
    )
    assert problems(**{variable: str(tmp_path)}) == (
        f"{variable}: {tmp_path} cannot be read: is a directory; {readable}",
    )
    assert problems(**{variable: str(text)}) == (
        f"{variable}: {text} has no certificates; set a file with certificates in PEM, or unset it",
    )
    assert problems(**{variable: ""}) == (
        f"{variable}: is empty; set the path of a file with certificates, or unset it",
    )
    assert problems("http://localhost:1", **{variable: str(absent)}) == ()


def test_a_file_of_authorities_of_a_profile_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "aws"
    file.write_text("[profile plant]\nca_bundle = /absent.pem\n")
    (problem,) = problems(AWS_CONFIG_FILE=str(file), AWS_PROFILE="plant")
    assert problem.startswith("AWS configuration (AWS_PROFILE, AWS_CONFIG_FILE): profile plant, ca_bundle: /absent.pem")
    assert problems(AWS_CONFIG_FILE=str(file), AWS_PROFILE="absent") == ()


def test_a_reload_refuses_a_file_of_authorities_that_does_not_exist() -> None:
    with serve_exporter("", "https://127.0.0.1:1") as exporter, patch.dict(os.environ, AWS_CA_BUNDLE="/absent.pem"):
        response = exporter.reload("")
    assert response.status_code == 500
    assert "AWS_CA_BUNDLE: /absent.pem cannot be read: no such file or directory" in response.text
