"""Changed files of the web configuration are loaded, and a mistake never removes the protection."""

import ssl
from pathlib import Path

import httpx
import pytest

from exporter.web.listener.connections import HTTP_TO_TLS
from tests.support import http_requests
from tests.support.certificates import ALICE, BASIC, BOB, Authority, basic, server_files
from tests.support.http_server import REQUEST, HttpServer, read_to_end, run_server
from tests.support.waiting import TIMEOUT_SECONDS

TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
VERIFY = TLS.replace("}", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.pem}")
USERS = f"basic_auth_users: {{alice: {ALICE}}}\n"
RELOADED, INVALID = 'msg="web configuration file reloaded"', "web configuration file is invalid"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The authority that signs the certificate of the server."""
    return server_files(tmp_path)


@pytest.fixture
def file(tmp_path: Path, authority: Authority) -> Path:
    """A web configuration with TLS, in a folder with certificates."""
    (tmp_path / "clients.pem").write_bytes(authority.file.read_bytes())
    path = tmp_path / "web.yaml"
    path.write_text(TLS)
    return path


def replace(path: Path, text: str) -> None:
    """Replace a file by a rename, as editors and Kubernetes do."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def peer(server: HttpServer, client: ssl.SSLContext) -> bytes | None:
    """Return the certificate of the server."""
    with client.wrap_socket(server.connect(), server_hostname="localhost") as secured:
        return secured.getpeercert(binary_form=True)


def test_new_connections_get_a_new_certificate(file: Path, authority: Authority) -> None:
    client = authority.client()
    with run_server(file) as server, httpx.Client(verify=client, timeout=TIMEOUT_SECONDS) as kept:
        before = peer(server, client)
        assert kept.get(server.url + "/metrics").status_code == 200
        authority.issue("server", "localhost", "127.0.0.1")
        assert peer(server, client) not in (None, before)
        assert kept.get(server.url + "/metrics").status_code == 200
        assert server.log.getvalue().count(RELOADED) == 1


def test_a_certificate_is_used_as_soon_as_its_key_is_there(file: Path, authority: Authority) -> None:
    client, key = authority.client(), file.parent / "server.key"
    with run_server(file) as server:
        old_key, before = key.read_text(), peer(server, client)
        authority.issue("server", "localhost", "127.0.0.1")
        new_key = key.read_text()
        replace(key, old_key)
        assert [peer(server, client) for _ in range(3)] == [before] * 3
        assert server.log.getvalue().count(INVALID) == 1
        assert "tls_server_config.key_file: does not match the certificate" in server.log.getvalue()
        replace(key, new_key)
        assert peer(server, client) not in (None, before)


def test_new_connections_get_a_new_policy(file: Path, authority: Authority) -> None:
    known = authority.client(authority.issue("client", "client.example"))
    with run_server(file) as server:
        assert server.status(authority.client()) == 200
        replace(file, VERIFY)
        assert server.status(authority.client()) is None
        assert server.status(known) == 200
        replace(file, VERIFY.replace("}", ", client_allowed_sans: [other.example]}"))
        assert server.status(known) is None
        replace(file, TLS)
        assert server.status(authority.client()) == 200


def test_new_authorities_apply_to_resumed_tls_sessions(file: Path, authority: Authority) -> None:
    other_authority = Authority(file.parent, "other-authority")
    known = authority.client(authority.issue("client", "client.example"))
    known.maximum_version = ssl.TLSVersion.TLSv1_2
    file.write_text(VERIFY)
    with run_server(file) as server:
        with known.wrap_socket(server.connect(), server_hostname="localhost") as secured:
            session = secured.session
        with known.wrap_socket(server.connect(), server_hostname="localhost", session=session) as secured:
            assert secured.session_reused
        replace(file.parent / "clients.pem", other_authority.file.read_text())
        with pytest.raises(ssl.SSLError):
            known.wrap_socket(server.connect(), server_hostname="localhost", session=session)
        assert server.status(authority.client(other_authority.issue("other-client", "client.example"))) == 200


def test_users_are_added_replaced_and_changed(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("")
    with run_server(path) as server, httpx.Client(timeout=TIMEOUT_SECONDS) as kept:
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


def test_tls_can_be_added_later(file: Path, authority: Authority) -> None:
    file.write_text("")
    with run_server(file) as server:
        assert server.status() == 200
        replace(file, TLS)
        assert read_to_end(server.connect(REQUEST)) == HTTP_TO_TLS
        url = server.url.replace("http:", "https:") + "/metrics"
        assert http_requests.get(url, verify=authority.client()).is_success


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "basic_auth_users: was removed; restart the exporter to run without it"),
        (TLS, "basic_auth_users: was removed; restart the exporter to run without it"),
        (USERS, "tls_server_config: was removed; restart the exporter to run without it"),
        ("tls_server_config: {}\n" + USERS, "tls_server_config: cert_file or cert is required"),
        (TLS + "basic_auth_users: {alice: s3cret}\n", "basic_auth_users.alice: expected a bcrypt hash"),
        (TLS + USERS + "s3cret", "invalid YAML"),
        (None, "No such file or directory"),
    ],
)
def test_an_invalid_or_unprotected_file_changes_nothing_and_is_logged_once(
    file: Path, authority: Authority, text: str | None, problem: str
) -> None:
    client = authority.client()
    file.write_text(TLS + USERS)
    with run_server(file) as server:
        if text is None:
            file.unlink()
        else:
            replace(file, text)
        for _ in range(3):
            assert server.status(client) == 401
            assert server.status(client, authorization=BASIC["alice"]) == 200
            assert read_to_end(server.connect(REQUEST)) == HTTP_TO_TLS
        log = server.log.getvalue()
        assert (log.count(INVALID), log.count("level=error")) == (1, 1)
        assert problem in log
        assert "s3cret" not in log
        replace(file, TLS + USERS)
        assert server.status(client, authorization=BASIC["alice"]) == 200
        assert server.log.getvalue().count(RELOADED) == 1
        replace(file, "junk")
        assert server.status(client) == 401
        assert server.log.getvalue().count(INVALID) == 2


def test_a_certificate_can_be_created_after_the_file_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text("")
    with run_server(path) as server:
        replace(path, TLS)
        assert server.status() == 200
        assert "tls_server_config.cert_file: cannot read the file: No such file or directory" in server.log.getvalue()
        authority = server_files(tmp_path)
        url = server.url.replace("http:", "https:") + "/metrics"
        assert http_requests.get(url, verify=authority.client()).is_success


def test_a_folder_that_kubernetes_replaces_is_loaded(tmp_path: Path) -> None:
    for number, text in enumerate((USERS, f"basic_auth_users: {{bob: {BOB}}}\n")):
        (tmp_path / f"data{number}").mkdir()
        (tmp_path / f"data{number}" / "web.yaml").write_text(text)
    (tmp_path / "data").symlink_to("data0")
    with run_server(tmp_path / "data" / "web.yaml") as server:
        assert server.status(authorization=BASIC["bob"]) == 401
        (tmp_path / "new").symlink_to("data1")
        (tmp_path / "new").rename(tmp_path / "data")
        assert server.status(authorization=BASIC["bob"]) == 200


def test_only_the_first_problems_of_a_file_are_logged(file: Path, authority: Authority) -> None:
    with run_server(file) as server:
        replace(file, TLS + "".join(f"unknown_key_{number}: 1\n" for number in range(50)))
        server.status(authority.client())
        log = server.log.getvalue()
    assert log.count("unknown key") == 20
    assert log.count("and 30 more; correct these first") == 1
