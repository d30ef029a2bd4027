"""The services of the kinds in the protocol rest-json, with every API that a kind calls."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from exporter.aws.models import Models
from exporter.kinds.kind import FILE_LINK, ApiCall, Kind, Naming
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.simulator.api_model import ApiModel, api_model
from exporter.simulator.api_request import ApiRequest, Target
from exporter.simulator.callers import Caller
from exporter.simulator.fleet import Fleet, Member, Place
from exporter.simulator.http_messages import AwsError, HttpRequest, HttpResponse
from exporter.simulator.parameters import Values, read_parameters
from exporter.simulator.quota import Quotas
from exporter.simulator.routes import Routes
from exporter.simulator.scenario import FILE_API

if TYPE_CHECKING:
    from botocore.model import OperationModel


FILE_PATH = re.compile("/simulated-files/([^/]+)/([^/]+)/([^/]+)/([^/]+)")


@dataclass(frozen=True, slots=True)
class Describer:
    """A kind that responds to an API about one operation, and the name of the operation in the request."""

    kind: str
    naming: Naming
    content: Callable[[SimulatedOperation, Values], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class SimulatedApi:
    """A simulated API. It lists the operations of ``lister``, or one of the ``describers`` responds to it."""

    model: ApiModel
    lister: Kind[Any] | None
    describers: tuple[Describer, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A request to a simulated API with its unchecked parameters, and the address that it was sent to."""

    api: SimulatedApi
    values: Values
    url: str

    def name(self, naming: Naming) -> str:
        """Return the name of the operation in the request, or an empty text."""
        return naming.name_in(str(self.values.get(naming.parameter) or ""))


