"""A sample operation and its simulated responses, parsed by botocore without a server."""

import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import Shape, StructureShape
from botocore.parsers import create_parser

from exporter.aws.models import Models
from exporter.core.errors import ApiError, Reason
from exporter.kinds.kind import ApiCall, Kind
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.simulator.responses import serialize

MODELS = Models()
ID = "8b5a2f6e-2f0c-4a55-9a3e-0d1b6f7c1a11"
TAGS = (("site", "dublin"), ("team", "gateways"))


def sample_operation(status: str, id: str = ID, region: str = "eu-west-1") -> SimulatedOperation:
    """Return an operation with a value in every field."""
    when = datetime(2026, 11, 1, tzinfo=UTC)
    return SimulatedOperation(
        id=id,
        account="111122223333",
        region=region,
        status=status,
        created=when,
        updated=when,
        items=10,
        succeeded=5,
        failed=2,
        retries=3,
        allowed_retries=(("FAILED", 2),),
        name="pilot",
        input="s3://bucket/key",
        target=f"arn:aws:iot:{region}:111122223333:thinggroup/pilot",
        message="words",
        error_codes=("InvalidInput",),
        tags=TAGS,
    )


def input_members(call: ApiCall) -> Mapping[str, Shape]:
    """Return the members of an API's request."""
    shape = MODELS.operation(call).input_shape
    return dict(shape.members) if shape is not None else {}


def output_shape(call: ApiCall) -> StructureShape:
    """Return the shape of an API's response."""
    shape = MODELS.operation(call).output_shape
    assert isinstance(shape, StructureShape)
    return shape


def parsed_response(call: ApiCall, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a response as botocore passes it to a kind."""
    shape = output_shape(call)
    body = json.dumps(serialize(shape, content)).encode()
    found: dict[str, Any] = create_parser("rest-json").parse({"status_code": 200, "headers": {}, "body": body}, shape)
    return found


class SimulatedApi:
    """The API of one simulated operation. ``calls`` are the calls that named it correctly."""

    def __init__(self, kind: Kind[Any], operation: SimulatedOperation) -> None:
        self._kind = kind
        self._operation = operation
        self.calls: list[ApiCall] = []

    async def call(self, call: ApiCall, **parameters: Any) -> dict[str, Any]:
        """Return the response to a call. Raises ApiError if the call names another operation."""
        naming = self._kind.naming(call)
        assert parameters.keys() <= input_members(call).keys()
        if parameters.get(naming.parameter) != naming.name(self._operation):
            raise ApiError(Reason.NOT_FOUND)
        self.calls.append(call)
        content = self._kind.simulation.responses[call](self._operation)
        if content is None:
            raise ApiError(Reason.NOT_FOUND)
        return parsed_response(call, content)

    async def pages(self, call: ApiCall, **parameters: Any) -> AsyncIterator[dict[str, Any]]:
        """Yield the only page of a list. Raises ApiError as ``call`` does."""
        page = await self.call(call, **parameters)
        assert isinstance(page[MODELS.pagination(call).result], list)
        yield page
