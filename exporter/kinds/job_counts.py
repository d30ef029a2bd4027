"""The things of an AWS IoT job by state: what DescribeJob says of a job, for every kind that is rolled out as one.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_JobProcessDetails.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from exporter.core.model import ItemCounts, Operation
from exporter.kinds import response
from exporter.kinds.kind import ApiCall, ItemSeries, SeriesSelector
from exporter.kinds.metric import Metric, breakdown
from exporter.kinds.response import Answer
from exporter.kinds.simulated_operation import SimulatedOperation

T = TypeVar("T", bound=Operation)

RESOURCE = "arn:*:iot:*:*:job/*"
DESCRIBE_JOB = ApiCall("iot", "DescribeJob", quota=10, resource=RESOURCE, shared=True)

MEMBERS: Mapping[str, str] = {
    "queued": "numberOfQueuedThings",
    "in_progress": "numberOfInProgressThings",
    "succeeded": "numberOfSucceededThings",
    "failed": "numberOfFailedThings",
    "rejected": "numberOfRejectedThings",
    "timed_out": "numberOfTimedOutThings",
    "removed": "numberOfRemovedThings",
    "canceled": "numberOfCanceledThings",
}
"""The label of each state, and AWS's name of its count."""
UNDER_WAY = ("queued", "in_progress")
FAILURES = ("failed", "rejected", "timed_out")
"""States in which a thing did not do what the job asked. Removed and cancelled things were taken out of it."""

JOB = "iot_job"
"""The kind that jobs are watched as, whoever created them."""
STATUSES = ("IN_PROGRESS", "CANCELED", "COMPLETED", "DELETION_IN_PROGRESS", "SCHEDULED")
ACTIVE = frozenset({"IN_PROGRESS", "SCHEDULED", "DELETION_IN_PROGRESS"})
CONTINUOUS = "CONTINUOUS"
"""Such a job goes on with every thing that joins its targets: it ends by being cancelled, never by completing."""

Things = tuple[tuple[str, int], ...]
"""The things in each state that AWS sent a count for."""


def parse_things(job: Answer) -> Things:
    """Return the counts of a job, in AWS's order of a thing's life."""
    details = response.structure(job, "jobProcessDetails")
    counts = ((state, response.count(details, member)) for state, member in MEMBERS.items())
    return tuple((state, count) for state, count in counts if count is not None)


def progress(things: Things) -> float | None:
    """Return the share of things in a final state, from 0 to 1; None where there are none, or nobody can tell."""
    counts = dict(things)
    total = sum(counts.values())
    if not total or any(state not in counts for state in UNDER_WAY):
        return None
    return 1 - sum(counts[state] for state in UNDER_WAY) / total


def is_continuous(job: Answer) -> bool:
    """Tell whether a job goes on with every thing that joins its targets."""
    return response.text(job, "targetSelection") == CONTINUOUS


def under_way(things: Things) -> int:
    """Return how many things are still queued or in progress."""
    return sum(count for state, count in things if state in UNDER_WAY)


def item_counts(things: Things) -> ItemCounts:
    """Return how many things ended well and badly."""
    counts = dict(things)
    failed = [counts[state] for state in FAILURES if state in counts]
    return ItemCounts(counts.get("succeeded"), sum(failed) if failed else None)


def things_metric(name: str, help: str, things: Callable[[T], Things]) -> Metric[T]:
    """Return the family with a row for each state."""
    return breakdown(name, help, "state", things)


def things_series(name: str) -> ItemSeries:
    """Return what the rows of the family mean."""
    return ItemSeries(
        succeeded=(SeriesSelector(name, "state", ("succeeded",)),),
        failed=(SeriesSelector(name, "state", FAILURES),),
        under_way=(SeriesSelector(name, "state", UNDER_WAY),),
    )


def targets(arns: Iterable[str]) -> str:
    """Return what a job is for as one text: its first target, and how many more there are."""
    first, *rest = (*arns, "")
    return f"{first} +{len(rest) - 1}" if len(rest) > 1 else first


def simulated_job(job: SimulatedOperation) -> dict[str, Any]:
    """Return what DescribeJob answers for a simulated job."""
    return {
        "job": {
            **simulated_entry(job),
            "targets": [job.target or f"arn:aws:iot:{job.region}:{job.account}:thinggroup/everything"],
            "description": job.message or None,
            "jobProcessDetails": {"processingTargets": [], **_simulated_details(job)},
        }
    }


def simulated_entry(job: SimulatedOperation) -> dict[str, Any]:
    """Return what ListJobs says of a simulated job."""
    return {
        "jobArn": job_arn(job),
        "jobId": job.id,
        "targetSelection": CONTINUOUS if job.continuous else "SNAPSHOT",
        "status": job.status,
        "createdAt": job.created,
        "lastUpdatedAt": job.updated,
        "completedAt": None if job.status in ACTIVE else job.updated,
        "isConcurrent": False,
    }


def _simulated_details(job: SimulatedOperation) -> dict[str, Any]:
    """Return the counts of a simulated job; what is not done when it ends was cancelled."""
    rest = job.items - job.processed
    running = min(rest, max(1, job.items // 50)) if job.status == "IN_PROGRESS" else 0
    counts = {
        "succeeded": job.succeeded,
        "failed": job.failed - job.failed // 4 - job.failed // 8,
        "rejected": job.failed // 8,
        "timed_out": job.failed // 4,
        "in_progress": running,
        "queued": rest - running if job.status == "IN_PROGRESS" else 0,
        "canceled": rest if job.status in ("CANCELED", "DELETION_IN_PROGRESS", "COMPLETED") else 0,
    }
    return {member: counts.get(state, 0) for state, member in MEMBERS.items()}


def job_arn(job: SimulatedOperation) -> str:
    """Return the ARN of a simulated job."""
    return f"arn:aws:iot:{job.region}:{job.account}:job/{job.id}"
