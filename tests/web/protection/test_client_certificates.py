"""Client certificates: which policy requires which certificate."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.certificates import Authority, self_signed
from tests.support.http_server import run_tls_server


@pytest.mark.parametrize(
    ("policy", "without", "trusted", "untrusted"),
    [
        ("NoClientCert", 200, 200, 200),
        ("RequestClientCert", 200, 200, 200),
        ("VerifyClientCertIfGiven", 200, 200, None),
        ("RequireAndVerifyClientCert", None, 200, None),
    ],
)
def test_the_policy_decides_which_certificate_a_client_needs(
    folder: Path, authority: Authority, policy: str, without: int | None, trusted: int | None, untrusted: int | None
) -> None:
    unknown = Authority(folder, "unknown").issue("unknown-client", "client.example")
    known = authority.issue("client", "client.example")
    authorities = {} if policy == "NoClientCert" else {"client_ca_file": "ca.pem"}
    with run_tls_server(folder, client_auth_type=policy, **authorities) as server:
        assert server.status(authority.client()) == without
        assert server.status(authority.client(known)) == trusted
        assert server.status(authority.client(unknown)) == untrusted


def test_the_default_authorities_are_those_of_the_system(
    folder: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = authority.issue("client", "client.example")
    with run_tls_server(folder, client_auth_type="RequireAndVerifyClientCert") as server:
        assert server.status(authority.client(known)) is None
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    with run_tls_server(folder, client_auth_type="RequireAndVerifyClientCert") as server:
        assert server.status(authority.client(known)) == 200


def test_an_authority_can_be_inline_and_intermediate(folder: Path, authority: Authority) -> None:
    intermediate = Authority(folder, "intermediate", parent=authority)
    policy = {"client_ca": intermediate.file.read_text(), "client_auth_type": "RequireAndVerifyClientCert"}
    with run_tls_server(folder, **policy) as server:
        assert server.status(authority.client(intermediate.issue("other-client", "client.example"))) == 200
        assert server.status(authority.client(authority.issue("client", "client.example"))) is None


@pytest.mark.parametrize(
    ("allowed", "status"),
    [
        (["prometheus.example"], 200),
        (["scraper@example.org"], 200),
        (["10.0.0.1"], 200),
        (["2001:db8::1"], 200),
        (["spiffe://example.org/prometheus"], 200),
        (["other.example", "prometheus.example"], 200),
        (["PROMETHEUS.example"], None),
        (["example"], None),
        (["own"], None),
        ([], None),
    ],
)
def test_a_client_certificate_needs_an_allowed_name(
    folder: Path, authority: Authority, allowed: list[str], status: int | None
) -> None:
    names = (
        x509.DNSName("prometheus.example"),
        x509.RFC822Name("scraper@example.org"),
        x509.IPAddress(ipaddress.ip_address("10.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("2001:db8::1")),
        x509.UniformResourceIdentifier("spiffe://example.org/prometheus"),
    )
    own = self_signed(folder, "own", *names)
    policy = {
        "client_ca_file": "own.pem",
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_allowed_sans": allowed,
    }
    with run_tls_server(folder, **policy) as server:
        assert server.status(authority.client(own)) == status


def test_the_allowed_names_do_not_matter_without_a_certificate(folder: Path, authority: Authority) -> None:
    policy = {"client_ca_file": "ca.pem", "client_auth_type": "VerifyClientCertIfGiven", "client_allowed_sans": ["a"]}
    with run_tls_server(folder, **policy) as server:
        assert server.status(authority.client()) == 200
        assert server.status(authority.client(authority.issue("client", "client.example"))) is None
