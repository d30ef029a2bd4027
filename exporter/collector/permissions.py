"""Which permission a denied call needs, in words."""

from collections.abc import Callable, Iterable

from exporter.core.errors import ApiError, Reason
from exporter.kinds.kind import ApiCall


def permission_hint(error: ApiError, calls: Iterable[ApiCall], action: Callable[[ApiCall], str]) -> str:
    """Return the permission that the denied call needs, or an empty text if the error is no denial of these calls.

    ``action`` returns the IAM action of a call.
    """
    call = next((call for call in calls if call.name == error.api), None)
    if call is None or error.reason is not Reason.ACCESS_DENIED:
        return ""
    return f"; needs the permission {action(call)}"
