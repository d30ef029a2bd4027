"""Tags of operations that do not bring their own: asked once for each, and again only where that failed."""

from __future__ import annotations

from dataclasses import replace

from exporter.collector.inventory import TrackedOperation
from exporter.core.errors import ApiError, Reason
from exporter.core.model import Operation, Reading
from exporter.kinds.kind import Api, TagSource


class Tagging:
    """The tags of one cell during one refresh. After a failure it asks for no more of them until the next refresh.

    A malformed answer says nothing about other operations, and an operation that AWS no longer knows has no tags.
    """

    def __init__(self, source: TagSource[Operation] | None) -> None:
        self._source = source
        self._refused = False

    def is_missing(self, one: TrackedOperation) -> bool:
        """Tell whether an operation's tags are still to be read, and may be asked for."""
        return self._source is not None and not self._refused and one.tags is None

    async def learn(self, api: Api, one: TrackedOperation, operation: Operation) -> None:
        """Read the tags of an operation. Raises ApiError."""
        if self._source is None:
            return
        try:
            one.tags = await self._source.read(api, operation)
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                self._refused = error.reason is not Reason.MALFORMED
                raise
            one.tags = ()


def tagged(operation: Operation, one: TrackedOperation) -> Operation:
    """Return the operation with the tags that were read apart from it, if any were."""
    return operation if one.tags is None else replace(operation, tags=one.tags)


def retagged(one: TrackedOperation) -> Reading[Operation] | None:
    """Return an operation's reading with the tags that were read after it."""
    return one.reading and replace(one.reading, operation=tagged(one.reading.operation, one))