class Rest:
    """Every service of the kinds. The signing name of a request selects the service."""

    def __init__(self, kinds: Sequence[Kind[Any]], models: Models, fleet: Fleet, quotas: Quotas | None) -> None:
        self._fleet = fleet
        self._kinds = kinds
        self._apis = {
            _api_name(call): _simulated_api(call, kinds, models, quotas) for kind in kinds for call in kind.every_call
        }
        by_signing_name: dict[str, list[OperationModel]] = defaultdict(list)
        for service in sorted({service for service, _ in self._apis}):
            by_signing_name[models.service(service).signing_name] += models.operations(service)
        self._routes = {name: Routes(operations) for name, operations in by_signing_name.items()}

    def api_request(self, request: HttpRequest, caller: Caller) -> ApiRequest:
        """Return the request with its target. Raises AwsError for a service or an API that is not simulated."""
        signing_name = caller.signing_name
        if signing_name not in self._routes:
            raise AwsError("InvalidSignatureException", 403, f"No service is signed for as {signing_name}.")
        model, labels = self._routes[signing_name].match(request) or (None, {})
        api = self._apis.get((model.service_model.service_name, model.name)) if model else None
        if api is None:
            raise AwsError("UnknownOperationException", 404, "The operation is not known here.")
        parameters = read_parameters(api.model.operation.input_shape, labels, request)
        call = Call(api, parameters, f"{request.scheme}://{request.headers.get('host', '')}")
        return api.model.request(parameters, self._id(call, caller), partial(self._content, call))

    def file_request(self, path: str) -> tuple[Caller, ApiRequest] | None:
        """Return the request for the file behind a presigned link, None if the path is not that of a file.

        The caller is the account that the file belongs to. The link has no other signature than the one in its query.
        """
        match = FILE_PATH.fullmatch(path)
        if match is None:
            return None
        kind, account, region, id = map(unquote, match.groups())
        request = ApiRequest(Target(*FILE_API, id), partial(self._file, kind, id), _file_error)
        return Caller(account, region, signing_name=FILE_API[0]), request

    def _file(self, kind_name: str, id: str, caller: Caller, now: float) -> HttpResponse:
        kind = next((kind for kind in self._kinds if kind.name == kind_name), None)
        found = self._fleet.existing((kind_name, caller.account, caller.region), now)
        operation = next((operation for _, operation in found if operation.id == id), None)
        if kind is None or operation is None:
            raise AwsError("NoSuchKey", 404, "The specified key does not exist.")
        return HttpResponse(200, b"".join(kind.simulation.file(operation)), "binary/octet-stream")

    def _id(self, call: Call, caller: Caller) -> str:
        """Return the id of the operation in the scenario, else its name in the request."""
        ids = (member.operation.id for _, member in self._members(call, caller))
        names = (call.name(describer.naming) for describer in call.api.describers)
        return next(chain(ids, names), "")

    def _members(self, call: Call, caller: Caller) -> Iterator[tuple[Describer, Member]]:
        """Yield the operation in a request with each kind that has it. Two kinds can respond to one API."""
        for describer in call.api.describers:
            place = (describer.kind, caller.account, caller.region)
            if member := self._fleet.find(place, call.api.model.call, call.name(describer.naming)):
                yield describer, member

    def _description(self, call: Call, caller: Caller, now: float) -> Mapping[str, Any]:
        """Return the response of the first kind that has the operation now."""
        for describer, member in self._members(call, caller):
            operation = member.at(now)
            link = _file_link(call.url, (describer.kind, caller.account, caller.region), member.operation.id)
            content = describer.content(operation, {**call.values, FILE_LINK: link}) if operation else None
            if content is not None:
                return content
        naming = call.api.describers[0].naming
        raise call.api.model.errors.not_found(re.sub("(Id|Arn)$", "", naming.parameter), call.name(naming))

    def _content(self, call: Call, caller: Caller, now: float) -> Mapping[str, Any]:
        api, names = call.api, call.api.model.pagination
        if api.lister and names:
            return {names.result: self._list_entries(api.lister, call.values, caller, now)}
        content = self._description(call, caller, now)
        return {**content, names.result: enumerate(content.get(names.result, ()))} if names else content

    def _list_entries(self, kind: Kind[Any], values: Values, caller: Caller, now: float) -> Iterator[tuple[int, Any]]:
        status = values.get(kind.discovery.status_parameter)
        for rank, operation in self._fleet.existing((kind.name, caller.account, caller.region), now):
            if status in (None, operation.status):
                yield rank, kind.simulation.entry(operation)


def _file_link(url: str, place: Place, id: str) -> str:
    """Return a link that looks presigned. The simulator does not check its signature."""
    path = "/".join(quote(part, safe="") for part in (*place, id))
    return f"{url}/simulated-files/{path}?X-Amz-Expires=3600&X-Amz-Signature={'0' * 64}"


def _api_name(call: ApiCall) -> tuple[str, str]:
    return call.service, call.name


def _simulated_api(call: ApiCall, kinds: Sequence[Kind[Any]], models: Models, quotas: Quotas | None) -> SimulatedApi:
    lister = next((kind for kind in kinds if _api_name(kind.discovery.call) == _api_name(call)), None)
    describers = tuple(
        Describer(kind.name, kind.naming(described), content)
        for kind in kinds
        for described, content in _contents(kind)
        if _api_name(described) == _api_name(call)
    )
    return SimulatedApi(api_model(call, models, quotas), lister, describers)


def _contents(
    kind: Kind[Any],
) -> Iterator[tuple[ApiCall, Callable[[SimulatedOperation, Values], Mapping[str, Any] | None]]]:
    for call, response_of in kind.simulation.responses.items():
        yield call, partial(_without_values, response_of)
    yield from kind.simulation.item_responses.items()


def _without_values(
    response_of: Callable[[SimulatedOperation], Mapping[str, Any] | None], operation: SimulatedOperation, values: Values
) -> Mapping[str, Any] | None:
    return response_of(operation)


def _file_error(error: AwsError) -> HttpResponse:
    body = f"<Error><Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message></Error>"
    return HttpResponse(error.status, body.encode(), "application/xml")
