"""The error reports of bulk registration tasks: files of JSON lines behind presigned links.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_ListThingRegistrationTaskReports.html
AWS does not document the keys of a line. Reports of the type RESULTS contain private keys and are never read.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from exporter.core.errors import ApiError, Reason, malformed
from exporter.kinds import response
from exporter.kinds.failure_reason import reason_text
from exporter.kinds.kind import FILE_LINK, Api, ApiCall, FailedItem, FailureApi
from exporter.kinds.simulated_operation import SimulatedOperation

# The action supports no resource: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiot.html
# The quota: https://docs.aws.amazon.com/general/latest/gr/iot-core.html
LIST = ApiCall("iot", "ListThingRegistrationTaskReports", quota=10)
# The only state: the type of the reports with the things that failed.
ERRORS = "ERRORS"

MAX_BYTES = 10 * 1024 * 1024
MAX_LINE_BYTES = 65_536
# More than the largest --limit, so that the command knows whether it omits items.
MAX_LINES = 10_001
MAX_FILES = 100
MAX_DEPTH = 4
MAX_NAME_LENGTH = 128

UNKNOWN_LINE = "the exporter does not understand this line of the report"
LONG_LINE = "this line of the report is too long"
# Names of keys, in lower case and without separators.
_CODE = re.compile(r".*(code|exception|errortype)")
_MESSAGE = re.compile(r".*(message|reason)|errors?|errordetails?")
_THING = re.compile(r"thing(name)?|.*thingname")
_LINE = re.compile(r".*line(number|no|num)?")


class Report(NamedTuple):
    """The failed items in a file, the number of bytes that were read, and whether the rest of the file was not read."""

    items: tuple[FailedItem, ...]
    size: int
    is_cut: bool


async def failed_lines(
    api: FailureApi, task_id: str, failed: int | None, limit: int
) -> AsyncIterator[Sequence[FailedItem]]:
    """Yield the failed things of each error report. A file that cannot be read does not prevent the next one.

    Ends after one thing more than ``limit``. Raises ApiError at the end for the first fault, or if AWS counts failures
    but has no reports of them.
    """
    most_lines = min(MAX_LINES, limit + 1)
    faults = list[ApiError]()
    lines = size = files = 0
    async for link in _links(api, task_id):
        files += 1
        if files > MAX_FILES or size >= MAX_BYTES or lines >= MAX_LINES:
            raise _too_large()
        try:
            report = await api.file(link, _Parser(MAX_BYTES - size, most_lines - lines, lines).report)
        except ApiError as error:
            faults.append(error)
            continue
        lines, size = lines + len(report.items), size + report.size
        yield report.items
        if lines > limit:
            return
        if report.is_cut:
            raise _too_large()
    if not lines and not faults and failed:
        faults.append(ApiError(Reason.OTHER, detail="the error reports of the task have no lines yet; try again later"))
    if faults:
        raise faults[0]


def _too_large() -> ApiError:
    limits = f"{MAX_BYTES // 1024 // 1024} MiB, {MAX_LINES - 1:,} lines or {MAX_FILES} files"
    return ApiError(Reason.OTHER, detail=f"the error reports have more than {limits}; the rest is not read")


async def _links(api: Api, task_id: str) -> AsyncIterator[str]:
    async for page in api.pages(LIST, taskId=task_id, reportType=ERRORS):
        if response.text(page, "reportType") not in ("", ERRORS):
            raise malformed(f"reportType: expected {ERRORS}")
        for link in response.texts(page, "resourceLinks"):
            yield link


class _Parser:
    """Parses the chunks of a file. It never holds more than one line of the permitted length."""

    def __init__(self, max_bytes: int, max_lines: int, earlier_lines: int) -> None:
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._earlier_lines = earlier_lines
        self._size = 0
        self._is_cut = False

    def report(self, chunks: Iterable[bytes]) -> Report:
        """Return the failed items of a file, until a limit."""
        items = list[FailedItem]()
        for line in _lines(self._limited(chunks)):
            if len(items) >= self._max_lines:
                self._is_cut = True
                break
            items.append(_item(line, self._earlier_lines + len(items) + 1))
        return Report(tuple(items), self._size, self._is_cut)

    def _limited(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            kept = chunk[: self._max_bytes - self._size]
            self._size += len(kept)
            yield kept
            if len(kept) < len(chunk):
                self._is_cut = True
                return


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """Yield the lines that are not empty. None is one that is too long, of which nothing is kept."""
    line, is_long = b"", False
    for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            complete, is_ended_long = line + part, is_long
            line, is_long = b"", False
            yield from _line(complete, is_ended_long)
        line, is_long = (b"", True) if is_long or len(line) + len(rest) > MAX_LINE_BYTES else (line + rest, False)
    yield from _line(line, is_long)


def _line(line: bytes, is_long: bool) -> Iterator[bytes | None]:
    if is_long or len(line) > MAX_LINE_BYTES:
        yield None
    elif line.strip():
        yield line


def _item(line: bytes | None, number: int) -> FailedItem:
    found = _values(line) if line is not None else {}
    name = found.get("thing") or (f"line {found['line']}" if "line" in found else f"line {number} of the report")
    reason = reason_text(dict.fromkeys((found.get("code", ""), found.get("message", ""))))
    unknown = UNKNOWN_LINE if line is not None else LONG_LINE
    return FailedItem(reason_text([name[:MAX_NAME_LENGTH]]), ERRORS, reason or unknown)


def _values(line: bytes) -> Mapping[str, str]:
    """Return the first code, message, thing and line number of a line, nothing if it is no JSON object."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    found = dict[str, str]()
    for key, value in _pairs(content, MAX_DEPTH):
        name = _name(key)
        if name and name not in found and str(value).strip():
            found[name] = str(value)
    return found


def _pairs(content: Any, depth: int) -> Iterator[tuple[str, str | int]]:
    """Yield the keys of an object with their texts and numbers, then those of the objects in it."""
    entries = content.items() if isinstance(content, dict) else ()
    for key, value in entries:
        if isinstance(value, str | int) and not isinstance(value, bool):
            yield key, value
    if depth:
        for _, value in entries:
            yield from _pairs(value, depth - 1)


def _name(key: str) -> str:
    plain = re.sub(r"[^a-z]", "", key.lower())
    patterns = {"code": _CODE, "message": _MESSAGE, "thing": _THING, "line": _LINE}
    return next((name for name, pattern in patterns.items() if pattern.fullmatch(plain)), "")


def simulated_reports(task: SimulatedOperation, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the link of the simulated error report, none while no thing has failed."""
    has_report = task.failed and parameters.get("reportType") == ERRORS
    return {"reportType": parameters.get("reportType"), "resourceLinks": [parameters[FILE_LINK]] if has_report else []}


def simulated_report(task: SimulatedOperation) -> Iterator[bytes]:
    """Yield the lines of the simulated error report. Things without a reason in the scenario have only a code."""
    for number in range(task.failed):
        reason = task.failure_reason(number)
        line = {
            "lineNumber": number + 1,
            "thingName": task.item_name(number),
            "errorCode": "ResourceRegistrationFailure",
        }
        yield json.dumps({**line, **({"errorMessage": reason} if reason else {})}).encode() + b"\n"
