"""The errors of one API."""

from collections.abc import Mapping, Sequence

from exporter.aws.models import ErrorModel
from exporter.simulator.http_messages import AwsError

# Parts of the error codes. AWS has no common codes.
INVALID = ("Invalid", "Validation", "BadRequest")
THROTTLING = ("Throttling", "TooManyRequests")
NOT_FOUND = ("NotFound",)


class ApiErrors:
    """The errors of one API, as its model defines them.

    AWS also returns errors that the model does not contain, mainly in Greengrass V1. They have a default here.
    """

    def __init__(self, models: Sequence[ErrorModel]) -> None:
        self._models = tuple(models)

    @property
    def message_member(self) -> str:
        """The name of the member with the message."""
        return next((model.message for model in self._models), "message")

    def invalid(self, message: str) -> AwsError:
        """Return the error for a request with invalid parameters."""
        return _error(self._first(INVALID), AwsError("ValidationException", 400, message), {})

    def throttled(self) -> AwsError:
        """Return the error for a call above the quota. The service iot uses the status 400, not 429."""
        return _error(self._first(THROTTLING), AwsError("TooManyRequestsException", 429, "Rate exceeded"), {})

    def not_found(self, resource_type: str, id: str) -> AwsError:
        """Return the error for an id that does not exist."""
        members = {"resourceType": resource_type, "resourceId": id}
        error = AwsError("IdNotFoundException", 404, f"The {resource_type} {id} does not exist.")
        return _error(self._first(NOT_FOUND), error, members)

    def _first(self, parts: Sequence[str]) -> ErrorModel | None:
        return next((model for model in self._models if any(part in model.code for part in parts)), None)


def _error(model: ErrorModel | None, default: AwsError, members: Mapping[str, str]) -> AwsError:
    if model is None:
        return default
    kept = {name: value for name, value in members.items() if name in model.members}
    return AwsError(model.code, model.status, default.message, kept)
