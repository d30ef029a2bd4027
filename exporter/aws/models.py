"""botocore's own description of the services: shapes, routes, pagination and IAM actions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from exporter.kinds.kind import ApiCall

MEMBERS = ("input_token", "output_token", "result_key", "limit_key")
"""What botocore calls the members of a ``Pagination``."""
ENDPOINTS = "endpoints"
"""What botocore calls the file with the endpoints of all services."""
STS = "sts"
"""Is asked for credentials and for numbers of accounts, whatever is watched."""


@dataclass(frozen=True, slots=True)
class Pagination:
    """The members that carry pages: the token asked with, the token answered, the list, and the page size, if any."""

    input_token: str
    output_token: str
    result: str
    limit: str


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """An error that an API may answer: its code, HTTP status, members, and the one of them that is the message."""

    code: str
    status: int
    members: tuple[str, ...]
    message: str


class Models:
    """Service models, each read once. One loader serves every session: a loader each costs megabytes.

    ``only`` are the calls that will be made of their services; without them every API is there.
    """

    def __init__(self, only: Iterable[ApiCall] = ()) -> None:
        self.loader = _NarrowLoader(only)
        self._service = lru_cache(self._load)

    def service(self, service: str) -> ServiceModel:
        """Return the model of a service by its boto3 name."""
        return self._service(service)

    def operation(self, call: ApiCall) -> OperationModel:
        """Return the model of one API."""
        return self.service(call.service).operation_model(call.name)

    def operations(self, service: str) -> tuple[OperationModel, ...]:
        """Return the model of every API of a service."""
        model = self.service(service)
        return tuple(model.operation_model(name) for name in model.operation_names)

    def errors(self, operation: OperationModel) -> tuple[ErrorModel, ...]:
        """Return the errors that AWS documents for an API."""
        return tuple(_error(shape) for shape in operation.error_shapes if isinstance(shape, StructureShape))

    def pagination(self, call: ApiCall) -> Pagination:
        """Return how a list call pages. Raises KeyError for a call that does not."""
        paginators = self.loader.load_service_model(call.service, "paginators-1")
        found = paginators["pagination"][call.name]
        return Pagination(*(found.get(key, "") for key in MEMBERS))

    def iam_action(self, call: ApiCall) -> str:
        """Return the action that an IAM policy must allow; its prefix is the signing name, not boto3's name."""
        return f"{self.service(call.service).signing_name}:{call.name}"

    def _load(self, service: str) -> ServiceModel:
        return ServiceModel(self.loader.load_service_model(service, "service-2"), service)


class _NarrowLoader(Loader):
    """A loader whose models hold only the APIs that are called, and whose endpoints only the services.

    botocore builds a method for each API of a service for each client. With five instead of three hundred of them,
    a client of iot costs a tenth of the memory and of the time. The endpoints of all services are as large as the rest
    of a small exporter; of a service that is not among them botocore takes the partition's defaults.
    """

    def __init__(self, only: Iterable[ApiCall]) -> None:
        super().__init__()
        self._only: dict[str, set[str]] = {}
        for call in only:
            self._only.setdefault(call.service, set()).add(call.name)
        self._narrowed: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._endpoints: tuple[dict[str, Any], str] | None = None

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> dict[str, Any]:
        wanted = self._only.get(service_name)
        if wanted is None or type_name != "service-2":
            return dict(super().load_service_model(service_name, type_name, api_version))
        key = (service_name, api_version)
        if key not in self._narrowed:
            # A loader keeps all that it reads: the whole model goes with this one.
            whole = Loader().load_service_model(service_name, type_name, api_version)
            self._narrowed[key] = _narrowed(dict(whole), wanted)
        return self._narrowed[key]

    def load_data_with_path(self, name: str) -> tuple[dict[str, Any], str]:
        if name != ENDPOINTS or not self._only:
            data, path = super().load_data_with_path(name)
            return dict(data), path
        if self._endpoints is None:
            text, path = _endpoints_text({*self._only, STS})
            self._endpoints = json.loads(text), path
        return self._endpoints


def _endpoints_text(services: set[str]) -> tuple[str, str]:
    """Return botocore's endpoints of some services as JSON, and where they are from.

    As text: objects that live on would keep the memory of the whole, which is ten times theirs.
    """
    endpoints, path = Loader().load_data_with_path(ENDPOINTS)
    partitions = [
        {**partition, "services": {name: one for name, one in partition["services"].items() if name in services}}
        for partition in endpoints["partitions"]
    ]
    return json.dumps({**endpoints, "partitions": partitions}), path


def _narrowed(model: dict[str, Any], wanted: set[str]) -> dict[str, Any]:
    operations = {name: operation for name, operation in model["operations"].items() if name in wanted}
    shapes: dict[str, Any] = {}
    waiting = list(_shapes_in(operations))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _shapes_in(shapes[name])
    return {**model, "operations": operations, "shapes": shapes}


def _shapes_in(part: Any) -> Iterator[str]:
    """Give the names of the shapes that a part of a model refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("shape"), str):
            yield part["shape"]
        for value in part.values():
            yield from _shapes_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from _shapes_in(value)


def _error(shape: StructureShape) -> ErrorModel:
    named: dict[str, Shape] = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    message = next((name for name in named if name.lower() == "message"), "message")
    return ErrorModel(shape.error_code, shape.metadata["error"]["httpStatusCode"], tuple(named), message)
