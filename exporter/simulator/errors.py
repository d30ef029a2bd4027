"""The errors of one API, chosen from those that its model has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from exporter.aws.models import ErrorModel
from exporter.simulator.wire import AwsError

THROTTLING = "Throttling"


class Errors:
    """What an API answers when it refuses. AWS answers errors that its models lack too, chiefly Greengrass V1."""

    def __init__(self, models: Sequence[ErrorModel]) -> None:
        self._models = tuple(models)

    @property
    def message_member(self) -> str:
        """The member that holds the message."""
        return next((model.message for model in self._models), "message")

    def invalid(self, message: str) -> AwsError:
        """Return the error for a request that breaks the model."""
        fitting = (model for model in self._models if model.status == 400 and THROTTLING not in model.code)
        return self._refusal(next(fitting, None), "ValidationException", 400, message)

    def throttled(self) -> AwsError:
        """Return the error for a call beyond the quota; iot's has the status 400, not 429."""
        fitting = (model for model in self._models if THROTTLING in model.code)
        return self._refusal(next(fitting, None), "TooManyRequestsException", 429, "Rate exceeded")

    def not_found(self, resource_type: str, id: str) -> AwsError:
        """Return the error for an id that does not exist."""
        fitting = (model for model in self._models if model.status == 404)
        members = {"resourceType": resource_type, "resourceId": id}
        message = f"The {resource_type} {id} does not exist."
        return self._refusal(next(fitting, None), "IdNotFoundException", 404, message, members)

    def _refusal(
        self,
        model: ErrorModel | None,
        code: str,
        status: int,
        message: str,
        members: Mapping[str, Any] | None = None,
    ) -> AwsError:
        if model is None:
            return AwsError(code, status, message)
        kept = {name: value for name, value in (members or {}).items() if name in model.members}
        return AwsError(model.code, model.status, message, kept)
