"""An API by botocore's model: its quota, the check of its parameters, its pages, and its responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from exporter.aws.models import Models, Pagination
from exporter.kinds.kind import ApiCall
from exporter.simulator.api_request import ApiRequest, Target
from exporter.simulator.callers import Caller
from exporter.simulator.constraints import constraint_violation
from exporter.simulator.errors import ApiErrors
from exporter.simulator.http_messages import HttpResponse, json_error, json_response
from exporter.simulator.pages import PAGE_SIZE, PageError, next_token, page, page_size
from exporter.simulator.parameters import Values
from exporter.simulator.quota import Quotas
from exporter.simulator.responses import edit_response, serialize

if TYPE_CHECKING:
    from botocore.model import OperationModel

# Returns the members of a response to valid parameters, for the caller and the Unix time. Raises AwsError.
# The list of an API with pages contains every entry, each with a rank that never changes.
Content = Callable[[Caller, float], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Protocol:
    """The format of the responses and the errors of a service, in JSON."""

    response: Callable[[int, Any], HttpResponse] = json_response
    error: Callable[..., HttpResponse] = json_error


@dataclass(frozen=True, slots=True)
class ApiModel:
    """A simulated API. ``quotas`` is None if no quota applies. ``size`` is the number of entries on a page."""

    call: ApiCall
    operation: OperationModel
    errors: ApiErrors
    pagination: Pagination | None
    quotas: Quotas | None
    protocol: Protocol = Protocol()
    size: int = PAGE_SIZE

    def request(self, values: Values, id: str, content: Content) -> ApiRequest:
        """Return a request with unchecked parameters. ``id`` is what a fault can select."""
        names = self.pagination
        return ApiRequest(
            target=Target(self.call.service, self.call.name, id),
            respond=partial(self._respond, content, values),
            error_response=partial(self.protocol.error, message_member=self.errors.message_member),
            respond_endlessly=partial(self._respond_endlessly, content, values, names) if names else None,
        )

    def _respond(self, content: Content, values: Values, caller: Caller, now: float) -> HttpResponse:
        if self.quotas and not self.quotas.allows(caller, self.call, now):
            raise self.errors.throttled()
        if violation := constraint_violation(self.operation.input_shape, values):
            raise self.errors.invalid(violation)
        members = content(caller, now)
        if self.pagination:
            members = self._page(members, self.pagination, values)
        return self.protocol.response(200, serialize(self.operation.output_shape, members))

    def _respond_endlessly(
        self, content: Content, values: Values, names: Pagination, mode: str, caller: Caller, now: float
    ) -> HttpResponse:
        """Respond with the first page and a next token, whatever the token in the request."""
        token = next_token(mode, str(values.get(names.input_token, "")))
        first = {name: value for name, value in values.items() if name != names.input_token}
        response = self._respond(content, first, caller, now)
        return edit_response(response, {_wire_name(self.operation, names.output_token): token})

    def _page(self, members: Mapping[str, Any], names: Pagination, values: Values) -> Mapping[str, Any]:
        try:
            size = page_size(values.get(names.limit), self.size)
            found, token = page(self.call.name, members[names.result], values.get(names.input_token), size)
        except PageError as error:
            raise self.errors.invalid(str(error)) from None
        return {**members, names.result: found, names.output_token: token}


def api_model(
    call: ApiCall, models: Models, quotas: Quotas | None, protocol: Protocol = Protocol(), size: int = PAGE_SIZE
) -> ApiModel:
    """Return the API of a call."""
    operation = models.operation(call)
    try:
        pagination = models.pagination(call)
    except KeyError:
        pagination = None
    return ApiModel(call, operation, ApiErrors(models.errors(operation)), pagination, quotas, protocol, size)


def _wire_name(operation: OperationModel, member: str) -> str:
    shape = operation.output_shape
    return str(shape.members[member].serialization.get("name", member)) if shape else member
