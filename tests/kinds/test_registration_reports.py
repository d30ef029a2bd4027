"""Error reports of registration tasks, whatever their files contain, and whatever their links lead to."""

import asyncio
import gzip
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from exporter.aws.models import Models
from exporter.collector.failures import Failures
from exporter.core.errors import ApiError
from exporter.kinds import registration_reports
from exporter.kinds.kind import ApiCall, Content, FailedItem
from exporter.kinds.registration_reports import LONG_LINE, MAX_LINES, UNKNOWN_LINE, failed_lines
from exporter.kinds.registry import KINDS
from exporter.simulator.app import application
from exporter.simulator.scenario import parse_scenario
from tests.support import http_requests
from tests.support.failed_items import failures_at
from tests.support.servers import serve_app

SCENARIO = """
accounts: ["111122223333"]
operations:
  - kind: thing_registration_task
    id: task
    region: eu-west-1
    items: 8
    failures: [{reason: "Thing type {number} not found", items: 3}, {reason: "password=s3cret {item}"}]
    timeline: [{at: 0s, status: Completed, done: 1.0, failed: 0.5}]
"""
GOOD = b'{"lineNumber": 7, "errorCode": "Invalid", "errorMessage": "no type", "thingName": "gate-1"}\n'
GOOD_ITEM = FailedItem("gate-1", "ERRORS", "Invalid; no type")


@dataclass
class Server:
    """The simulator with other links, and with files of its own under /files. ``requests`` are paths."""

    links: list[str] | None = None
    files: dict[str, Response] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    @contextmanager
    def serve(self) -> Iterator[str]:
        simulator = application(parse_scenario(SCENARIO, KINDS), KINDS, Models())

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            app: Any = simulator
            if scope["type"] == "http":
                self.requests.append(scope["path"])
                app = self._response(Request(scope)) or simulator
            await app(scope, receive, send)

        with serve_app(respond) as url:
            yield url

    def _response(self, request: Request) -> Response | None:
        if request.url.path.endswith("/reports") and self.links is not None:
            base = str(request.base_url).rstrip("/")
            links = [f"{base}{link}" if link.startswith("/") else link for link in self.links]
            return JSONResponse({"resourceLinks": links, "reportType": request.query_params["reportType"]})
        return self.files.get(request.url.path)

    def failures(self) -> Failures:
        with self.serve() as url:
            return failures_at(url, "thing_registration_task", "task")


def with_file(response: Response, *more: Response) -> Server:
    files = {f"/files/{number}": served for number, served in enumerate((response, *more))}
    return Server([f"{path}?X-Amz-Signature=s3cret" for path in files], files)


def test_the_simulated_report_has_a_line_for_each_failed_thing() -> None:
    failures = Server().failures()
    code = "ResourceRegistrationFailure"
    assert [(item.item, item.reason) for item in failures.items] == [
        *((f"task-0000{number}", f"{code}; Thing type {number} not found") for number in (1, 2, 3)),
        ("task-00004", f"{code}; password=[redacted] task-00004"),
    ]
    assert failures.complete


def truncated() -> Response:
    response = Response(GOOD)
    response.headers["content-length"] = "1000"
    return response


def endless(piece: bytes, count: int) -> Response:
    return StreamingResponse((piece for _ in range(count)), media_type="binary/octet-stream")


MIB = 1024 * 1024
EXPIRED = Response("<Error><Code>AccessDenied</Code></Error>", 403)
COMPRESSED = Response(gzip.compress(b"a" * 20 * MIB), headers={"content-encoding": "gzip"})
BAD_FILES = {
    "redirect": (RedirectResponse("http://evil.example/s3cret"), "the link of a report redirects (HTTP 307)"),
    "gzip bomb": (COMPRESSED, "a report is compressed, which the exporter does not read"),
    "expired link": (EXPIRED, "S3 refused the link of a report (HTTP 403): it has expired, or a policy denies it"),
    "missing file": (Response(status_code=404), "S3 returned HTTP 404 for the link of a report"),
    "server error": (Response(status_code=503), "S3 returned HTTP 503 for the link of a report"),
    "truncated body": (truncated(), "a report cannot be read: the connection failed before its end"),
}


