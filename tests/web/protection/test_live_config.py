"""The web configuration is read again when its files change, and never becomes weaker by accident."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx
import pytest

from tests.support.certificates import Authority, server_files
from tests.support.http_edge import Edge, edge, rest_of
from tests.support.passwords import ALICE, BASIC, BOB, basic

TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
VERIFY = TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.pem}")
USERS = f"basic_auth_users: {{alice: {ALICE}}}\n"
READ_AGAIN, KEPT = 'msg="the web configuration was read again"', "the last good one stays"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority behind the server's certificate."""
    return server_files(tmp_path)


@pytest.fixture
def file(tmp_path: Path, authority: Authority) -> Path:
    """A web configuration with TLS, in a folder with certificates."""
    (tmp_path / "clients.pem").write_bytes(authority.file.read_bytes())
    path = tmp_path / "web.yaml"
    path.write_text(TLS)
    return path


def replace(path: Path, text: str) -> None:
    """Put a file in another's place, as editors and Kubernetes do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def peer(server: Edge, client: ssl.SSLContext) -> bytes | None:
    """Return the certificate that the server shows."""
    with client.wrap_socket(server.connect(), server_hostname="localhost") as secured:
        return secured.getpeercert(binary_form=True)


def test_a_new_certificate_is_shown_to_who_comes_next(file: Path, authority: Authority) -> None:
    client = authority.client()
    with edge(file) as server, httpx.Client(verify=client) as kept:
        before = peer(server, client)
        assert kept.get(server.url + "/metrics").status_code == 200
        authority.issue("server", "localhost", "127.0.0.1")
        assert peer(server, client) not in (None, before)
        assert kept.get(server.url + "/metrics").status_code == 200
        assert server.log.getvalue().count(READ_AGAIN) == 1


def test_a_key_that_comes_later_than_its_certificate_is_waited_for(file: Path, authority: Authority) -> None:
    client, key = authority.client(), file.parent / "server.key"
    with edge(file) as server:
        old_key, before = key.read_text(), peer(server, client)
        authority.issue("server", "localhost", "127.0.0.1")
        new_key = key.read_text()
        replace(key, old_key)
        assert [peer(server, client) for _ in range(3)] == [before] * 3
        assert server.log.getvalue().count(KEPT) == 1
        assert "tls_server_config.key_file: is not the key of the certificate" in server.log.getvalue()
        replace(key, new_key)
        assert peer(server, client) not in (None, before)


def test_a_new_policy_holds_for_who_comes_next(file: Path, authority: Authority) -> None:
    known = authority.client(authority.issue("client", "client.example"))
    with edge(file) as server:
        assert server.status(authority.client()) == 200
        replace(file, VERIFY)
        assert server.status(authority.client()) is None
        assert server.status(known) == 200
        replace(file, VERIFY.replace("}", ", client_allowed_sans: [other.example]}"))
        assert server.status(known) is None
        replace(file, TLS)
        assert server.status(authority.client()) == 200


def test_new_authorities_hold_for_who_comes_next_even_with_a_session_of_before(
    file: Path, authority: Authority
) -> None:
    other = Authority(file.parent, "other-authority")
    known = authority.client(authority.issue("client", "client.example"))
    known.maximum_version = ssl.TLSVersion.TLSv1_2
    file.write_text(VERIFY)
    with edge(file) as server:
        with known.wrap_socket(server.connect(), server_hostname="localhost") as secured:
            session = secured.session
        with known.wrap_socket(server.connect(), server_hostname="localhost", session=session) as secured:
            assert secured.session_reused
        replace(file.parent / "clients.pem", other.file.read_text())
        with pytest.raises(ssl.SSLError):
            known.wrap_socket(server.connect(), server_hostname="localhost", session=session)
        assert server.status(authority.client(other.issue("other-client", "client.example"))) == 200


def test_users_come_and_go(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("")
    with edge(path) as server, httpx.Client() as kept:
        assert kept.get(server.url + "/metrics").status_code == 200
        replace(path, USERS)
        assert kept.get(server.url + "/metrics").status_code == 401
        assert server.status(authorization=BASIC["alice"]) == 200
        replace(path, f"basic_auth_users: {{bob: {BOB}}}\n")
        assert server.status(authorization=BASIC["alice"]) == 401
        assert server.status(authorization=BASIC["bob"]) == 200
        replace(path, f"basic_auth_users: {{bob: {ALICE}}}\n")
        assert server.status(authorization=BASIC["bob"]) == 401
        assert server.status(authorization=basic("bob", "wonderland")) == 200


def test_tls_may_come_later(file: Path, authority: Authority) -> None:
    file.write_text("")
    with edge(file) as server:
        assert server.status() == 200
        replace(file, TLS)
        assert rest_of(server.connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")) == b""
        assert httpx.get(server.url.replace("http:", "https:") + "/metrics", verify=authority.client()).is_success


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "basic_auth_users: is gone; if that is meant, restart"),
        (TLS, "basic_auth_users: is gone; if that is meant, restart"),
        (USERS, "tls_server_config: is gone; if that is meant, restart"),
        ("tls_server_config: {}\n" + USERS, "tls_server_config: needs cert_file or cert"),
        (TLS + "basic_auth_users: {alice: s3cret}\n", "basic_auth_users.alice: expected a bcrypt hash"),
        (TLS + USERS + "s3cret", "no valid YAML"),
        (None, "No such file or directory"),
    ],
)
def test_what_would_open_the_exporter_or_is_bad_changes_nothing_and_is_told_once(
    file: Path, authority: Authority, text: str | None, said: str
) -> None:
    client = authority.client()
    file.write_text(TLS + USERS)
    with edge(file) as server:
        if text is None:
            file.unlink()
        else:
            replace(file, text)
        for _ in range(3):
            assert server.status(client) == 401
            assert server.status(client, authorization=BASIC["alice"]) == 200
            assert rest_of(server.connect(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")) == b""
        log = server.log.getvalue()
        assert (log.count(KEPT), log.count("level=error")) == (1, 1)
        assert said in log
        assert "s3cret" not in log
        replace(file, TLS + USERS)
        assert server.status(client, authorization=BASIC["alice"]) == 200
        assert server.log.getvalue().count(READ_AGAIN) == 1
        replace(file, "junk")
        assert server.status(client) == 401
        assert server.log.getvalue().count(KEPT) == 2


def test_a_certificate_that_comes_after_the_file_that_names_it_is_found(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("")
    with edge(path) as server:
        replace(path, TLS)
        assert server.status() == 200
        assert "tls_server_config.cert_file: cannot read the file: No such file or directory" in server.log.getvalue()
        authority = server_files(tmp_path)
        assert httpx.get(server.url.replace("http:", "https:") + "/metrics", verify=authority.client()).is_success


def test_a_folder_that_is_swapped_as_kubernetes_swaps_secrets_is_noticed(tmp_path: Path) -> None:
    for number, text in enumerate((USERS, f"basic_auth_users: {{bob: {BOB}}}\n")):
        (tmp_path / f"data{number}").mkdir()
        (tmp_path / f"data{number}" / "web.yaml").write_text(text)
    (tmp_path / "data").symlink_to("data0")
    with edge(tmp_path / "data" / "web.yaml") as server:
        assert server.status(authorization=BASIC["bob"]) == 401
        (tmp_path / "new").symlink_to("data1")
        (tmp_path / "new").rename(tmp_path / "data")
        assert server.status(authorization=BASIC["bob"]) == 200
