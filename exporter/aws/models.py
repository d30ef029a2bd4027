"""botocore's models of the services: shapes, routes, pagination and IAM actions."""

import gzip
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader
from botocore.model import OperationModel, ServiceModel, StructureShape

from exporter.config.partitions import ENABLED_BY_DEFAULT
from exporter.kinds.kind import ApiCall

# botocore's names of the members of ``Pagination``.
PAGINATION_KEYS = ("input_token", "output_token", "result_key", "limit_key")
# botocore's name of the file with the endpoints of all services.
ENDPOINTS = "endpoints"
# Every configuration may need this service, for credentials and account ids.
STS = "sts"


@dataclass(frozen=True, slots=True)
class Pagination:
    """The members of a list call: the token of the request and of the response, the list, and the page size, if any."""

    input_token: str
    output_token: str
    result: str
    limit: str


@dataclass(frozen=True, slots=True)
class ErrorModel:
    """An error response of an API: its code, HTTP status, members, and the name of the member with the message."""

    code: str
    status: int
    members: tuple[str, ...]
    message: str


class Models:
    """Service models, each read once. All sessions share one loader, because each loader costs megabytes.

    ``only`` limits the models of its services to these calls. By default the models contain every API.
    """

    def __init__(self, only: Iterable[ApiCall] = ()) -> None:
        self.loader = _ReducedLoader(only)
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
        """Return the documented errors of an API."""
        return tuple(_error(shape) for shape in operation.error_shapes if isinstance(shape, StructureShape))

    def pagination(self, call: ApiCall) -> Pagination:
        """Return the pagination of a list call. Raises KeyError for a call without pages."""
        paginators = self.loader.load_service_model(call.service, "paginators-1")
        pagination = paginators["pagination"][call.name]
        return Pagination(*(pagination.get(key, "") for key in PAGINATION_KEYS))

    def iam_action(self, call: ApiCall) -> str:
        """Return the action that an IAM policy must allow. Its prefix is the signing name, not the name in boto3."""
        return f"{self.service(call.service).signing_name}:{call.name}"

    def is_offered(self, service: str, region: str) -> bool:
        """Return whether AWS offers a service in a Region, by botocore's list of endpoints.

        A Region that the list lacks, or a partition without any endpoint of the service, counts as offered. A service
        with a single endpoint in a partition, such as Organizations, is offered in each Region.
        """
        prefix = self.service(service).endpoint_prefix
        for partition in self.loader.load_data_with_path(ENDPOINTS)[0]["partitions"]:
            if region in partition["regions"]:
                known = partition["services"].get(prefix, {})
                endpoints = known.get("endpoints") if known.get("isRegionalized", True) else None
                return not endpoints or region in endpoints
        return True

    def regions(self, partition: str) -> tuple[str, ...]:
        """Return the Regions of a partition, by botocore's list of endpoints: first those that are always enabled."""
        partitions = self.loader.load_data_with_path(ENDPOINTS)[0]["partitions"]
        known: dict[str, Any] = next((entry["regions"] for entry in partitions if entry["partition"] == partition), {})
        always = [region for region in ENABLED_BY_DEFAULT if region in known]
        return (*always, *(region for region in sorted(known) if region not in always))

    def _load(self, service: str) -> ServiceModel:
        return ServiceModel(self.loader.load_service_model(service, "service-2"), service)


class PlainFileLoader(JSONFileLoader):
    """Reads JSON into plain dicts. botocore uses OrderedDict, which needs twice the memory and is slower."""

    def load_file(self, file_path: str) -> Any:
        """Return the content of a file, or None without the file. The path has no suffix."""
        for suffix, read in ((".json", Path.read_bytes), (".json.gz", _read_gzip)):
            file = Path(file_path + suffix)
            if file.is_file():
                return json.loads(read(file))
        return None


def _read_gzip(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes())


class _PlainLoader(Loader):
    FILE_LOADER_CLASS = PlainFileLoader


class _TemporaryLoader(_PlainLoader):
    """A loader with the list of services of another loader, because finding them takes longer than reading a model."""

    def __init__(self, services: Callable[[str], list[str]]) -> None:
        super().__init__()
        self._services = services

    def list_available_services(self, type_name: str) -> list[str]:
        return self._services(type_name)


class _ReducedLoader(_PlainLoader):
    """A loader whose models contain only the called APIs, and whose endpoints contain only their services.

    botocore creates a method for each API of a service in each client. With five APIs instead of three hundred, a
    client of iot costs a tenth of the memory and time. The endpoints of all services take as much memory as the rest
    of a small exporter. For a service without endpoints, botocore uses the defaults of the partition.
    """

    def __init__(self, only: Iterable[ApiCall]) -> None:
        super().__init__()
        self._only: dict[str, set[str]] = {}
        for call in only:
            self._only.setdefault(call.service, set()).add(call.name)
        self._models: dict[tuple[str, str | None], dict[str, Any]] = {}
        self._endpoints: tuple[dict[str, Any], str] | None = None

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> dict[str, Any]:
        names = self._only.get(service_name)
        if names is None or type_name != "service-2":
            return dict(super().load_service_model(service_name, type_name, api_version))
        key = (service_name, api_version)
        if key not in self._models:
            # A loader keeps everything that it reads. A temporary loader frees the complete model.
            temporary = _TemporaryLoader(self.list_available_services)
            model = temporary.load_service_model(service_name, type_name, api_version)
            self._models[key] = _reduced_model(dict(model), names)
        return self._models[key]

    def load_data_with_path(self, name: str) -> tuple[dict[str, Any], str]:
        if name != ENDPOINTS or not self._only:
            data, path = super().load_data_with_path(name)
            return dict(data), path
        if self._endpoints is None:
            text, path = _endpoints_text({*self._only, STS})
            self._endpoints = json.loads(text), path
        return self._endpoints


def _endpoints_text(services: set[str]) -> tuple[str, str]:
    """Return botocore's endpoints of some services as JSON, and the path of their file.

    A text, because parts of the complete object would keep its memory allocated, which is ten times as much.
    """
    endpoints, path = _PlainLoader().load_data_with_path(ENDPOINTS)
    partitions = [
        {**partition, "services": {name: known for name, known in partition["services"].items() if name in services}}
        for partition in endpoints["partitions"]
    ]
    return json.dumps({**endpoints, "partitions": partitions}), path


def _reduced_model(model: dict[str, Any], names: set[str]) -> dict[str, Any]:
    operations = {name: operation for name, operation in model["operations"].items() if name in names}
    shapes: dict[str, Any] = {}
    waiting = list(_shapes_in(operations))
    while waiting:
        name = waiting.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            waiting += _shapes_in(shapes[name])
    return {**model, "operations": operations, "shapes": shapes}


def _shapes_in(part: Any) -> Iterator[str]:
    """Yield the names of the shapes that a part of a model refers to."""
    if isinstance(part, dict):
        if isinstance(part.get("shape"), str):
            yield part["shape"]
        for value in part.values():
            yield from _shapes_in(value)
    elif isinstance(part, list):
        for value in part:
            yield from _shapes_in(value)


def _error(shape: StructureShape) -> ErrorModel:
    names = tuple(member.serialization.get("name", name) for name, member in shape.members.items())
    message = next((name for name in names if name.lower() == "message"), "message")
    # The models of the protocol JSON 1.1 have no status. It is 400 for the faults of a request.
    status = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    return ErrorModel(shape.error_code, status, names, message)
