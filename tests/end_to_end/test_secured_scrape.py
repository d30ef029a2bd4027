"""A real Prometheus scrapes the demo over TLS with a password and a certificate, as docs/web-config.md shows."""

from pathlib import Path

import yaml

from tests.support import http_requests
from tests.support.certificates import ALICE, server_files
from tests.support.processes import run_demo
from tests.support.prometheus import query_series, run_prometheus
from tests.support.waiting import wait_until

WEB = {
    "tls_server_config": {
        "cert_file": "server.pem",
        "key_file": "server.key",
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": "ca.pem",
        "client_allowed_sans": ["prometheus.example"],
    },
    "basic_auth_users": {"alice": ALICE},
}


def test_a_scrape_over_tls_with_a_password_and_a_certificate_succeeds(tmp_path: Path) -> None:
    authority = server_files(tmp_path)
    certificate, key = authority.issue("prometheus", "prometheus.example")
    config = tmp_path / "web.yaml"
    config.write_text(yaml.safe_dump(WEB))
    login = {"username": "alice", "password": "wonderland"}
    tls = {"ca_file": str(authority.file), "cert_file": str(certificate), "key_file": str(key)}
    with (
        run_demo(tmp_path, f"--web.config.file={config}") as url,
        run_prometheus(tmp_path, url, basic_auth=login, tls_config=tls) as prometheus_url,
    ):
        assert http_requests.get(url, verify=authority.client((certificate, key))).status_code == 401
        status = 'aws_iot_bulk_operation_status{kind="thing_registration_task"}'
        assert wait_until(
            lambda: query_series(prometheus_url, f"up == 1 and on () {status}") or None, "a scrape that succeeds"
        )
