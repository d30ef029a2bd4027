"""Record each HTTP attempt of a client, retries included: botocore's events report them, its calls do not."""

from collections.abc import Mapping
from typing import Any

from botocore.client import BaseClient

from exporter.aws.call_context import current_call
from exporter.aws.errors import classify, translate
from exporter.core.clock import Clock
from exporter.core.errors import Reason


def record_attempts(client: BaseClient, service: str, clock: Clock) -> None:
    """Report every HTTP attempt of a client to the recorder of its call."""

    def send(event_name: str, **_: Any) -> None:
        call = current_call()
        call.attempts += 1
        call.started, call.is_running = clock.monotonic(), True
        call.recorder.record_request(service, _api(event_name), call.attempts > 1)

    def receive(
        event_name: str,
        exception: Exception | None,
        response_dict: Mapping[str, Any] | None,
        parsed_response: Mapping[str, Any] | None,
        **_: Any,
    ) -> None:
        end(event_name, *_result(exception, response_dict, parsed_response))

    def fail(event_name: str, exception: Exception, **_: Any) -> None:
        # A response that cannot be parsed ends its call without the event response-received.
        if current_call().is_running:
            end(event_name, *_result(exception, None, None))

    def end(event_name: str, reason: Reason | None, code: str) -> None:
        call = current_call()
        call.is_running = False
        call.recorder.record_response(service, _api(event_name), clock.monotonic() - call.started, reason, code)

    client.meta.events.register("before-send", send)
    client.meta.events.register("response-received", receive)
    client.meta.events.register("after-call-error", fail)


def _api(event_name: str) -> str:
    return event_name.rpartition(".")[2]


def _result(
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
