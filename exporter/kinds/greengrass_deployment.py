"""Deployments of AWS IoT Greengrass V2: CreateDeployment, and the job that rolls it out.

    aws_greengrass_deployment_things{...,id="d7d2",state="succeeded"} 4988
    aws_greengrass_deployment_things{...,id="d7d2",state="failed"} 12

AWS: https://docs.aws.amazon.com/greengrass/v2/APIReference/API_GetDeployment.html
A deployment has no counts of its own: they are those of its job, which stays the same for its whole life.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from exporter.core.errors import ApiError, Reason
from exporter.core.model import Operation
from exporter.kinds import response
from exporter.kinds.job_counts import (
    DESCRIBE_JOB,
    JOB,
    Things,
    is_continuous,
    item_counts,
    job_arn,
    parse_things,
    progress,
    simulated_job,
    things_metric,
    things_series,
    under_way,
)
from exporter.kinds.kind import Api, ApiCall, Discovery, FetchRequest, Kind, ListEntry, Naming, Options, Simulation
from exporter.kinds.response import Answer
from exporter.kinds.simulated_operation import SimulatedOperation

OVERALL = "greengrassv2"
"""AWS counts 30 calls a second for all control-plane APIs of Greengrass V2 together."""
ALSO_NEEDS = ("iot:DescribeThing", "iot:DescribeThingGroup", "iot:GetThingShadow")
"""Greengrass looks these up with the caller's permissions."""
GET = ApiCall(
    "greengrassv2",
    "GetDeployment",
    quota=30,
    bucket=OVERALL,
    resource="arn:*:greengrass:*:*:deployments:*",
    also_needs=ALSO_NEEDS,
)
LIST = ApiCall("greengrassv2", "ListDeployments", quota=30, bucket=OVERALL, also_needs=ALSO_NEEDS)

LAST_LOOK = replace(DESCRIBE_JOB, shared=False)
"""The job of an ended deployment: its counts may be kept for good, so no answer from before the end will do."""

ACTIVE = frozenset({"ACTIVE"})
THINGS = "aws_greengrass_deployment_things"


@dataclass(frozen=True, slots=True, kw_only=True)
class GreengrassDeployment(Operation):
    """A deployment with the things of its job in each state; without a job ``job_id`` is empty and no thing counted."""

    job_id: str
    continuous: bool = False
    things: Things = ()


async def fetch(api: Api, wanted: FetchRequest[GreengrassDeployment]) -> GreengrassDeployment:
    """Return the deployment that is wanted, with the counts of its job.

    Where the list has just told that the status is what it was, only the job can have changed; one may yet come.
    """
    deployment = wanted.before
    if deployment is None or not deployment.job_id or deployment.status != wanted.listed:
        deployment = parse(wanted.id, await api.call(GET, deploymentId=wanted.id))
    describe = DESCRIBE_JOB if KIND.is_active(deployment.status) else LAST_LOOK
    return with_job(deployment, await _job(api, describe, deployment.job_id))


async def _job(api: Api, describe: ApiCall, job_id: str) -> Answer:
    """Return the job, or nothing where there is none or it was deleted. One without a status is malformed."""
    if not job_id:
        return {}
    try:
        job = response.structure(await api.call(describe, jobId=job_id), "job")
    except ApiError as error:
        if error.reason is Reason.NOT_FOUND:
            return {}
        raise
    response.status(job, "status")
    return job


def parse(id: str, described: Answer) -> GreengrassDeployment:
    """Return the deployment that an answer of GetDeployment describes, its job not looked at yet.

    ``components`` stay behind: their configuration may hold anything.
    """
    return GreengrassDeployment(
        id=id,
        status=response.status(described, "deploymentStatus"),
        created=response.moment(described, "creationTimestamp"),
        name=response.text(described, "deploymentName"),
        target=response.text(described, "targetArn"),
        tags=response.tags(described, "tags"),
        job_id=response.text(described, "iotJobId"),
    )


def with_job(deployment: GreengrassDeployment, job: Answer) -> GreengrassDeployment:
    """Return the deployment with what its job says."""
    things = parse_things(job)
    return replace(
        deployment,
        continuous=is_continuous(job),
        things=things,
        progress=progress(things),
        updated=response.moment(job, "lastUpdatedAt"),
    )