@pytest.mark.parametrize(("bad", "sentence"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_cannot_be_read_is_a_sentence_and_does_not_harm_the_next_file(bad: Response, sentence: str) -> None:
    failures = with_file(bad, Response(GOOD)).failures()
    assert failures.items == (GOOD_ITEM,)
    (problem,) = failures.problems
    assert sentence in problem.detail
    assert "s3cret" not in problem.detail
    assert "/files" not in problem.detail
    assert not failures.complete


@pytest.mark.parametrize("link", ["https://evil.example/s3cret", "http://169.254.169.254/s3cret", "/\\s3cret"])
def test_a_link_to_another_host_is_not_opened(link: str) -> None:
    server = with_file(Response(GOOD))
    server.links = [link, "/files/0"]
    failures = server.failures()
    assert failures.items == (GOOD_ITEM,)
    detail = "the link of a report does not lead to S3 over https, so it is ignored"
    assert [problem.detail for problem in failures.problems] == [detail]


@pytest.mark.parametrize("server", [Server([]), with_file(Response(b"")), with_file(Response(b"\n \n"))])
def test_no_link_and_an_empty_file_are_a_sentence(server: Server) -> None:
    failures = server.failures()
    assert failures.items == ()
    detail = "the error reports of the task have no lines yet; try again later"
    assert [problem.detail for problem in failures.problems] == [detail]
    assert failures.omitted == 4


def test_a_line_of_50_mb_is_not_read_to_its_end() -> None:
    failures = with_file(endless(b"a" * MIB, 50)).failures()
    assert [item.reason for item in failures.items] == [LONG_LINE]
    detail = "the error reports have more than 10 MiB, 10,000 lines or 100 files; the rest is not read"
    assert [problem.detail for problem in failures.problems] == [detail]


def test_binary_data_is_counted_as_lines_that_are_not_understood() -> None:
    failures = with_file(Response(bytes(range(256)) * 40 + b"\n" + GOOD)).failures()
    reasons = [item.reason for item in failures.items]
    assert reasons == [UNKNOWN_LINE] * 41 + [GOOD_ITEM.reason]
    assert failures.items[0].item == "line 1 of the report"
    assert all(item.item.isprintable() for item in failures.items)


def test_reports_with_the_results_are_never_requested() -> None:
    server = Server()
    server.failures()
    assert [path for path in server.requests if path.endswith("/reports")] == ["/thing-registration-tasks/task/reports"]


class Files:
    """The pages of links, and the content of each file as chunks."""

    def __init__(self, pages: Sequence[Any], files: dict[str, Callable[[], Iterable[bytes]]]) -> None:
        self.parameters: list[Any] = []
        self._pages = pages
        self._files = files

    async def call(self, call: ApiCall, **parameters: Any) -> Any:
        raise AssertionError(call)

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[Any]:
        self.parameters.append(parameters)
        for page in self._pages:
            yield page

    async def file(self, link: str, read: Callable[[Iterable[bytes]], Content]) -> Content:
        return read(self._files[link]())


def lines_of(files: Files, failed: int = 0, limit: int = MAX_LINES) -> tuple[list[FailedItem], list[str]]:
    items, problems = list[FailedItem](), list[str]()

    async def collect() -> None:
        async for page in failed_lines(files, "task", failed, limit):
            items.extend(page)

    try:
        asyncio.run(collect())
    except ApiError as error:
        problems.append(error.detail)
    return items, problems


def only(*chunks: bytes) -> Files:
    return Files([{"resourceLinks": ["a"]}], {"a": lambda: chunks})


def test_the_files_of_every_page_are_read() -> None:
    pages = [{"resourceLinks": ["a", "b"]}, {"resourceLinks": []}, {"resourceLinks": ["c"]}]
    files = Files(pages, dict.fromkeys("abc", lambda: [b"{}\n"]))
    items, problems = lines_of(files)
    assert [item.item for item in items] == [f"line {number} of the report" for number in (1, 2, 3)]
    assert files.parameters == [{"taskId": "task", "reportType": "ERRORS"}]
    assert problems == []


def test_a_page_with_results_is_not_read() -> None:
    page = {"resourceLinks": ["a"], "reportType": "RESULTS"}
    assert lines_of(Files([page], {})) == ([], ["reportType: expected ERRORS"])


@pytest.mark.parametrize(
    ("line", "item", "reason"),
    [
        ('{"code": "A", "message": "b", "thing": "c", "line": 3}', "c", "A; b"),
        ('{"line-number": 3, "error_message": "b"}', "line 3", "b"),
        ('{"offset": 1, "error": {"Code": "A", "Message": "b"}, "parameters": {"ThingName": "c"}}', "c", "A; b"),
        ('{"error": "b", "certificatePem": "s3cret", "privateKey": "s3cret"}', "line 1 of the report", "b"),
        ('{"message": "-----BEGIN CERTIFICATE-----\\ns3cret"}', "line 1 of the report", "[redacted]"),
        ('{"message": "https://s3.amazonaws.com/a?X-Amz-Signature=s3cret"}', "line 1 of the report", None),
        ('{"message": "b", "thingName": "\\u001b[2J"}', "\\x1b[2J", "b"),
        ('{"message": true, "thingName": ["c"]}', "line 1 of the report", UNKNOWN_LINE),
        ('["message"]', "line 1 of the report", UNKNOWN_LINE),
        ("[" * 60_000, "line 1 of the report", UNKNOWN_LINE),
        ('{"code": ' + "9" * 5_000 + "}", "line 1 of the report", UNKNOWN_LINE),
        ('{"message": "' + "a" * 65_536 + '"}', "line 1 of the report", LONG_LINE),
    ],
)
def test_only_codes_messages_things_and_line_numbers_are_kept(line: str, item: str, reason: str | None) -> None:
    (found,), problems = lines_of(only(line.encode()))
    assert found.item == item
    assert reason is None or found.reason == reason
    assert "s3cret" not in repr(found)
    assert problems == []


def test_lines_do_not_depend_on_the_chunks() -> None:
    text = (GOOD + b"x\n\r\n" + GOOD).rstrip()
    whole = lines_of(only(text))
    assert lines_of(only(*(text[at : at + 1] for at in range(len(text))))) == whole
    assert [item.reason for item in whole[0]] == [GOOD_ITEM.reason, UNKNOWN_LINE, GOOD_ITEM.reason]


def test_too_many_lines_and_files_end_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    items, (problem,) = lines_of(only(b"{}\n" * (MAX_LINES + 1)))
    assert len(items) == MAX_LINES
    assert "the rest is not read" in problem
    monkeypatch.setattr(registration_reports, "MAX_FILES", 2)
    items, (problem,) = lines_of(Files([{"resourceLinks": ["a"] * 3}], {"a": lambda: [b"{}"]}))
    assert (len(items), "the rest is not read" in problem) == (2, True)


def test_the_rest_of_a_file_is_not_read_after_the_requested_things() -> None:
    unread = iter([GOOD] * MAX_LINES)
    items, problems = lines_of(Files([{"resourceLinks": ["a", "b"]}], {"a": lambda: unread}), limit=100)
    assert (len(items), problems) == (101, [])
    assert len(list(unread)) >= MAX_LINES - 103


def test_long_lines_are_not_held_in_memory() -> None:
    chunks = [b"a" * 65_536] * 150
    files = only(*chunks, b"\n", json.dumps({"message": "b"}).encode())
    tracemalloc.start()
    items, problems = lines_of(files)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [item.reason for item in items] == [LONG_LINE, "b"]
    assert problems == []
    assert peak < MIB


@pytest.mark.parametrize(
    ("effect", "sentence"),
    [
        ("error: AccessDenied, status: 403", "S3 refused the link of a report (HTTP 403)"),
        ("error: SlowDown, status: 503", "S3 returned HTTP 503 for the link of a report"),
        ("status: 302, body: moved, headers: {location: http://127.0.0.1:9/}", "the link of a report redirects"),
        ("headers: {content-encoding: gzip}", "a report is compressed"),
        ("cut: 20", "a report cannot be read: the connection failed before its end"),
    ],
)
def test_a_fault_of_a_scenario_can_affect_the_download_of_a_report(effect: str, sentence: str) -> None:
    scenario = f"{SCENARIO}faults: [{{service: s3, api: GetObject, id: task, {effect}}}]"
    with serve_app(application(parse_scenario(scenario, KINDS), KINDS, Models())) as endpoint:
        failures = failures_at(endpoint, "thing_registration_task", "task")
    (problem,) = failures.problems
    assert sentence in str(problem)
    assert failures.items == ()


def test_the_link_of_an_unknown_task_is_not_found() -> None:
    with serve_app(application(parse_scenario(SCENARIO, KINDS), KINDS, Models())) as endpoint:
        path = "simulated-files/thing_registration_task/111122223333/eu-west-1/other"
        response = http_requests.get(f"{endpoint}/{path}")
    assert (response.status_code, "<Code>NoSuchKey</Code>" in response.text) == (404, True)
