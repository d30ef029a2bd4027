"""Declarations of metrics: the name, the help text, and how the samples are read from an operation."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from exporter.core.model import Operation, Reading

T_contra = TypeVar("T_contra", bound=Operation, contravariant=True)

# The labels of every series of an operation, so that queries can join any two of them.
IDENTITY = ("aws_account_id", "aws_region", "kind", "id")

# The values of a metric's additional labels, and the value of the sample.
Row = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Metric(Generic[T_contra]):
    """A gauge. ``read`` returns no sample for a value that AWS did not send, instead of 0.

    A final operation has few samples, because most operations are final: see ``state_set``, ``breakdown`` and
    ``until_final``. A ``constant`` metric never changes, so that it does not show whether an operation runs.
    """

    name: str
    help: str
    read: Callable[[Reading[T_contra]], Iterable[Row]]
    labels: tuple[str, ...] = ()
    constant: bool = False


def gauge(name: str, help: str, value: Callable[[T_contra], float | None]) -> Metric[T_contra]:
    """Return a metric with one sample, or none if ``value`` returns None."""

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        number = value(reading.operation)
        return () if number is None else (((), number),)

    return Metric(name, help, read)


def until_final(metric: Metric[T_contra]) -> Metric[T_contra]:
    """Return the metric without samples of final operations."""
    return replace(metric, read=lambda reading: () if reading.final else metric.read(reading))


def timestamp(name: str, help: str, moment: Callable[[T_contra], datetime | None]) -> Metric[T_contra]:
    """Return a metric in Unix seconds. Queries compute the age from it, as the Prometheus guidelines recommend."""

    def value(operation: T_contra) -> float | None:
        when = moment(operation)
        return when.timestamp() if when else None

    return gauge(name, help, value)


def info(name: str, help: str, values: Mapping[str, Callable[[T_contra], str]]) -> Metric[T_contra]:
    """Return a metric that is always 1 and has texts in its labels. An unknown text is an empty label."""

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        return ((tuple(value(reading.operation) for value in values.values()), 1.0),)

    return Metric(name, help, read, tuple(values))


def state_set(
    name: str, help: str, label: str, states: tuple[str, ...], state: Callable[[T_contra], str]
) -> Metric[T_contra]:
    """Return a metric with a series for each state: 1 for the current state, else 0. The last state means any other.

    A final operation has only the series of its current state.
    """
    *known, unknown = states

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        now = state(reading.operation)
        current = now if now in known else unknown
        shown = (current,) if reading.final else states
        return tuple(((label_value,), float(label_value == current)) for label_value in shown)

    return Metric(name, help, read, (label,))


def breakdown(
    name: str,
    help: str,
    label: str,
    counts: Callable[[T_contra], Iterable[tuple[str, float]] | None],
    constant: bool = False,
) -> Metric[T_contra]:
    """Return a metric with one sample for each pair of a label value and a count.

    A final operation has only the counts above 0.
    """

    def read(reading: Reading[T_contra]) -> Iterable[Row]:
        pairs = counts(reading.operation) or ()
        return tuple(((value,), count) for value, count in pairs if count or not reading.final)

    return Metric(name, help, read, (label,), constant)
