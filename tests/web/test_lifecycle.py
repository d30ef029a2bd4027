"""A reload needs a POST request, and no page of another site can cause it."""

from __future__ import annotations

import pytest

from tests.support import http_requests
from tests.support.exporter_server import serve_exporter

CONFIG = 'accounts: [{account_id: "111122223333"}]'
UNUSED = "http://127.0.0.1:1"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_only_post_reloads(method: str) -> None:
    with serve_exporter(CONFIG, UNUSED) as exporter:
        response = http_requests.request(method, f"{exporter.url}/-/reload")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "{url}"}, 403),
        ({"Origin": "https://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "{url}"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy.example.org"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({}, 200),
    ],
)
def test_a_page_of_another_site_cannot_cause_a_reload(headers: dict[str, str], status: int) -> None:
    with serve_exporter(CONFIG, UNUSED) as exporter:
        url = exporter.url
        sent = {name: value.replace("{url}", url) for name, value in headers.items()}
        assert http_requests.post(f"{url}/-/reload", headers=sent, content=b"ignored").status_code == status
        assert exporter.log.getvalue().count("configuration reloaded") == (status == 200)
