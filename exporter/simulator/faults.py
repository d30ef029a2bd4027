"""Select the fault for a request, and apply it to the response."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import floor

from exporter.simulator.api_request import Target
from exporter.simulator.callers import Caller
from exporter.simulator.http_messages import AwsError, Delivery, HttpResponse
from exporter.simulator.responses import edit_response
from exporter.simulator.scenario import EDITS, TOLERATED_SKEW, Fault

SIGNING_TIME = "%Y%m%dT%H%M%SZ"


class FaultSelector:
    """The faults of a scenario, with the number of requests that each has matched."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = tuple(faults)
        self._matches = [0] * len(self._faults)

    def select(self, caller: Caller, target: Target, elapsed: float) -> Fault | None:
        """Return the first fault that matches. A share below 1 is spread evenly, so that every run is the same."""
        for number, fault in enumerate(self._faults):
            if not _matches(fault, caller, target, elapsed):
                continue
            self._matches[number] += 1
            matches = self._matches[number]
            if floor(matches * fault.share) > floor((matches - 1) * fault.share):
                return fault
        return None


def replacement_response(fault: Fault) -> HttpResponse | None:
    """Return the response with the body of a fault, or None if the fault has no body."""
    if fault.body is None:
        return None
    return HttpResponse(fault.status or 200, fault.body.encode(errors="replace"), fault.content_type)


def edited_response(fault: Fault, response: HttpResponse) -> HttpResponse:
    """Return the response with the edits of a fault."""
    if not fault.used_keys(EDITS):
        return response
    return edit_response(response, fault.replace or {}, fault.remove or (), fault.double or ())


def with_delivery(fault: Fault, response: HttpResponse) -> HttpResponse:
    """Return the response with the headers and the delivery of a fault."""
    headers = {**response.headers, **(fault.headers or {})}
    return replace(response, headers=headers, delivery=_delivery(fault, len(response.body)))


def skew_error(signing_time: str, skew: float) -> AwsError:
    """Return the error for a request with this signing time, if the clock of AWS is ``skew`` seconds ahead.

    ``signing_time`` is the header X-Amz-Date.
    AWS: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
    """
    try:
        signed = datetime.strptime(signing_time, SIGNING_TIME).replace(tzinfo=UTC)
    except ValueError:
        return AwsError("IncompleteSignatureException", 403, "Date must be in ISO-8601 'basic format'.")
    now, tolerated = signed + timedelta(seconds=skew), timedelta(seconds=TOLERATED_SKEW)
    if skew > 0:
        fault, limit, sign = "Signature expired: {} is now earlier than", now - tolerated, "-"
    else:
        fault, limit, sign = "Signature not yet current: {} is still later than", now + tolerated, "+"
    message = f"{fault.format(signing_time)} {limit:{SIGNING_TIME}} ({now:{SIGNING_TIME}} {sign} 5 min.)"
    return AwsError("InvalidSignatureException", 403, message)


def _delivery(fault: Fault, length: int) -> Delivery:
    if fault.cut is not None:
        return Delivery(sent=min(fault.cut, length))
    if fault.hang is not None:
        return Delivery(head=fault.hang == "body", sent=length // 2, hangs=True)
    return Delivery(rate=fault.drip or 0)


def _matches(fault: Fault, caller: Caller, target: Target, elapsed: float) -> bool:
    selectors = (fault.account, fault.region, fault.service, fault.api, fault.id)
    values = (caller.account, caller.region, target.service, target.api, target.id)
    in_time = fault.since <= elapsed and (fault.until is None or elapsed < fault.until)
    return in_time and all(selector in (None, value) for selector, value in zip(selectors, values, strict=True))
