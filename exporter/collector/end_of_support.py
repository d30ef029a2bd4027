"""Recognise a service that AWS has switched off: no answer says so, but that its kind alone is refused does.

What AWS answers after the end of a service's support is not documented; these are what it answered for others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from exporter.collector.result import RefreshAttempt
from exporter.core.clock import Clock
from exporter.core.errors import CONNECT_TIMEOUT, ApiError, Reason
from exporter.core.model import Snapshot
from exporter.kinds.kind import Kind

ASK_AGAIN_SECONDS = 3600.0
"""How often a service is asked that is recognised as switched off."""
LASTING = 3
"""A throttle or a time-out may pass: so many refreshes in a row must meet nothing else."""
AT_ONCE = ("ValidationException", "MissingAuthenticationToken", "MissingAuthenticationTokenException")
"""What AWS answers for APIs that it has taken away, besides refusing access; the last two to signed requests too."""


class EndOfSupportDetector:
    """Whether AWS still serves one kind in one scope, judged after each refresh."""

    def __init__(self, kind: Kind[Any], clock: Clock) -> None:
        self._kind = kind
        self._clock = clock
        self._apis = frozenset(call.name for call in kind.calls)
        self._refused: frozenset[Reason] = frozenset()
        self._refusals = 0
        self._needed = 0
        self.is_ended = False

    def note(self, this: RefreshAttempt) -> None:
        """Note how a refresh went; one that met anything else than refusals makes the service a living one."""
        errors = this.errors.values()
        if this.answered or not errors or not all(self._is_at_once(one) or self._may_pass(one) for one in errors):
            self._refusals, self._refused = 0, frozenset()
            return
        self._refusals += 1
        self._refused = frozenset(this.reasons)
        self._needed = LASTING if all(self._may_pass(one) for one in errors) else 1

    def judge(self, neighbours: Iterable[Snapshot]) -> bool:
        """Decide, beside the other kinds of the scope, whether the service has ended; tell whether that changed.

        Where another kind fails the same way, the credentials, the network or the permissions are to blame.
        """
        before = self.is_ended
        ended = self._kind.support_ended is not None and self._clock.now() >= self._kind.support_ended.timestamp()
        refused = self._refusals >= max(1, self._needed)
        self.is_ended = ended and refused and not any(one.reasons & self._refused for one in neighbours)
        return self.is_ended != before

    def _is_at_once(self, error: ApiError) -> bool:
        refused = error.reason is Reason.ACCESS_DENIED or error.code in AT_ONCE
        return refused and error.api in self._apis

    def _may_pass(self, error: ApiError) -> bool:
        throttled = error.reason is Reason.THROTTLED and error.api in self._apis
        return throttled or error.code == CONNECT_TIMEOUT
