"""Jobs of AWS IoT, which CreateJob starts on many things.

    aws_iot_job_things{...,id="firmware-7",state="succeeded"} 4810
    aws_iot_job_things{...,id="firmware-7",state="failed"} 12

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeJob.html
A job has no status for failure: only the counts show it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from exporter.core.errors import malformed
from exporter.kinds import job_counts, job_executions, job_operation, job_retries, response
from exporter.kinds.kind import (
    Api,
    ApiCall,
    Discovery,
    FailureSource,
    FetchRequest,
    Kind,
    ListEntry,
    Naming,
    Options,
    Simulation,
    TagSource,
)
from exporter.kinds.response import Response, Tags
from exporter.kinds.simulated_operation import SimulatedOperation

LIST = ApiCall("iot", "ListJobs", quota=10)
LIST_TAGS = ApiCall("iot", "ListTagsForResource", quota=10, resource=job_counts.RESOURCE)


@dataclass(frozen=True, slots=True, kw_only=True)
class IotJob(job_operation.JobOperation):
    """A job. ``arn`` is empty if AWS did not send it."""

    arn: str = ""


async def fetch(api: Api, request: FetchRequest[IotJob]) -> IotJob:
    """Return the requested job."""
    return parse(request.id, await api.call(job_counts.DESCRIBE_JOB, jobId=request.id))


def parse(id: str, description: Response) -> IotJob:
    """Return the job in a response of DescribeJob.

    ``documentSource``, ``comment`` and ``description`` are left out: a signed URL and free text.
    """
    job = response.structure(description, "job")
    described = IotJob(
        id=id,
        status=response.required_text(job, "status"),
        created=response.timestamp(job, "createdAt"),
        scheduled_start=response.iso_timestamp(response.structure(job, "schedulingConfig"), "startTime"),
        target=job_counts.target_text(response.texts(job, "targets")),
        arn=response.text(job, "jobArn"),
    )
    return job_operation.with_job(described, job)


async def read_tags(api: Api, job: IotJob) -> Tags:
    """Return the tags of a job. DescribeJob does not return them."""
    if not job.arn:
        raise malformed("jobArn is missing")
    pages = [page async for page in api.pages(LIST_TAGS, resourceArn=job.arn)]
    return tuple(sorted(pair for page in pages for pair in response.tag_list(page, "tags")))


def is_final(job: IotJob, options: Options) -> bool:
    """Return whether nothing can change any more. Things of a cancelled job can still be in progress."""
    if KIND.is_active(job.status) or (job.continuous and job.status == "COMPLETED"):
        return False
    return not job_counts.unfinished_things(job.things)


def entries(page: Response) -> Iterable[ListEntry]:
    """Return the jobs on a page of the list."""
    for entry in response.structures(page, "jobs"):
        yield ListEntry(
            response.required_text(entry, "jobId"),
            response.timestamp(entry, "createdAt"),
            response.text(entry, "status"),
        )


def _simulated_tags(job: SimulatedOperation) -> dict[str, Any]:
    return {"tags": [{"Key": key, "Value": value} for key, value in job.tags]}


KIND: Kind[IotJob] = Kind(
    name=job_counts.JOB_KIND,
    title="IoT job",
    reference="https://docs.aws.amazon.com/iot/latest/developerguide/iot-jobs.html",
    operation=IotJob,
    statuses=job_counts.STATUSES,
    active=job_counts.ACTIVE,
    completed=frozenset({"COMPLETED"}),
    id_parameter="jobId",
    id_length=64,
    id_pattern="[a-zA-Z0-9_-]+",
    describe_calls=(job_counts.DESCRIBE_JOB,),
    discovery=Discovery(LIST, entries, status_parameter="status", has_statuses=True, parameters={"maxResults": 250}),
    fetch=fetch,
    is_final=is_final,
    item_counts=job_operation.item_counts,
    is_continuous=lambda job: job.continuous,
    metrics=job_operation.metrics("aws_iot_job_", "job"),
    simulation=Simulation(
        responses={job_counts.DESCRIBE_JOB: job_counts.simulated_job, LIST_TAGS: _simulated_tags},
        entry=job_counts.simulated_entry,
        names_of={LIST_TAGS: Naming("resourceArn", job_counts.job_arn)},
        item_responses={
            job_executions.LIST: job_executions.simulated_executions,
            job_executions.DESCRIBE: job_executions.simulated_execution,
        },
    ),
    thresholds=job_counts.THRESHOLDS,
    items=job_operation.item_series("aws_iot_job_"),
    notes=job_retries.NOTES,
    stopped=frozenset({job_counts.CANCELED_STATUS}),
    waiting=frozenset({"SCHEDULED"}),
    ending=frozenset({"DELETION_IN_PROGRESS"}),
    tag_source=TagSource(LIST_TAGS, read_tags),
    failures=FailureSource(
        calls=(job_executions.LIST, job_executions.DESCRIBE),
        states=job_executions.STATES,
        find=lambda api, job, state, limit: job_executions.pages(api, job.id, state),
        explain=lambda api, job, item: job_executions.explain(api, job.id, item),
        more_states=job_executions.MORE_STATES,
    ),
)
