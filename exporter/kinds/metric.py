"""Declarative metric rows: what a family is called, what it says, and how it is read from a reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from exporter.core.model import Operation, Reading

T_contra = TypeVar("T_contra", bound=Operation, contravariant=True)

IDENTITY = ("aws_account_id", "aws_region", "kind", "id")
"""The labels of every row of an operation, so that any two rows join on them."""

Row = tuple[tuple[str, ...], float]
"""The values of a metric's extra labels, and the sample's value."""


@dataclass(frozen=True, slots=True)
class Metric(Generic[T_contra]):
    """One family of gauges. ``read`` gives no row where AWS sent nothing: an absent count is never 0."""

    name: str
    help: str
    read: Callable[[Reading[T_contra]], Iterable[Row]]
    labels: tuple[str, ...] = ()


def gauge(name: str, help: str, value: Callable[[T_contra], float | None]) -> Metric[T_contra]:
    """Return a metric with one row, or none where ``value`` gives None."""

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        number = value(reading.operation)
        return () if number is None else (((), number),)

    return Metric(name, help, read)


def timestamp(name: str, help: str, moment: Callable[[T_contra], datetime | None]) -> Metric[T_contra]:
    """Return a metric in Unix seconds; the age is left to PromQL, as Prometheus' guidelines ask."""

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        when = moment(reading.operation)
        return () if when is None else (((), when.timestamp()),)

    return Metric(name, help, read)


def info(name: str, help: str, values: Mapping[str, Callable[[T_contra], str]]) -> Metric[T_contra]:
    """Return a metric that is always 1 and carries text in its labels; an unknown text is an empty label."""

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        return ((tuple(value(reading.operation) for value in values.values()), 1.0),)

    return Metric(name, help, read, tuple(values))


def state_set(
    name: str, help: str, label: str, states: tuple[str, ...], state: Callable[[T_contra], str]
) -> Metric[T_contra]:
    """Return a metric with a 0/1 row for each state, one of which is 1: the last one stands for all unnamed ones."""
    *known, unknown = states

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        now = state(reading.operation)
        current = now if now in known else unknown
        return tuple(((one,), float(one == current)) for one in states)

    return Metric(name, help, read, (label,))


def breakdown(
    name: str, help: str, label: str, counts: Callable[[T_contra], Iterable[tuple[str, float]] | None]
) -> Metric[T_contra]:
    """Return a metric with one row for each (label value, count), or none where ``counts`` gives None."""

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        return tuple(((value,), count) for value, count in counts(reading.operation) or ())

    return Metric(name, help, read, (label,))
