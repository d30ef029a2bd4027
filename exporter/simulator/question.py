"""A request that was understood: what it is about, and how its service answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from exporter.simulator.callers import Caller
from exporter.simulator.wire import AwsError, Reply, Target


@dataclass(frozen=True, slots=True)
class Question:
    """``answer`` takes the caller and the Unix time, and raises AwsError; ``refused`` puts that into the protocol.

    ``endlessly`` answers as a list that has a next page for ever, in one of the ways of ``pages.next_token``.
    """

    target: Target
    answer: Callable[[Caller, float], Reply]
    refused: Callable[[AwsError], Reply]
    endlessly: Callable[[str, Caller, float], Reply] | None = None

    def never_ending(self, way: str) -> Question:
        """Return the question of a list that never ends; one about no list stays as it is."""
        return replace(self, answer=partial(self.endlessly, way)) if self.endlessly else self
