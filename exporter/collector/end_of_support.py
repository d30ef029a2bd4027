"""Detect a service that AWS has switched off. No response states it; the sign is that AWS refuses this kind alone.

The responses after the end of a service's support are not documented. These are the ones that AWS gave for others.
"""

from collections.abc import Iterable
from typing import Any

from exporter.collector.refresh_result import RefreshAttempt
from exporter.core.clock import Clock
from exporter.core.errors import CONNECT_TIMEOUT, ApiError, Reason
from exporter.core.model import Snapshot
from exporter.kinds.kind import Kind

# How often the exporter calls a service whose end of support it has detected.
RETRY_SECONDS = 3600.0
# A throttle or a time-out can be temporary: this many refreshes in a row must meet nothing else.
CONFIRMING_REFRESHES = 3
# The codes for removed APIs, besides refused access. AWS sends the last two for signed requests too.
REMOVED_API_CODES = ("ValidationException", "MissingAuthenticationToken", "MissingAuthenticationTokenException")


class EndOfSupportDetector:
    """Decides after each refresh whether AWS still serves one kind in one scope."""

    def __init__(self, kind: Kind[Any], clock: Clock) -> None:
        self._kind = kind
        self._clock = clock
        self._apis = frozenset(call.name for call in kind.calls)
        self._reasons: frozenset[Reason] = frozenset()
        self._refusals = 0
        self._needed_refusals = 0
        self.is_ended = False

    def note(self, attempt: RefreshAttempt) -> None:
        """Note a finished refresh. Anything else than refusals shows that the service is in operation."""
        errors = attempt.errors.values()
        refusals_only = all(self._is_refusal(error) or self._may_be_temporary(error) for error in errors)
        if attempt.has_response or not errors or not refusals_only:
            self._refusals, self._reasons = 0, frozenset()
            return
        self._refusals += 1
        self._reasons = frozenset(attempt.reasons)
        self._needed_refusals = CONFIRMING_REFRESHES if all(self._may_be_temporary(error) for error in errors) else 1

    def update(self, neighbours: Iterable[Snapshot]) -> bool:
        """Decide whether the service has ended, and return whether the decision changed.

        If another kind of the scope fails for the same reason, the cause is the credentials, the network or the policy.
        """
        before = self.is_ended
        past_date = self._kind.support_ended is not None and self._clock.now() >= self._kind.support_ended.timestamp()
        refused = self._refusals >= max(1, self._needed_refusals)
        self.is_ended = past_date and refused and not any(cell.reasons & self._reasons for cell in neighbours)
        return self.is_ended != before

    def _is_refusal(self, error: ApiError) -> bool:
        refused = error.reason is Reason.ACCESS_DENIED or error.code in REMOVED_API_CODES
        return refused and error.api in self._apis

    def _may_be_temporary(self, error: ApiError) -> bool:
        throttled = error.reason is Reason.THROTTLED and error.api in self._apis
        return throttled or (error.reason is Reason.TIMEOUT and error.code == CONNECT_TIMEOUT)
