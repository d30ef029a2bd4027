"""A reverse proxy that serves an exporter below a path, and passes the path on or removes it."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support import http_requests
from tests.support.servers import serve_app

# Of a response that the proxy passes on as it is.
PASSED_ON = ("content-type", "location", "content-security-policy")


@contextmanager
def reverse_proxy(target: str, path: str, removes_path: bool) -> Iterator[str]:
    """Serve ``target``, a URL without a path, below ``path``, and yield the URL of the proxy with the path."""

    # Not async, because Starlette runs such a function in a thread.
    def pass_on(request: Request) -> Response:
        below = request.url.path.removeprefix(path if removes_path else "")
        found = http_requests.get(f"{target}{below}?{request.url.query}", headers={"Host": request.headers["Host"]})
        headers = {name: found.headers[name] for name in PASSED_ON if name in found.headers}
        return Response(found.content, found.status_code, headers)

    with serve_app(Starlette(routes=[Route(f"{path}{{below:path}}", pass_on)])) as url:
        yield url + path
