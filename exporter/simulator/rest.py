"""The services of the kinds: the protocol rest-json, with whatever calls the kinds say they make."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from exporter.aws.models import Models, Pagination
from exporter.kind import ApiCall, Kind
from exporter.simulator.answers import serialised
from exporter.simulator.callers import Caller
from exporter.simulator.constraints import check
from exporter.simulator.errors import Errors
from exporter.simulator.fleet import Fleet
from exporter.simulator.pages import PageError, page, page_size
from exporter.simulator.question import Question
from exporter.simulator.quota import Quotas
from exporter.simulator.requests import Values, read
from exporter.simulator.routes import Match, Routes
from exporter.simulator.wire import AwsError, Incoming, Reply, Target, json_error, json_reply

if TYPE_CHECKING:
    from botocore.model import OperationModel

Name = tuple[str, str]
"""A service and an API of it."""


@dataclass(frozen=True, slots=True)
class Served:
    """An API that is simulated, with the kinds that call it."""

    call: ApiCall
    operation: OperationModel
    errors: Errors
    pagination: Pagination | None
    kinds: tuple[Kind[Any], ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for such an API, not checked yet."""

    served: Served
    match: Match
    incoming: Incoming


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

    def question(self, incoming: Incoming, signing_name: str) -> Question:
        """Return what a request asks. Raises AwsError for a service or an API that is not simulated."""
        if signing_name not in self._routes:
            raise AwsError("InvalidSignatureException", 403, f"No service is signed for as {signing_name}.")
        match = self._routes[signing_name].match(incoming)
        served = self._served.get(match.api) if match else None
        if match is None or served is None:
            raise AwsError("UnknownOperationException", 404, "The operation is not known here.")
        target = Target(served.call.service, served.call.name, match.id)
        refused = partial(json_error, message_member=served.errors.message_member)
        return Question(target, partial(self._answer, Asked(served, match, incoming)), refused)

    def _answer(self, asked: Asked, caller: Caller, now: float) -> Reply:
        served = asked.served
        if self._quotas and not self._quotas.allows(caller, served.call, now):
            raise served.errors.throttled()
        values = read(served.operation.input_shape, asked.match.labels, asked.incoming)
        if fault := check(served.operation.input_shape, values):
            raise served.errors.invalid(fault)
        if served.pagination is None:
            content = self._found(asked, caller, now)
        else:
            content = self._page(asked, served.pagination, values, caller, now)
        return json_reply(200, serialised(served.operation.output_shape, content))

    def _found(self, asked: Asked, caller: Caller, now: float) -> Mapping[str, Any]:
        """Return the answer of the first kind that has the operation: two kinds may ask the same API."""
        id = asked.match.id
        for kind in asked.served.kinds:
            found = self._fleet.find((kind.name, caller.account, caller.region), id, now)
            answers = {_name(call): answer for call, answer in kind.simulation.answers.items()}
            if found and (content := answers[_name(asked.served.call)](found)):
                return content
        label = next(iter(asked.match.labels), "resource")
        raise asked.served.errors.not_found(label.removesuffix("Id"), id)

    def _page(self, asked: Asked, members: Pagination, values: Values, caller: Caller, now: float) -> Mapping[str, Any]:
        served = asked.served
        lister = next((kind for kind in served.kinds if _name(kind.discovery.call) == _name(served.call)), None)
        content = {} if lister else self._found(asked, caller, now)
        entries = enumerate(content.get(members.result, ()))
        ranked = self._listed(lister, values, caller, now) if lister else entries
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


def _name(call: ApiCall) -> Name:
    return call.service, call.name


def _served(call: ApiCall, kinds: Sequence[Kind[Any]], models: Models) -> Served:
    callers = tuple(kind for kind in kinds if _name(call) in map(_name, kind.calls))
    operation = models.operation(call)
    return Served(call, operation, Errors(models.errors(operation)), _pagination(call, models), callers)


def _pagination(call: ApiCall, models: Models) -> Pagination | None:
    try:
        return models.pagination(call)
    except KeyError:
        return None


def _operations(services: Iterable[str], signing_name: str, models: Models) -> Iterator[OperationModel]:
    for service in services:
        if models.service(service).signing_name == signing_name:
            yield from models.operations(service)
