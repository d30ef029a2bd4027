"""Jobs of AWS IoT: CreateJob and what became of it on each thing.

    aws_iot_job_things{...,id="firmware-7",state="succeeded"} 4810
    aws_iot_job_things{...,id="firmware-7",state="failed"} 12

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeJob.html
A job has no status for failure: only the counts tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from exporter.core.errors import malformed
from exporter.core.model import Operation
from exporter.kinds import response
from exporter.kinds.job_counts import (
    ACTIVE,
    DESCRIBE_JOB,
    JOB,
    RESOURCE,
    STATUSES,
    Things,
    is_continuous,
    item_counts,
    job_arn,
    parse_things,
    progress,
    simulated_entry,
    simulated_job,
    targets,
    things_metric,
    things_series,
    under_way,
)
from exporter.kinds.kind import (
    Api,
    ApiCall,
    Discovery,
    FetchRequest,
    Kind,
    ListEntry,
    Naming,
    Options,
    Simulation,
    TagSource,
)
from exporter.kinds.response import Answer, Tags
from exporter.kinds.simulated_operation import SimulatedOperation

LIST = ApiCall("iot", "ListJobs", quota=10)
LIST_TAGS = ApiCall("iot", "ListTagsForResource", quota=10, resource=RESOURCE)
THINGS = "aws_iot_job_things"


@dataclass(frozen=True, slots=True, kw_only=True)
class IotJob(Operation):
    """A job with the things in each state; ``arn`` is empty where AWS sent none."""

    arn: str
    continuous: bool
    things: Things


async def fetch(api: Api, wanted: FetchRequest[IotJob]) -> IotJob:
    """Return the job that is wanted."""
    return parse(wanted.id, await api.call(DESCRIBE_JOB, jobId=wanted.id))


def parse(id: str, described: Answer) -> IotJob:
    """Return the job that an answer of DescribeJob describes.

    ``documentSource``, ``comment`` and ``description`` stay behind: a signed URL and free text.
    """
    job = response.structure(described, "job")
    things = parse_things(job)
    return IotJob(
        id=id,
        status=response.status(job, "status"),
        progress=progress(things),
        created=response.moment(job, "createdAt"),
        updated=response.moment(job, "lastUpdatedAt"),
        target=targets(response.texts(job, "targets") if "targets" in job else ()),
        arn=response.text(job, "jobArn"),
        continuous=is_continuous(job),
        things=things,
    )


async def read_tags(api: Api, job: IotJob) -> Tags:
    """Return the tags of a job, which its description lacks."""
    if not job.arn:
        raise malformed("jobArn is missing")
    pages = [page async for page in api.pages(LIST_TAGS, resourceArn=job.arn)]
    return tuple(sorted(pair for page in pages for pair in response.tag_list(page, "tags")))


def is_final(job: IotJob, options: Options) -> bool:
    """Tell whether nothing can change any more: things may go on after a job was cancelled."""
    completes = not (job.continuous and job.status == "COMPLETED")
    return not KIND.is_active(job.status) and completes and not under_way(job.things)


def entries(page: Answer) -> Iterable[ListEntry]:
    """Return the jobs on a page of the list, which has no counts."""
    for entry in response.structures(page, "jobs"):
        yield ListEntry(
            response.status(entry, "jobId"), response.moment(entry, "createdAt"), response.text(entry, "status")
        )


def simulated_tags(job: SimulatedOperation) -> dict[str, Any]:
    """Return what ListTagsForResource answers for a simulated job."""
    return {"tags": [{"Key": key, "Value": value} for key, value in job.tags]}


KIND: Kind[IotJob] = Kind(
    name=JOB,
    title="IoT job",
    reference="https://docs.aws.amazon.com/iot/latest/developerguide/iot-jobs.html",
    operation=IotJob,
    statuses=STATUSES,
    active=ACTIVE,
    completes=frozenset({"COMPLETED"}),
    id_parameter="jobId",
    id_length=64,
    id_pattern="[a-zA-Z0-9_-]+",
    describes=(DESCRIBE_JOB,),
    discovery=Discovery(LIST, entries, status_parameter="status", parameters={"maxResults": 250}),
    fetch=fetch,
    final=is_final,
    item_counts=lambda job: item_counts(job.things),
    continuous=lambda job: job.continuous,
    metrics=(
        things_metric(
            THINGS,
            "Things of the job by the state of its execution on them (AWS: jobProcessDetails).",
            lambda job: job.things,
        ),
    ),
    simulation=Simulation(
        answers={DESCRIBE_JOB: simulated_job, LIST_TAGS: simulated_tags},
        entry=simulated_entry,
        namings={LIST_TAGS: Naming("resourceArn", job_arn)},
    ),
    items=things_series(THINGS),
    stopped=frozenset({"CANCELED"}),
    waiting=frozenset({"SCHEDULED"}),
    ending=frozenset({"DELETION_IN_PROGRESS"}),
    tag_source=TagSource(LIST_TAGS, read_tags),
)
