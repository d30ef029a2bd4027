"""TLS from the view of clients: versions, ciphers and curves, and the certificates of servers and clients."""

import ipaddress
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from exporter.web.listener.connections import HTTP_TO_TLS
from tests.support.certificates import Authority, self_signed
from tests.support.http_server import REQUEST, HttpServer, read_to_end, run_tls_server

AES_128, AES_256 = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
OPENSSL = {AES_128: "ECDHE-ECDSA-AES128-GCM-SHA256", AES_256: "ECDHE-ECDSA-AES256-GCM-SHA384"}


def handshake(server: HttpServer, client: ssl.SSLContext) -> ssl.SSLSocket:
    """Return a connection after its handshake."""
    secured = client.wrap_socket(server.connect(), server_hostname="localhost")
    server.opened.append(secured)
    return secured


def cipher_of(server: HttpServer, client: ssl.SSLContext) -> str | None:
    """Return the cipher of a handshake."""
    cipher = handshake(server, client).cipher()
    return cipher[0] if cipher else None


def with_versions(client: ssl.SSLContext, lowest: ssl.TLSVersion, highest: ssl.TLSVersion) -> ssl.SSLContext:
    """Limit a client to these versions, also to weak ones. Return the client."""
    with warnings.catch_warnings(action="ignore"):
        client.minimum_version, client.maximum_version = lowest, highest
    if highest < ssl.TLSVersion.TLSv1_2:
        client.set_ciphers("DEFAULT:@SECLEVEL=0")
    return client


def tls12(client: ssl.SSLContext, *ciphers: str) -> ssl.SSLContext:
    """Limit a client to TLS 1.2 with these ciphers. Return the client."""
    client.set_ciphers(":".join(ciphers))
    return with_versions(client, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)


def test_requests_also_those_of_health_need_tls(folder: Path, authority: Authority) -> None:
    with run_tls_server(folder) as server:
        assert server.url.startswith("https://")
        assert server.status(authority.client()) == 200
        assert server.get("/-/healthy", authority.client()).text == "fine\n"
        for request in (REQUEST, REQUEST.replace(b"/metrics", b"/-/healthy")):
            assert read_to_end(server.connect(request)) == HTTP_TO_TLS


def test_an_inline_certificate_is_served(folder: Path, authority: Authority) -> None:
    inline = {name: (folder / f"server.{end}").read_text() for name, end in (("cert", "pem"), ("key", "key"))}
    with run_tls_server(folder, **inline, cert_file="", key_file="") as server:
        assert server.status(authority.client()) == 200


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, {"TLSv1.2", "TLSv1.3"}),
        ({"min_version": "TLS13"}, {"TLSv1.3"}),
        ({"max_version": "TLS12"}, {"TLSv1.2"}),
        ({"min_version": "TLS11"}, {"TLSv1.1", "TLSv1.2", "TLSv1.3"}),
        ({"min_version": "TLS10", "max_version": "TLS11"}, {"TLSv1", "TLSv1.1"}),
        ({"cipher_suites": ["TLS_AES_128_GCM_SHA256"]}, {"TLSv1.3"}),
    ],
)
def test_only_the_configured_versions_are_accepted(
    folder: Path, authority: Authority, settings: dict[str, Any], expected: set[str]
) -> None:
    versions = [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
    found = set()
    with run_tls_server(folder, **settings) as server:
        for version in versions:
            try:
                found.add(handshake(server, with_versions(authority.client(), version, version)).version())
            except OSError:
                continue
    assert found == expected


@pytest.mark.parametrize(
    ("offered", "wanted", "chosen"),
    [
        ([AES_128, AES_256], [AES_256], AES_256),
        ([AES_128], [AES_256, AES_128], AES_128),
        ([AES_128], [AES_256], None),
    ],
    ids=["some", "another", "none"],
)
def test_the_cipher_is_one_of_server_and_client(
    folder: Path, authority: Authority, offered: list[str], wanted: list[str], chosen: str | None
) -> None:
    client = tls12(authority.client(), *(OPENSSL[name] for name in wanted))
    with run_tls_server(folder, cipher_suites=offered) as server:
        if chosen is None:
            with pytest.raises(ssl.SSLError):
                handshake(server, client)
        else:
            assert cipher_of(server, client) == OPENSSL[chosen]


@pytest.mark.parametrize(("prefer", "chosen"), [(None, AES_256), ("true", AES_256), ("false", AES_128)])
def test_the_setting_decides_whose_order_of_ciphers_is_used(
    folder: Path, authority: Authority, prefer: str | None, chosen: str
) -> None:
    settings = {} if prefer is None else {"prefer_server_cipher_suites": prefer}
    client = tls12(authority.client(), OPENSSL[AES_128], OPENSSL[AES_256])
    with run_tls_server(folder, cipher_suites=[AES_256, AES_128], **settings) as server:
        assert cipher_of(server, client) == OPENSSL[chosen]


@pytest.mark.parametrize(("curve", "is_common"), [("secp384r1", True), ("prime256v1", False)])
def test_the_curve_is_one_of_server_and_client(folder: Path, authority: Authority, curve: str, is_common: bool) -> None:
    client = authority.client()
    client.set_ecdh_curve(curve)
    with run_tls_server(folder, curve_preferences=["CurveP384"]) as server:
        assert (server.status(client) == 200) == is_common


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)])
def test_a_client_that_prefers_http2_uses_http1(
    folder: Path, authority: Authority, offered: list[str], chosen: str | None
) -> None:
    client = authority.client()
    client.set_alpn_protocols(offered)
    with run_tls_server(folder) as server:
        assert handshake(server, client).selected_alpn_protocol() == chosen


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
