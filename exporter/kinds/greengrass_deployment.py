"""Deployments of AWS IoT Greengrass V2. AWS rolls out each of them as a job.

    aws_greengrass_deployment_things{...,id="d7d2",state="succeeded"} 4988
    aws_greengrass_deployment_things{...,id="d7d2",state="failed"} 12

AWS: https://docs.aws.amazon.com/greengrass/v2/APIReference/API_GetDeployment.html
A deployment has no counts of its own. They are those of its job, which never changes.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from exporter.core.errors import ApiError, Reason
from exporter.kinds import job_counts, job_executions, job_operation, job_retries, response
from exporter.kinds.failure_reason import reason_text
from exporter.kinds.kind import (
    Api,
    ApiCall,
    Discovery,
    FailedItem,
    FailureSource,
    FetchRequest,
    Kind,
    ListEntry,
    Naming,
    Options,
    Simulation,
)
from exporter.kinds.response import Response
from exporter.kinds.simulated_operation import SimulatedOperation, operation_id_in

# The quota of 30 calls per second applies to all control-plane APIs of Greengrass V2 together.
BUCKET = "greengrassv2"
# Greengrass makes these calls with the permissions of the caller. Its other dependent actions are those of calls of the
# kind: DescribeJob, and DescribeJobExecution for failed items.
# AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiotgreengrassv2.html
DEPENDENT_ACTIONS = ("iot:DescribeThing", "iot:DescribeThingGroup", "iot:GetThingShadow")
GET = ApiCall(
    "greengrassv2",
    "GetDeployment",
    quota=30,
    bucket=BUCKET,
    resource="arn:*:greengrass:*:*:deployments:*",
    dependent_actions=DEPENDENT_ACTIONS,
)
EFFECTIVE = ApiCall(
    "greengrassv2",
    "ListEffectiveDeployments",
    quota=30,
    bucket=BUCKET,
    resource="arn:*:greengrass:*:*:coreDevices:*",
    dependent_actions=DEPENDENT_ACTIONS,
)
LIST = ApiCall("greengrassv2", "ListDeployments", quota=30, bucket=BUCKET, dependent_actions=DEPENDENT_ACTIONS)

# The counts of an ended deployment may be kept permanently, so they must not come from a response before its end.
DESCRIBE_JOB_UNSHARED = replace(job_counts.DESCRIBE_JOB, shared=False)

ACTIVE = frozenset({"ACTIVE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GreengrassDeployment(job_operation.JobOperation):
    """A deployment with the counts of its job. Without a job, ``job_id`` and the counts are empty."""


async def fetch(api: Api, request: FetchRequest[GreengrassDeployment]) -> GreengrassDeployment:
    """Return the requested deployment with the counts of its job.

    If the list of this refresh has the known status, only the job can have changed, and the deployment is not read.
    """
    deployment = request.previous
    if deployment is None or not deployment.job_id or deployment.status != request.listed_status:
        deployment = parse(request.id, await api.call(GET, deploymentId=request.id))
    describe = job_counts.DESCRIBE_JOB if KIND.is_active(deployment.status) else DESCRIBE_JOB_UNSHARED
    return job_operation.with_job(deployment, await _job(api, describe, deployment.job_id))


async def _job(api: Api, describe: ApiCall, job_id: str) -> Response:
    """Return the job, empty if there is none or it was deleted. Raises ``malformed`` if the job has no status."""
    if not job_id:
        return {}
    try:
        job = response.structure(await api.call(describe, jobId=job_id), "job")
    except ApiError as error:
        if error.reason is Reason.NOT_FOUND:
            return {}
        raise
    response.required_text(job, "status")
    return job


def parse(id: str, description: Response) -> GreengrassDeployment:
    """Return the deployment in a response of GetDeployment, without the counts of its job.

    ``components`` are left out: their configuration may contain secrets.
    """
    return GreengrassDeployment(
        id=id,
        status=response.required_text(description, "deploymentStatus"),
        created=response.timestamp(description, "creationTimestamp"),
        name=response.text(description, "deploymentName"),
        target=response.text(description, "targetArn"),
        tags=response.tags(description, "tags"),
        job_id=response.text(description, "iotJobId"),
    )


def is_final(deployment: GreengrassDeployment, options: Options) -> bool:
    """Return whether nothing can change any more. Things of an ended deployment can still be in progress."""
    return not KIND.is_active(deployment.status) and not job_counts.unfinished_things(deployment.things)


def entries(page: Response) -> Iterable[ListEntry]:
    """Return the deployments on a page of the list, which has no job ids."""
    for entry in response.structures(page, "deployments"):
        yield ListEntry(
            response.required_text(entry, "deploymentId"),
            response.timestamp(entry, "creationTimestamp"),
            response.text(entry, "deploymentStatus"),
        )


async def failed_devices(
    api: Api, deployment: GreengrassDeployment, state: str, limit: int
) -> AsyncIterator[Sequence[FailedItem]]:
    """Yield the pages of core devices in one state: the executions of the deployment's job, if it has one."""
    if deployment.job_id:
        async for page in job_executions.pages(api, deployment.job_id, state):
            yield page


