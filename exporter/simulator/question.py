"""A request that was understood: what it is about, and how its service answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exporter.simulator.callers import Caller
from exporter.simulator.wire import AwsError, Reply, Target


@dataclass(frozen=True, slots=True)
class Question:
    """``answer`` takes the caller and the Unix time, and raises AwsError; ``refused`` puts that into the protocol."""

    target: Target
    answer: Callable[[Caller, float], Reply]
    refused: Callable[[AwsError], Reply]