def is_final(deployment: GreengrassDeployment, options: Options) -> bool:
    """Tell whether nothing can change any more: things may go on after a deployment has ended."""
    return not KIND.is_active(deployment.status) and not under_way(deployment.things)


def entries(page: Answer) -> Iterable[ListEntry]:
    """Return the deployments on a page of the list, which has their statuses and not their jobs."""
    for entry in response.structures(page, "deployments"):
        yield ListEntry(
            response.status(entry, "deploymentId"),
            response.moment(entry, "creationTimestamp"),
            response.text(entry, "deploymentStatus"),
        )


def simulated_deployment(deployment: SimulatedOperation) -> dict[str, Any]:
    """Return what GetDeployment answers for a simulated deployment."""
    job = as_job(deployment)
    return {
        **simulated_entry(deployment),
        "iotJobId": job.id if job else None,
        "iotJobArn": job_arn(job) if job else None,
        "components": {"com.example.Gateway": {"componentVersion": "1.8.0"}},
        "deploymentPolicies": {"failureHandlingPolicy": "ROLLBACK"},
        "iotJobConfiguration": {},
        "tags": dict(deployment.tags) or None,
    }


def simulated_entry(deployment: SimulatedOperation) -> dict[str, Any]:
    """Return what ListDeployments says of a simulated deployment."""
    everything = f"arn:aws:iot:{deployment.region}:{deployment.account}:thinggroup/everything"
    return {
        "targetArn": deployment.target or everything,
        "revisionId": "1",
        "deploymentId": deployment.id,
        "deploymentName": deployment.name or None,
        "creationTimestamp": deployment.created,
        "deploymentStatus": deployment.status,
        "isLatestForTarget": True,
    }


def as_job(deployment: SimulatedOperation) -> SimulatedOperation | None:
    """Return the job of a simulated deployment; one that failed never got a job."""
    if deployment.status == "FAILED":
        return None
    status = {"ACTIVE": "IN_PROGRESS", "COMPLETED": "COMPLETED"}.get(deployment.status, "CANCELED")
    return replace(deployment, id=_job_id(deployment), status=status)


def simulated_job_of(deployment: SimulatedOperation) -> dict[str, Any] | None:
    """Return what DescribeJob answers for the job of a simulated deployment, None where there is none."""
    job = as_job(deployment)
    return simulated_job(job) if job else None


def _job_id(deployment: SimulatedOperation) -> str:
    return str(uuid5(NAMESPACE_URL, f"job of {deployment.id}"))


KIND: Kind[GreengrassDeployment] = Kind(
    name="greengrass_deployment",
    title="Greengrass V2 deployment",
    reference="https://docs.aws.amazon.com/greengrass/v2/developerguide/manage-deployments.html",
    operation=GreengrassDeployment,
    statuses=("ACTIVE", "COMPLETED", "CANCELED", "FAILED", "INACTIVE"),
    active=ACTIVE,
    completes=frozenset({"COMPLETED"}),
    id_parameter="deploymentId",
    id_length=64,
    describes=(GET, DESCRIBE_JOB),
    discovery=Discovery(
        LIST, entries, tells_status=True, parameters={"historyFilter": "LATEST_ONLY", "maxResults": 100}
    ),
    fetch=fetch,
    final=is_final,
    item_counts=lambda deployment: item_counts(deployment.things),
    continuous=lambda deployment: deployment.continuous,
    metrics=(
        things_metric(
            THINGS,
            "Things of the deployment by the state of its job's execution on them (AWS: jobProcessDetails).",
            lambda deployment: deployment.things,
        ),
    ),
    simulation=Simulation(
        answers={GET: simulated_deployment, DESCRIBE_JOB: simulated_job_of},
        entry=simulated_entry,
        namings={DESCRIBE_JOB: Naming("jobId", _job_id)},
        also_as={JOB: as_job},
    ),
    items=things_series(THINGS),
    failed=frozenset({"FAILED"}),
    stopped=frozenset({"CANCELED"}),
)