async def explain(api: Api, deployment: GreengrassDeployment, device: FailedItem) -> FailedItem:
    """Return a core device with the reason and the errors of the deployment on it.

    The reason is empty if a newer deployment has replaced the deployment, or if it is not among the first 100.
    """
    page = await api.call(EFFECTIVE, coreDeviceThingName=device.item, maxResults=100)
    for effective in response.structures(page, "effectiveDeployments"):
        if response.required_text(effective, "deploymentId") == deployment.id:
            return replace(device, reason=_effective_reason(effective))
    return device


def _effective_reason(effective: Response) -> str:
    details = response.structure(effective, "statusDetails")
    # AWS sends the stack from the general to the specific error.
    stack, types = (" > ".join(details.get(member, ())) for member in ("errorStack", "errorTypes"))
    return reason_text([effective.get("reason", ""), stack, f"types: {types}" if types else ""])


def _simulated_executions(deployment: SimulatedOperation, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    job = _simulated_job(deployment)
    return job_executions.simulated_executions(job, parameters) if job else None


def _simulated_effective(deployment: SimulatedOperation, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    job = _simulated_job(deployment)
    number = job.number_of_item(str(parameters.get("coreDeviceThingName"))) if job else None
    if job is None or number is None:
        return None
    reason = job.failure_reason(number)
    effective = {
        "deploymentId": deployment.id,
        "deploymentName": deployment.name,
        "iotJobId": job.id,
        "iotJobArn": job_counts.job_arn(job),
        "targetArn": deployment.target or f"arn:aws:iot:{job.region}:{job.account}:thinggroup/everything",
        "coreDeviceExecutionStatus": "FAILED",
        "reason": reason or None,
        "creationTimestamp": deployment.created,
        "modifiedTimestamp": deployment.updated,
        "statusDetails": {"errorStack": ["DEPLOYMENT_FAILURE", *deployment.error_codes], "errorTypes": []},
    }
    return {"effectiveDeployments": [effective]}


def _simulated_deployment(deployment: SimulatedOperation) -> dict[str, Any]:
    job = _simulated_job(deployment)
    return {
        **_simulated_entry(deployment),
        "iotJobId": job.id if job else None,
        "iotJobArn": job_counts.job_arn(job) if job else None,
        "components": {"com.example.Gateway": {"componentVersion": "1.8.0"}},
        "deploymentPolicies": {"failureHandlingPolicy": "ROLLBACK"},
        "iotJobConfiguration": {},
        "tags": dict(deployment.tags) or None,
    }


def _simulated_entry(deployment: SimulatedOperation) -> dict[str, Any]:
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


def _simulated_job(deployment: SimulatedOperation) -> SimulatedOperation | None:
    """Return the job of a simulated deployment. A failed one has no job."""
    if deployment.status == "FAILED":
        return None
    status = {"ACTIVE": "IN_PROGRESS", "COMPLETED": "COMPLETED"}.get(deployment.status, "CANCELED")
    return replace(deployment, id=_job_id(deployment), status=status)


def _simulated_job_response(deployment: SimulatedOperation) -> dict[str, Any] | None:
    job = _simulated_job(deployment)
    return job_counts.simulated_job(job) if job else None


def _job_id(deployment: SimulatedOperation) -> str:
    return str(uuid5(NAMESPACE_URL, f"job of {deployment.id}"))


KIND: Kind[GreengrassDeployment] = Kind(
    name="greengrass_deployment",
    title="Greengrass V2 deployment",
    reference="https://docs.aws.amazon.com/greengrass/v2/developerguide/manage-deployments.html",
    operation=GreengrassDeployment,
    statuses=("ACTIVE", "COMPLETED", "CANCELED", "FAILED", "INACTIVE"),
    active=ACTIVE,
    completed=frozenset({"COMPLETED"}),
    id_parameter="deploymentId",
    id_length=64,
    describe_calls=(GET, job_counts.DESCRIBE_JOB),
    discovery=Discovery(
        LIST, entries, has_statuses=True, parameters={"historyFilter": "LATEST_ONLY", "maxResults": 100}
    ),
    fetch=fetch,
    is_final=is_final,
    item_counts=job_operation.item_counts,
    is_continuous=lambda deployment: deployment.continuous,
    metrics=job_operation.metrics("aws_greengrass_deployment_", "deployment"),
    simulation=Simulation(
        responses={GET: _simulated_deployment, job_counts.DESCRIBE_JOB: _simulated_job_response},
        entry=_simulated_entry,
        names_of={
            job_counts.DESCRIBE_JOB: Naming("jobId", _job_id),
            job_executions.LIST: Naming("jobId", _job_id),
            EFFECTIVE: Naming("coreDeviceThingName", _job_id, operation_id_in),
        },
        as_other_kinds={job_counts.JOB_KIND: _simulated_job},
        item_responses={job_executions.LIST: _simulated_executions, EFFECTIVE: _simulated_effective},
    ),
    rollout_kind=job_counts.JOB_KIND,
    thresholds=job_counts.THRESHOLDS,
    items=job_operation.item_series("aws_greengrass_deployment_"),
    notes=job_retries.NOTES,
    failed=frozenset({"FAILED"}),
    stopped=frozenset({"CANCELED"}),
    failures=FailureSource(
        # Greengrass calls DescribeJobExecution with the permissions of the caller.
        calls=(job_executions.LIST, job_executions.DESCRIBE, EFFECTIVE),
        states=job_executions.STATES,
        find=failed_devices,
        explain=explain,
        more_states=job_executions.MORE_STATES,
    ),
)
