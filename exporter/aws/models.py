"""botocore's own description of the services: shapes, routes, pagination and IAM actions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from botocore.loaders import Loader, create_loader
from botocore.model import OperationModel, ServiceModel, Shape, StructureShape

from exporter.kind import ApiCall


@dataclass(frozen=True, slots=True)
class Pagination:
    """The members that carry pages: the token asked with, the token answered, the list, and the page size."""

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
    """Service models, each read once. One loader serves every session: a loader each costs megabytes."""

    def __init__(self, loader: Loader | None = None) -> None:
        self.loader = loader or create_loader()
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
        return Pagination(found["input_token"], found["output_token"], found["result_key"], found["limit_key"])

    def iam_action(self, call: ApiCall) -> str:
        """Return the action that an IAM policy must allow; its prefix is the signing name, not boto3's name."""
        return f"{self.service(call.service).signing_name}:{call.name}"

    def _load(self, service: str) -> ServiceModel:
        return ServiceModel(self.loader.load_service_model(service, "service-2"), service)


def _error(shape: StructureShape) -> ErrorModel:
    named: dict[str, Shape] = {member.serialization.get("name", name): member for name, member in shape.members.items()}
    message = next((name for name in named if name.lower() == "message"), "message")
    return ErrorModel(shape.error_code, shape.metadata["error"]["httpStatusCode"], tuple(named), message)
