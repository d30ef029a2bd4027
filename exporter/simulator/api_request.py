"""A request after routing: its target and the functions that respond to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from exporter.simulator.callers import Caller
from exporter.simulator.http_messages import AwsError, HttpResponse


@dataclass(frozen=True, slots=True)
class Target:
    """What a fault can select: the boto3 service name, the API and an id.

    ``id`` is the id in the scenario, even if the request uses an ARN or a job id for the operation. If the scenario
    has no such operation, it is the name in the request, for example the ARN of a role.
    """

    service: str
    api: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to a known API.

    ``respond`` takes the caller and the Unix time, and raises AwsError. ``error_response`` formats that error.
    ``respond_endlessly`` also takes a kind of endless list (see ``pages.next_token``). It is None if the API has
    no pages.
    """

    target: Target
    respond: Callable[[Caller, float], HttpResponse]
    error_response: Callable[[AwsError], HttpResponse]
    respond_endlessly: Callable[[str, Caller, float], HttpResponse] | None = None

    def as_endless_list(self, mode: str) -> ApiRequest:
        """Return the request with a response that always has a next page. Without pages, return it unchanged."""
        return replace(self, respond=partial(self.respond_endlessly, mode)) if self.respond_endlessly else self
