"""Count HTTP attempts, retries included: botocore tells of each by an event, boto3's callers see only calls."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from botocore.client import BaseClient

from exporter.aws.errors import classify, translate
from exporter.core.clock import Clock
from exporter.core.errors import Reason


class Recorder(Protocol):
    """Who is told of attempts, from whichever thread makes them."""

    def sent(self, service: str, api: str, retry: bool) -> None:
        """An attempt goes out; ``retry`` tells that it is not the first of its call."""

    def answered(self, service: str, api: str, seconds: float, reason: Reason | None, code: str) -> None:
        """An attempt ended after so many seconds, well or with a reason and a code."""


class _Attempts(threading.local):
    """The attempts of the call that this thread is making."""

    number = 0
    since = 0.0
    is_open = False


def observe(client: BaseClient, service: str, recorder: Recorder, clock: Clock) -> None:
    """Tell the recorder of every HTTP attempt of a client."""
    attempts = _Attempts()

    def begin(**_: Any) -> None:
        attempts.number = 0

    def send(event_name: str, **_: Any) -> None:
        attempts.number += 1
        attempts.since, attempts.is_open = clock.monotonic(), True
        recorder.sent(service, _api(event_name), attempts.number > 1)

    def receive(
        event_name: str,
        exception: Exception | None,
        response_dict: Mapping[str, Any] | None,
        parsed_response: Mapping[str, Any] | None,
        **_: Any,
    ) -> None:
        end(event_name, *_outcome(exception, response_dict, parsed_response))

    def fail(event_name: str, exception: Exception, **_: Any) -> None:
        """An answer that cannot be parsed ends its call at once, without the event that it was received."""
        if attempts.is_open:
            end(event_name, *_outcome(exception, None, None))

    def end(event_name: str, reason: Reason | None, code: str) -> None:
        attempts.is_open = False
        recorder.answered(service, _api(event_name), clock.monotonic() - attempts.since, reason, code)

    client.meta.events.register("before-call", begin)
    client.meta.events.register("before-send", send)
    client.meta.events.register("response-received", receive)
    client.meta.events.register("after-call-error", fail)


def _api(event_name: str) -> str:
    return event_name.rpartition(".")[2]


def _outcome(
    exception: Exception | None, response: Mapping[str, Any] | None, parsed: Mapping[str, Any] | None
) -> tuple[Reason | None, str]:
    if exception is not None:
        error = translate(exception)
        return error.reason, error.code
    status = response["status_code"] if response else 0
    if status < 300:
        return None, ""
    code = str((parsed or {}).get("Error", {}).get("Code", ""))
    return classify(code, status, response["headers"].get("content-type", "") if response else "")
