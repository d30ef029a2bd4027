"""Many requests for the configuration at the same time do not delay scrapes."""

import socket
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from exporter.core.store import Store
from exporter.metrics.exposition import Exposition
from exporter.web.lifecycle import lifecycle_routes
from exporter.web.limits import MAX_RENDERINGS
from exporter.web.metrics import Metrics
from exporter.web.routes import application
from tests.support import http_requests
from tests.support.servers import serve_app
from tests.support.waiting import TIMEOUT_SECONDS, wait_until

# More than the threads that all requests share.
CROWD = 60
REQUEST = b"GET /config HTTP/1.1\r\nHost: exporter\r\n\r\n"


async def refresh(max_wait: float | None) -> Metrics:
    """Return no metrics."""
    return Metrics(Store([]), Exposition({}), CollectorRegistry())


async def reload() -> None:
    """Reload nothing."""


def test_many_requests_for_the_configuration_leave_threads_for_scrapes() -> None:
    started, resume = list[int](), threading.Event()

    def shown() -> str:
        started.append(1)
        resume.wait(TIMEOUT_SECONDS)
        return "accounts: []\n"

    app = application(refresh, "/metrics", lifecycle_routes(reload, shown))
    with serve_app(app) as url, ExitStack() as stack:
        stack.callback(resume.set)
        address = urlsplit(url)
        for _ in range(CROWD):
            client = stack.enter_context(socket.create_connection((address.hostname, address.port)))
            client.sendall(REQUEST)
        wait_until(lambda: len(started) >= MAX_RENDERINGS or None, "the first requests")
        assert http_requests.get(f"{url}/metrics", timeout=10.0).status_code == 200
        assert len(started) == MAX_RENDERINGS
        resume.set()
        wait_until(lambda: len(started) == CROWD or None, "all requests")
