"""A real Prometheus scrapes the demo over TLS with a password and a certificate, as docs/web-config.md shows."""

from __future__ import annotations

from pathlib import Path

import httpx
import yaml

from tests.support.certificates import server_files
from tests.support.passwords import ALICE
from tests.support.processes import demo
from tests.support.prometheus import prometheus, query
from tests.support.waiting import until

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
        demo(tmp_path, f"--web.config.file={config}") as url,
        prometheus(tmp_path, url, basic_auth=login, tls_config=tls) as prometheus_url,
    ):
        assert httpx.get(url, verify=authority.client((certificate, key))).status_code == 401
        status = 'aws_iot_bulk_operation_status{kind="thing_registration_task"}'
        assert until(lambda: query(prometheus_url, f"up == 1 and on () {status}") or None, "a scrape that succeeds")
