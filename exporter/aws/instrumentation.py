"""Record each HTTP attempt of a client, retries included: botocore's events report them, its calls do not."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.client import BaseClient

from exporter.aws.budget import Budgets
from exporter.aws.errors import classify, translate
from exporter.core.clock import Clock
from exporter.core.errors import Reason
from exporter.metrics.self_metrics import ApiMetrics


@dataclass(frozen=True, slots=True)
class Recorder:
    """Counts the attempts of one scope, charges its budgets for retries, and slows them down when AWS throttles.

    Its methods are called in the threads that make the calls.
    """

    budgets: Budgets
    metrics: ApiMetrics
    account_id: str
    region: str

    def record_request(self, service: str, api: str, is_retry: bool) -> None:
        """Count an attempt, and charge the budget for a retry. The first attempt took a token."""
        self.metrics.count_request(self.account_id, self.region, service, api)
        bucket = self.budgets.bucket(self.account_id, self.region, service, api)
        if is_retry and bucket:
            bucket.charge()

    def record_response(self, service: str, api: str, seconds: float, reason: Reason | None, code: str) -> None:
        """Record the duration of an attempt, and its failure."""
        self.metrics.duration.labels(service, api).observe(seconds)
        if reason is None:
            return
        self.metrics.errors.labels(self.account_id, self.region, service, api, code).inc()
        bucket = self.budgets.bucket(self.account_id, self.region, service, api)
        if reason is Reason.THROTTLED and bucket:
            bucket.slow_down()


class _Attempts(threading.local):
    """The attempts of the call that this thread is making."""

    number = 0
    started = 0.0
    is_running = False


def record_attempts(client: BaseClient, service: str, recorder: Recorder, clock: Clock) -> None:
    """Report every HTTP attempt of a client to the recorder."""
    attempts = _Attempts()

    def begin(**_: Any) -> None:
        attempts.number = 0

    def send(event_name: str, **_: Any) -> None:
        attempts.number += 1
        attempts.started, attempts.is_running = clock.monotonic(), True
        recorder.record_request(service, _api(event_name), attempts.number > 1)

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
        if attempts.is_running:
            end(event_name, *_result(exception, None, None))

    def end(event_name: str, reason: Reason | None, code: str) -> None:
        attempts.is_running = False
        recorder.record_response(service, _api(event_name), clock.monotonic() - attempts.started, reason, code)

    client.meta.events.register("before-call", begin)
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
