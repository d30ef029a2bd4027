"""The thing counts of an AWS IoT job, for every kind that AWS rolls out as a job.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_JobProcessDetails.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from exporter.kinds import response
from exporter.kinds.kind import ApiCall
from exporter.kinds.response import Response
from exporter.kinds.simulated_operation import SimulatedOperation
from exporter.kinds.thresholds import Thresholds

RESOURCE = "arn:*:iot:*:*:job/*"
DESCRIBE_JOB = ApiCall("iot", "DescribeJob", quota=10, resource=RESOURCE, shared=True)

# The label value of each state, and the member with its count.
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
UNFINISHED = ("queued", "in_progress")
CANCELLED = "canceled"
# Removed and cancelled things are no failures: they were taken out of the job.
FAILURES = ("failed", "rejected", "timed_out")
EXECUTED = ("in_progress", "succeeded", *FAILURES)

# The name of the kind for jobs.
JOB_KIND = "iot_job"
CANCELED_STATUS = "CANCELED"
STATUSES = ("IN_PROGRESS", CANCELED_STATUS, "COMPLETED", "DELETION_IN_PROGRESS", "SCHEDULED")
ACTIVE = frozenset({"IN_PROGRESS", "SCHEDULED", "DELETION_IN_PROGRESS"})
# AWS cancels everything that is unfinished in a job of these statuses.
CANCELLING = frozenset({CANCELED_STATUS, "DELETION_IN_PROGRESS"})
# A continuous job includes each thing that joins its targets later. It never completes, it can only be cancelled.
CONTINUOUS = "CONTINUOUS"

# The last devices of a fleet connect rarely, or never. A job without them is not stalled.
THRESHOLDS = Thresholds(stalled_seconds=7_200.0, stalled_ratio=0.01)

# The number of executions in each state whose count AWS sent. Without retries, each thing has one execution.
ThingCounts = tuple[tuple[str, int], ...]


def thing_counts(job: Response) -> ThingCounts:
    """Return the counts of a job. AWS names them after things, but counts executions."""
    details = response.structure(job, "jobProcessDetails")
    counts = ((state, response.count(details, member)) for state, member in MEMBERS.items())
    return tuple((state, count) for state, count in counts if count is not None)


def progress(things: ThingCounts, status: str, retried: int = 0) -> float | None:
    """Return the share of things that a job of this status has processed; None if a count is missing or all are 0.

    AWS cancels the unfinished things of a cancelled or deleted job, so these things were not processed. A thing that
    was cancelled while its job continues is done. ``retried`` is the largest possible number of retried executions;
    the share is then the smallest possible one.
    """
    counts = dict(things)
    if not sum(counts.values()) or any(state not in counts for state in UNFINISHED):
        return None
    # At least one thing has executions, even if all of them may have been retried.
    total = max(1, sum(counts.values()) - retried)
    unprocessed = (*UNFINISHED, CANCELLED) if status in CANCELLING else UNFINISHED
    return (total - sum(counts.get(state, 0) for state in unprocessed)) / total


def failed_executions(things: ThingCounts) -> int:
    """Return the number of executions that failed, were rejected or timed out, including retried ones."""
    return sum(count for state, count in things if state in FAILURES)


def unfinished_things(things: ThingCounts) -> int:
    """Return the number of things that are queued or in progress."""
    return sum(count for state, count in things if state in UNFINISHED)


def is_continuous(job: Response) -> bool:
    """Return whether a job includes things that join its targets later."""
    return response.text(job, "targetSelection") == CONTINUOUS


def reason_code(job: Response) -> str:
    """Return the reason code of a job, empty if it is not a code as AWS documents it, but a text."""
    code = response.text(job, "reasonCode")
    return code if all(char.isupper() or char.isdigit() or char == "_" for char in code) else ""


def is_aborted(job: Response, things: ThingCounts) -> bool:
    """Return whether AWS cancelled a job because its failures met the job's own abort criteria.

    No member of the response states it, and AWS documents no reason code for it. But AWS cancels a job as soon as a
    criterion is met, so a cancelled job that meets one was aborted.
    AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_AbortCriteria.html
    """
    criteria = response.structures(response.structure(job, "abortConfig"), "criteriaList")
    is_met = any(_is_met(criterion, dict(things)) for criterion in criteria)
    return is_met and response.text(job, "status") == CANCELED_STATUS


def _is_met(criterion: Response, counts: Mapping[str, int]) -> bool:
    """Return whether the things of a job meet a criterion. Only things that executed the job count."""
    failure, percentage = response.text(criterion, "failureType").lower(), criterion.get("thresholdPercentage")
    executed = sum(count for state, count in counts.items() if state in EXECUTED)
    if percentage is None or executed < max(1, criterion.get("minNumberOfExecutedThings", 1)):
        return False
    failed = sum(count for state, count in counts.items() if state in FAILURES and failure in ("all", state))
    return bool(100 * failed >= percentage * executed)


def target_text(arns: Iterable[str]) -> str:
    """Return the first target of a job, and the number of further ones."""
    first, *others = (*arns, "")
    return f"{first} +{len(others) - 1}" if len(others) > 1 else first


def simulated_job(job: SimulatedOperation) -> dict[str, Any]:
    """Return the response of DescribeJob for a simulated job."""
    return {
        "job": {
            **simulated_entry(job),
            "targets": [job.target or f"arn:aws:iot:{job.region}:{job.account}:thinggroup/everything"],
            "description": job.message or None,
            "reasonCode": job.reason_code or None,
            "abortConfig": _simulated_abort_config(job),
            "jobProcessDetails": {"processingTargets": [], **_simulated_details(job)},
            "jobExecutionsRetryConfig": _simulated_retries(job),
        }
    }


def simulated_entry(job: SimulatedOperation) -> dict[str, Any]:
    """Return the entry of a simulated job in ListJobs."""
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


def _simulated_abort_config(job: SimulatedOperation) -> dict[str, Any] | None:
    if job.abort_percentage is None:
        return None
    criterion = {"failureType": "ALL", "action": "CANCEL", "thresholdPercentage": job.abort_percentage}
    return {"criteriaList": [{**criterion, "minNumberOfExecutedThings": 1}]}


def _simulated_retries(job: SimulatedOperation) -> dict[str, Any] | None:
    criteria = [{"failureType": type, "numberOfRetries": limit} for type, limit in job.allowed_retries]
    return {"criteriaList": criteria} if criteria else None


def simulated_executions(job: SimulatedOperation, state: str, failed: int) -> int:
    """Return the number of executions in a failed state. Each failed thing has used all of its retries."""
    # AWS does not retry a thing that rejected the job.
    allowed = {} if state == "rejected" else dict(job.allowed_retries)
    limit = allowed.get("ALL", allowed.get(state.upper(), 0))
    # The retries of the other things follow the first failure type of the configuration.
    first = next(iter(allowed), "")
    is_first = state.upper() == first or (first == "ALL" and state == "failed")
    return failed * (limit + 1) + (job.retries if is_first else 0)


def simulated_failures(job: SimulatedOperation) -> tuple[tuple[str, int], ...]:
    """Return the number of failed things of a simulated job by state."""
    timed_out, rejected = job.failed // 4, job.failed // 8
    return (("failed", job.failed - timed_out - rejected), ("rejected", rejected), ("timed_out", timed_out))


def _simulated_details(job: SimulatedOperation) -> dict[str, Any]:
    rest = job.items - job.processed
    running = min(rest, max(1, job.items // 50)) if job.status == "IN_PROGRESS" else 0
    counts = {
        "succeeded": job.succeeded,
        **{state: simulated_executions(job, state, failed) for state, failed in simulated_failures(job)},
        "in_progress": running,
        "queued": rest - running if job.status == "IN_PROGRESS" else 0,
        # Unfinished things are cancelled when a job ends.
        "canceled": rest if job.status in (CANCELED_STATUS, "DELETION_IN_PROGRESS", "COMPLETED") else 0,
    }
    return {member: counts.get(state, 0) for state, member in MEMBERS.items()}


def job_arn(job: SimulatedOperation) -> str:
    """Return the ARN of a simulated job."""
    return f"arn:aws:iot:{job.region}:{job.account}:job/{job.id}"
