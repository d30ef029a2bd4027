"""Runs exporters in one thread and in virtual time, with a function in the place of AWS.

So every run is reproducible.
"""

import asyncio
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.handlers import BUILTIN_HANDLERS
from starlette.types import ASGIApp, Message

from exporter.app.exporter import Exporter, new_process_context
from exporter.app.runtime import ProcessContext, Runtime, first_runtime, next_runtime
from exporter.aws.gateway import Gateway, new_shared_resources
from exporter.aws.models import Models
from exporter.config.loader import parse_config
from exporter.config.sections import Config
from exporter.core.clock import Clock
from exporter.core.log import new_log
from exporter.core.model import Shard
from exporter.core.thread import Start
from exporter.kinds.registry import KINDS
from tests.support.exporter_server import aws_environment
from tests.support.scripted_endpoint import HttpResponse
from tests.support.virtual_loop import VirtualLoop

# Returns the response to a request by the name of the API. An exception stands for a network failure.
Respond = Callable[[str, AWSPreparedRequest], HttpResponse]
Headers = Iterable[tuple[bytes, bytes]]


@contextmanager
def respond_in_memory(respond: Respond) -> Iterator[None]:
    """Send every request of botocore sessions that the block creates to a function."""

    def send(request: AWSPreparedRequest, event_name: str, **_: Any) -> AWSResponse:
        response = respond(event_name.rpartition(".")[2], request)
        headers = HTTPHeaders.from_pairs(response.headers.items())
        if response.content_length is not None:
            headers["content-length"] = str(response.content_length)
        # botocore reads a body by the method ``stream`` of urllib3's responses.
        body = SimpleNamespace(stream=lambda: iter((response.body,)))
        return AWSResponse(request.url, response.status, headers, body)

    handler = ("before-send", send)
    BUILTIN_HANDLERS.append(handler)
    try:
        yield
    finally:
        BUILTIN_HANDLERS.remove(handler)


@dataclass(frozen=True, slots=True)
class AsgiResponse:
    """The response of an application. The names in ``headers`` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text. Raises UnicodeDecodeError if it is not UTF-8."""
        return self.body.decode()


async def send_request(
    app: ASGIApp, path: str, query: str = "", headers: Headers = (), method: str = "GET"
) -> AsgiResponse:
    """Return the application's response to a request, even to one that no server accepts. Raises what it raises."""
    sent: list[Message] = []
    received: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Message:
        if not received:
            await asyncio.get_running_loop().create_future()  # The client stays connected and silent.
        return received.pop()

    async def send(message: Message) -> None:
        sent.append(message)

    await app(_scope(path, query, headers, method), receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    received_headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in start["headers"]}
    return AsgiResponse(start["status"], received_headers, body)


def _scope(path: str, query: str, headers: Headers, method: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(errors="surrogateescape"),
        "query_string": query.encode("latin-1", errors="replace"),
        "root_path": "",
        "headers": [(b"host", b"exporter:10098"), *headers],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 10098),
    }


OPENMETRICS = ((b"accept", b"application/openmetrics-text; version=1.0.0"),)
PATIENCE = 60.0


@dataclass(slots=True)
class VirtualExporter:
    """An exporter on an event loop of its own. The last of ``texts`` is its configuration."""

    loop: VirtualLoop
    service: Exporter
    log: io.StringIO
    texts: list[str] = field(default_factory=list)

    def get(self, path: str, query: str = "", headers: Headers = (), method: str = "GET") -> AsgiResponse:
        """Return the response to one request, however long it takes in virtual time."""
        return self.loop.run_until_complete(send_request(self.service.app, path, query, headers, method))

    def scrape(self, headers: Headers = (), patience: float = PATIENCE) -> str:
        """Return the response of /metrics to a client that waits for some seconds."""
        timeout = (b"x-prometheus-scrape-timeout-seconds", str(patience + 0.5).encode())
        response = self.get("/metrics", headers=(timeout, *headers))
        assert response.status == 200
        return response.text


@dataclass(frozen=True, slots=True)
class VirtualExporters:
    """Creates exporters. They share botocore's models, which take long to read."""

    models: Models
    seed: Runtime

    @contextmanager
    def start(self, text: str, begin: Start = lambda call: call(), shard: Shard = Shard()) -> Iterator[VirtualExporter]:
        """Run an exporter. ``begin`` starts each of its calls to AWS."""
        loop, log, texts = VirtualLoop(), io.StringIO(), [text]

        def read() -> Config:
            return parse_config(texts[-1], KINDS)

        async def create() -> Exporter:
            config, process = read(), new_process_context(KINDS, new_log("debug", stream=log), shard, loop.clock())
            seed = replace(self.seed, gateway=self._gateway(process, config, begin))
            return Exporter(process, next_runtime(process, seed, config), read, "/metrics")

        try:
            yield VirtualExporter(loop, loop.run_until_complete(create()), log, texts)
        finally:
            loop.close()

    def _gateway(self, process: ProcessContext, config: Config, begin: Start) -> Gateway:
        resources = new_shared_resources(self.models, config.aws, process.metrics, process.clock, begin)
        return Gateway(self.models, config.aws, process.metrics, process.clock, config.refresh.min_age, resources)


@contextmanager
def virtual_exporters(respond: Respond) -> Iterator[VirtualExporters]:
    """Yield a creator of exporters whose AWS is a function."""
    with aws_environment("http://aws.invalid"), respond_in_memory(respond):
        process = new_process_context(KINDS, new_log("error", stream=io.StringIO()), Shard(), Clock())
        seed = first_runtime(process, parse_config("", KINDS), lambda cells: ())
        yield VirtualExporters(Models(only=(call for kind in KINDS for call in kind.calls)), seed)
