"""Errors below /api are JSON, also those of requests that reach no route. Other paths keep plain text."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from exporter.web.external_address import ExternalAddress
from exporter.web.limits import MAX_HEAD_BYTES
from exporter.web.routes import application
from tests.support import http_requests
from tests.support.certificates import ALICE
from tests.support.http_server import HttpServer, read_to_end, run_server
from tests.support.status_page import serve_page, tasks

PREFIX = "/bulk"
UNKNOWN = ["/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/cells/", "/api/v2/cells", "/api/%00"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of an exporter."""
    with serve_page(tasks(1)) as page:
        yield page.url


def problem(response: httpx.Response, status: int) -> dict[str, Any]:
    """Return the problem in a response, after a check of its status, its form and its headers."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    assert response.headers["x-content-type-options"] == "nosniff"
    found: dict[str, Any] = response.json()
    assert found.keys() == {"type", "title", "status", "errors", "detail"}
    assert (found["type"], found["status"], found["errors"]) == ("about:blank", status, [])
    return found


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_path_of_the_api_gets_a_problem(url: str, path: str) -> None:
    found = problem(http_requests.get(url + path), 404)
    assert (found["title"], found["detail"]) == (
        "Not Found",
        "the exporter has no such path; /api/v1/openapi.json lists the paths",
    )


@pytest.mark.parametrize("path", [*UNKNOWN, "/api/v1/operations?limit=x"])
def test_a_head_request_has_the_headers_of_the_problem(url: str, path: str) -> None:
    head, get = http_requests.head(url + path), http_requests.get(url + path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/api/v1/operations", "/api/v1/cells", "/api/v1/openapi.json"])
def test_another_method_gets_a_problem_with_the_methods(url: str, method: str, path: str) -> None:
    response = http_requests.request(method, url + path)
    assert problem(response, 405)["detail"] == "the path accepts only the methods GET and HEAD"
    assert {name.strip() for name in response.headers["allow"].split(",")} == {"GET", "HEAD"}


@pytest.mark.parametrize("path", ["/nothing", "/apis", "/api-v1", "/metrics/x"])
def test_other_paths_keep_plain_text(url: str, path: str) -> None:
    response = http_requests.get(url + path)
    assert (response.status_code, response.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    assert http_requests.post(f"{url}/metrics").text == "Method Not Allowed"


async def unused(_: float | None) -> Any:
    """Fail, because no test scrapes."""
    raise AssertionError


async def broken(_: Request) -> Response:
    """Fail like a route with a fault."""
    raise RuntimeError("secret")


@contextmanager
def protected(tmp_path: Path, config: str) -> Iterator[HttpServer]:
    """Serve an application with a prefix, a web configuration and a route that fails."""
    file = tmp_path / "web.yaml"
    file.write_text(config)
    routes = [Route("/api/v1/broken", broken), Route("/broken", broken)]
    app = application(unused, "/metrics", routes, ExternalAddress("", PREFIX))
    with run_server(file, app, prefix=PREFIX) as served:
        yield served


def outside(server: HttpServer) -> httpx.Response:
    """Return the response of a path of the API without the prefix."""
    return http_requests.get(f"http://127.0.0.1:{server.port}/api/v1/cells")


def test_the_checks_before_the_application_respond_with_problems_below_the_api(tmp_path: Path) -> None:
    with protected(tmp_path, f"basic_auth_users: {{alice: {ALICE}}}") as server:
        refused = server.get("/api/v1/cells")
        assert problem(refused, 401)["detail"] == "a valid user name and password are required"
        assert refused.headers["www-authenticate"] == "Basic"
        assert server.get("/metrics").text == "Unauthorized\n"
        assert outside(server).text == "Unauthorized\n"
        long = server.get("/api/v1/cells", x_long="a" * (MAX_HEAD_BYTES - 100))
        assert problem(long, 431)["title"] == "Request Header Fields Too Large"
        head = f"POST {PREFIX}/api/v1/cells HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"
        received = read_to_end(server.connect(head.encode()))
    assert received.startswith(b"HTTP/1.1 413 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["status"] == 413


def test_a_rate_limited_request_gets_a_problem(tmp_path: Path) -> None:
    with protected(tmp_path, "rate_limit: {interval: 1h, burst: 0}") as server:
        assert problem(server.get("/api/v1/cells"), 429)["title"] == "Too Many Requests"


def test_a_fault_of_a_route_gets_a_problem_without_its_text(tmp_path: Path) -> None:
    with protected(tmp_path, "") as server:
        found = problem(server.get("/api/v1/broken"), 500)
        assert found["detail"] == "the exporter cannot respond because of a fault; its log has the cause"
        assert server.get("/broken").text == "Internal Server Error"
        assert problem(server.get("/api/v1/nothing"), 404)
        assert outside(server).text == "Not Found"
