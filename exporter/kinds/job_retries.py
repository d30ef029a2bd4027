"""The retries of a job, and the number of its things that failed.

AWS counts executions, and each retry is an execution. Only the last execution of a thing decides whether it failed.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/jobs-configurations-details.html#job-timeout-retry
"""

from collections.abc import Mapping
from itertools import chain

from exporter.kinds import response
from exporter.kinds.job_counts import FAILURES, MEMBERS, ThingCounts, is_continuous
from exporter.kinds.response import Response

# Each failure type, as AWS spells it, and the number of retries of a thing after such failures.
Retries = tuple[tuple[str, int], ...]
# The smallest and the largest possible number of things.
Range = tuple[int, int]

# AWS retries no rejected, removed or cancelled execution.
RETRIED_STATES: Mapping[str, tuple[str, ...]] = {
    "FAILED": ("failed",),
    "TIMED_OUT": ("timed_out",),
    "ALL": ("failed", "timed_out"),
}
# The statuses in which AWS makes all retries. A cancelled job makes no further ones.
RETRYING = frozenset({"IN_PROGRESS", "COMPLETED"})

NOTES = """\
### Jobs with retries

The metrics `aws_iot_job_*` and `aws_greengrass_deployment_*` come from the same counts of a job. AWS names these counts
after things, but it counts executions. If a job allows retries, AWS runs it again on a thing after a failure, and the
failed execution still counts. `aws_iot_job_allowed_retries` exists only for a job with a retry configuration.

AWS retries an execution that failed or timed out, as the configuration allows. It does not retry an execution that was
rejected, removed or cancelled. This decides what the counts say about things:

- `queued`, `in_progress`, `succeeded`, `rejected`, `removed` and `canceled` are exact numbers of things. An execution
  in such a state is the last one of its thing.
- `failed` and `timed_out` are numbers of executions, if AWS retries them. They include those of things that succeeded
  later. If AWS does not retry one of these states, its count is an exact number of things.

The exporter derives limits for the number of things that failed finally. In these formulas, F is the number of failed
executions of retried states, and D is the sum of all other counts, which is a number of things. R is the number of
retries of a thing: the sum over all failure types.

- Each of the D things has at most R failed executions, and a failed thing has at most R + 1. Therefore at least
  (F - R x D) / (R + 1) things failed.
- A failed thing used all retries of a failure type. Therefore at most F / r things failed, where r is the smallest
  number of retries of a type. According to AWS the divisor is r + 1. Users report failed things with r failed
  executions, so that the exporter uses r.
- If all targets of a job are things, their number N is known. At most N - D things failed, and exactly N - D after
  the job completed.
- AWS makes no further retries in a job that was cancelled, and may make none after the end of a schedule. In a
  continuous job, a thing that leaves the target and joins it again has all retries again. Then only 0 and F are limits.
- Counts that contradict each other, because AWS updates them one after the other, also limit nothing.

`aws_iot_job_certainly_failed_things` is the lower limit, including failures that AWS does not retry.
`aws_iot_job_possibly_failed_things` is the distance to the upper limit. If it is 0, the number of failed things is
exact. Otherwise only AWS's list of the job's executions shows which things failed. A refresh does not read this list,
because it needs one call for each 250 executions. The command `failures` reads it, and so does the page of an
operation with `failures: true` in the configuration.

| the job with three retries | succeeded | failed | queued | certainly failed | possibly failed | progress |
|---|---|---|---|---|---|---|
| One thing was tried twice, and waits for the next retry. | 0 | 2 | 1 | 0 | 0 | 0 |
| One thing succeeded after two retries. | 1 | 2 | 0 | 0 | 0 | 1 |
| One thing used all retries and failed. | 0 | 4 | 0 | 1 | 0 | 1 |
| A group of things has completed. | 980 | 20 | 0 | 0 | 6 | 1 |

The rest of the exporter uses these numbers:

- The progress ratio counts only the certainly failed things, so that it can be lower than the real progress.
- The alerts on failed items and the column Failed use the certainly failed things.
- The alert AwsIotBulkOperationOutcomeUnknown fires for a job that has ended, if things may have failed.
- `watch --until-done` ends with status 4 if things may have failed, and with status 1 if things certainly failed.
"""


def retries(job: Response) -> Retries:
    """Return the retries that a job allows, empty if it has no retry configuration."""
    criteria = response.structures(response.structure(job, "jobExecutionsRetryConfig"), "criteriaList")
    limits = {response.text(entry, "failureType"): response.count(entry, "numberOfRetries") for entry in criteria}
    return tuple((failure_type, limit) for failure_type, limit in limits.items() if limit is not None)


def failed_things(job: Response, things: ThingCounts) -> Range | None:
    """Return the possible number of things that failed and are not retried, None if AWS sent no failure count.

    docs/metrics.md explains the limits.
    """
    counts = dict(things)
    if counts.keys().isdisjoint(FAILURES):
        return None
    failures = sum(counts.get(state, 0) for state in FAILURES)
    attempts = sum(counts.get(state, 0) for state in _retried_states(job))
    low, high = _failed_last_attempts(job, counts, attempts) if attempts else (0, 0)
    return failures - attempts + low, failures - attempts + high


def _retried_states(job: Response) -> frozenset[str]:
    # AWS may add failure types. Any failed execution may then have been retried.
    types = (RETRIED_STATES.get(failure_type, FAILURES) for failure_type, limit in retries(job) if limit)
    return frozenset(chain.from_iterable(types))


def _failed_last_attempts(job: Response, counts: Mapping[str, int], attempts: int) -> Range:
    """Return how many of these failed attempts can be the last ones of their things."""
    if is_continuous(job):
        # A thing that leaves the target and joins it again has all of its retries again.
        return 0, attempts
    others = sum(counts.values()) - attempts
    low, high = _smallest(job, counts, attempts, others), _largest(job, attempts, others)
    # AWS updates the counts one after the other. Counts that contradict each other limit nothing.
    return (low, high) if low <= high else (0, attempts)


def _smallest(job: Response, counts: Mapping[str, int], attempts: int, others: int) -> int:
    """Return the number of failed things if all other things had all of their retries."""
    if len(counts) < len(MEMBERS):
        return 0
    limit = sum(limit for _, limit in retries(job))
    unexplained = attempts - limit * others
    named = _named_things(job) if response.text(job, "status") == "COMPLETED" else None
    return max(0, -(-unexplained // (limit + 1)), 0 if named is None else named - others)


def _largest(job: Response, attempts: int, others: int) -> int:
    """Return the number of failed things if all other things succeeded at once."""
    is_complete = response.text(job, "status") in RETRYING and not _has_end(job)
    # AWS documents one attempt more than retries. Reports show a failed thing with as many attempts as retries.
    needed = min(limit for _, limit in retries(job) if limit) if is_complete else 1
    named = _named_things(job)
    return attempts // needed if named is None else min(attempts // needed, named - others)


def _has_end(job: Response) -> bool:
    """Return whether a schedule ends the job, possibly before all retries."""
    return bool(response.text(response.structure(job, "schedulingConfig"), "endTime"))


def _named_things(job: Response) -> int | None:
    """Return the number of things of the job if all of its targets are things, else None."""
    targets = frozenset(response.texts(job, "targets"))
    return len(targets) if targets and all(":thing/" in target for target in targets) else None
