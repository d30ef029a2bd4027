"""The operations that AWS rolls out as jobs: their counts, metrics and item counts."""

from dataclasses import dataclass, replace
from typing import TypeVar

from exporter.core.model import ItemCounts, Operation
from exporter.kinds import job_counts, job_retries, job_settings, response
from exporter.kinds.kind import ItemSeries, SeriesSelector
from exporter.kinds.metric import Metric, breakdown, gauge
from exporter.kinds.response import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOperation(Operation):
    """An operation that AWS rolls out as a job.

    ``failed`` is the smallest and the largest possible number of failed things, see docs/metrics.md.
    """

    continuous: bool = False
    things: job_counts.ThingCounts = ()
    retries: job_retries.Retries = ()
    failed: job_retries.Range | None = None


T = TypeVar("T", bound=JobOperation)


def with_job(operation: T, job: Response) -> T:
    """Return the operation with the state of its job, which is empty if there is none."""
    things, retries = job_counts.thing_counts(job), job_retries.retries(job)
    failed = job_retries.failed_things(job, things)
    retried = job_counts.failed_executions(things) - failed[0] if failed else 0
    return replace(
        operation,
        updated=response.timestamp(job, "lastUpdatedAt"),
        completed=response.timestamp(job, "completedAt"),
        reason_code=job_counts.reason_code(job),
        aborted=job_counts.is_aborted(job, things),
        progress=job_counts.progress(things, response.text(job, "status"), retried),
        continuous=job_counts.is_continuous(job),
        things=things,
        retries=retries,
        failed=failed,
        settings=job_settings.settings(job, retries),
    )


def item_counts(operation: JobOperation) -> ItemCounts:
    """Return the number of succeeded and failed things."""
    low, high = operation.failed or (None, None)
    uncertain = high - low if low is not None and high is not None else 0
    things = dict(operation.things)
    executions = sum(things.get(state, 0) for state in job_counts.FAILURES) if operation.retries else None
    return ItemCounts(things.get("succeeded"), low, possibly_failed=uncertain, failed_executions=executions)


def metrics(prefix: str, noun: str) -> tuple[Metric[JobOperation], ...]:
    """Return the metrics of a kind. Only operations with retries have the last three."""
    return (
        breakdown(
            prefix + "things",
            f"Number of executions of the {noun} by state (AWS: jobProcessDetails). "
            "Without retries, each thing has one execution.",
            "state",
            lambda operation: operation.things,
        ),
        breakdown(
            prefix + "allowed_retries",
            "Number of retries that a thing has after failures of a type, if retries are configured "
            "(AWS: jobExecutionsRetryConfig).",
            "failure_type",
            lambda operation: operation.retries,
            constant=True,
        ),
        gauge(
            prefix + "certainly_failed_things",
            f"Smallest possible number of failed things, if the {noun} has retries.",
            lambda operation: item_counts(operation).failed if operation.retries else None,
        ),
        gauge(
            prefix + "possibly_failed_things",
            f"Number of further things that may have failed, if the {noun} has retries.",
            lambda operation: (
                item_counts(operation).possibly_failed if operation.retries and operation.failed else None
            ),
        ),
    )


def item_series(prefix: str) -> ItemSeries:
    """Return the series of the metrics that contain the item counts."""

    def things(*states: str) -> tuple[SeriesSelector, ...]:
        return (SeriesSelector(prefix + "things", "state", states),)

    return ItemSeries(
        succeeded=things("succeeded"),
        failed=things(*job_counts.FAILURES),
        unfinished=things(*job_counts.UNFINISHED),
        certainly_failed=(SeriesSelector(prefix + "certainly_failed_things"),),
        possibly_failed=(SeriesSelector(prefix + "possibly_failed_things"),),
    )
