"""The services of the kinds: the protocol rest-json, with whatever calls the kinds say they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from exporter.aws.models import Models, Pagination
from exporter.kinds.kind import ApiCall, Kind, Naming
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.simulator.answers import serialised
from exporter.simulator.callers import Caller
from exporter.simulator.constraints import check
from exporter.simulator.edits import Edits, edited
from exporter.simulator.errors import Errors
from exporter.simulator.fleet import Fleet, Member
from exporter.simulator.pages import PageError, next_token, page, page_size
from exporter.simulator.question import Question
from exporter.simulator.quota import Quotas
from exporter.simulator.requests import Values, read
from exporter.simulator.routes import Routes
from exporter.simulator.wire import AwsError, Incoming, Reply, Target, json_error, json_reply

if TYPE_CHECKING:
    from botocore.model import OperationModel

Name = tuple[str, str]
"""A service and an API of it."""


@dataclass(frozen=True, slots=True)
class Answering:
    """How a kind answers an API about one operation of its own, and what the request names that by."""

    kind: str
    naming: Naming
    answer: Callable[[SimulatedOperation], Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Served:
    """An API that is simulated: the kind whose list it is, or those that answer it about one operation."""

    call: ApiCall
    operation: OperationModel
    errors: Errors
    pagination: Pagination | None
    lister: Kind[Any] | None
    answering: tuple[Answering, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for such an API with its values, not checked yet."""

    served: Served
    values: Values

    def name(self, naming: Naming) -> str:
        """Return what the request names an operation by, empty where it names none."""
        return str(self.values.get(naming.parameter) or "")


class Rest:
    """Every service of the kinds, told apart by the name that requests are signed for."""

    def __init__(self, kinds: Sequence[Kind[Any]], models: Models, fleet: Fleet, quotas: Quotas | None) -> None:
        self._fleet = fleet
        self._quotas = quotas
        self._served = {_name(call): _served(call, kinds, models) for kind in kinds for call in kind.calls}
        services = sorted({service for service, _ in self._served})
        signing_names = {models.service(service).signing_name for service in services}
        self._routes = {name: Routes(_operations(services, name, models)) for name in signing_names}

    @staticmethod
    def refused(error: AwsError) -> Reply:
        """Return an error of the protocol rest-json, of no API in particular."""
        return json_error(error)

    def question(self, incoming: Incoming, caller: Caller) -> Question:
        """Return what a request asks. Raises AwsError for a service or an API that is not simulated."""
        signing_name = caller.signing_name
        if signing_name not in self._routes:
            raise AwsError("InvalidSignatureException", 403, f"No service is signed for as {signing_name}.")
        match = self._routes[signing_name].match(incoming)
        served = self._served.get(match.api) if match else None
        if match is None or served is None:
            raise AwsError("UnknownOperationException", 404, "The operation is not known here.")
        asked = Asked(served, read(served.operation.input_shape, match.labels, incoming))
        target = Target(served.call.service, served.call.name, self._id(asked, caller))
        refused = partial(json_error, message_member=served.errors.message_member)
        endlessly = partial(self._endlessly, asked, served.pagination) if served.pagination else None
        return Question(target, partial(self._answer, asked), refused, endlessly)

    def _id(self, asked: Asked, caller: Caller) -> str:
        """Return the id that the operation of a request has in the scenario, else the name in the request."""
        known = (member.planned_id for _, member in self._meant(asked, caller))
        named = (asked.name(one.naming) for one in asked.served.answering)
        return next(chain(known, named), "")

    def _meant(self, asked: Asked, caller: Caller) -> Iterator[tuple[Answering, Member]]:
        """Yield each kind that knows an operation by the name in a request: two kinds may answer one API."""
        for one in asked.served.answering:
            place = (one.kind, caller.account, caller.region)
            if member := self._fleet.find(place, asked.served.call, asked.name(one.naming)):
                yield one, member

    def _answer(self, asked: Asked, caller: Caller, now: float) -> Reply:
        served = asked.served
        if self._quotas and not self._quotas.allows(caller, served.call, now):
            raise served.errors.throttled()
        if fault := check(served.operation.input_shape, asked.values):
            raise served.errors.invalid(fault)
        if served.pagination is None:
            content = self._found(asked, caller, now)
        else:
            content = self._page(asked, served.pagination, caller, now)
        return json_reply(200, serialised(served.operation.output_shape, content))

    def _endlessly(self, asked: Asked, members: Pagination, way: str, caller: Caller, now: float) -> Reply:
        """Answer with the first page, whatever the token, and another token."""
        first = {name: value for name, value in asked.values.items() if name != members.input_token}
        token = next_token(way, str(asked.values.get(members.input_token, "")))
        answer = self._answer(Asked(asked.served, first), caller, now)
        return edited(answer, Edits({_wire_name(asked.served.operation, members.output_token): token}))

    def _found(self, asked: Asked, caller: Caller, now: float) -> Mapping[str, Any]:
        """Return the answer of the first kind that has the operation now."""
        for one, member in self._meant(asked, caller):
            found = member.at(now)
            content = one.answer(found) if found else None
            if content is not None:
                return content
        naming = asked.served.answering[0].naming
        raise asked.served.errors.not_found(re.sub("(Id|Arn)$", "", naming.parameter), asked.name(naming))

    def _page(self, asked: Asked, members: Pagination, caller: Caller, now: float) -> Mapping[str, Any]:
        served, values = asked.served, asked.values
        content = {} if served.lister else self._found(asked, caller, now)
        entries = enumerate(content.get(members.result, ()))
        ranked = self._listed(served.lister, values, caller, now) if served.lister else entries
        try:
            size = page_size(values.get(members.limit))
            found = page(served.call.name, ranked, values.get(members.input_token), size)
        except PageError as error:
            raise served.errors.invalid(str(error)) from None
        return {**content, members.result: found.entries, members.output_token: found.token or None}

    def _listed(self, kind: Kind[Any], values: Values, caller: Caller, now: float) -> Iterator[tuple[int, Any]]:
        status = values.get(kind.discovery.status_parameter)
        for rank, simulated in self._fleet.existing((kind.name, caller.account, caller.region), now):
            if status in (None, simulated.status):
                yield rank, kind.simulation.entry(simulated)


def _wire_name(operation: OperationModel, member: str) -> str:
    shape = operation.output_shape
    return str(shape.members[member].serialization.get("name", member)) if shape else member


def _name(call: ApiCall) -> Name:
    return call.service, call.name


def _served(call: ApiCall, kinds: Sequence[Kind[Any]], models: Models) -> Served:
    operation = models.operation(call)
    lister = next((kind for kind in kinds if _name(kind.discovery.call) == _name(call)), None)
    answering = tuple(one for kind in kinds for one in _answering(kind, call))
    return Served(call, operation, Errors(models.errors(operation)), _pagination(call, models), lister, answering)


def _answering(kind: Kind[Any], asked: ApiCall) -> Iterator[Answering]:
    for call, answer in kind.simulation.answers.items():
        if _name(call) == _name(asked):
            yield Answering(kind.name, kind.naming(call), answer)


def _pagination(call: ApiCall, models: Models) -> Pagination | None:
    try:
        return models.pagination(call)
    except KeyError:
        return None


def _operations(services: Iterable[str], signing_name: str, models: Models) -> Iterator[OperationModel]:
    for service in services:
        if models.service(service).signing_name == signing_name:
            yield from models.operations(service)
